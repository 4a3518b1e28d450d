#!/usr/bin/env bash
# Options of the server that runs
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-mysql-functions.sh >>>

<<< included/mysql-lab-1-mysql-options-in-force.sh >>>

# SQL's way to write an option file's value: 128M is 134217728, true is TRUE, and all that is no number is a text.
literal() {
  local quoted
  local -A shift_of=([K]=10 [M]=20 [G]=30 [T]=40 [P]=50 [E]=60)
  case ${1^^} in
    TRUE | FALSE) printf '%s' "${1^^}" ;;
    *)
      if [[ ${1^^} =~ ^([0-9]+)([KMGTPE])$ ]]; then
        printf '%s' $((BASH_REMATCH[1] << shift_of[${BASH_REMATCH[2]}]))
      elif [[ $1 =~ ^-?[0-9]+(\.[0-9]+)?$ ]]; then
        printf '%s' "$1"
      else
        quoted=${1//\\/\\\\}
        printf "'%s'" "${quoted//\'/\\\'}"
      fi
      ;;
  esac
}

value_of() { sql <<<"select @@global.$1" 2>/dev/null || echo unknown; }

# set_running NAME LITERAL: succeeds where the server takes the value while it runs.
set_running() {
  local before after
  # A server that takes its certificate only at a start would let nobody in until then.
  [[ $1 != require_secure_transport || ${#restart_for[@]} == 0 ]] || return
  before=$(value_of "$1")
  sql <<<"set global $1 = $2" >/dev/null 2>&1 || return
  after=$(value_of "$1")
  [[ $round == 2 && $before == "$after" ]] || say "option $1: $before, now $after, without a restart"
}

is_managed() { crm_mon --output-as=xml 2>/dev/null | grep '<resource id="mysql-server"' | grep --quiet 'managed="true"'; }

# The server ends by itself, so its data is whole and its start has nothing to recover. systemd does both, whether or not this
# script lives to see it; Pacemaker's monitor waits for that. DRBD, file system and probe stay as they are.
restart_server() {
  is_managed || stop "mysql-server not managed by Pacemaker: $(set_by_hand service)" "it managed, since ${restart_for[*]} needs a restart" \
    "End that, then run pulumi up again."
  systemctl restart azure-mysql-ha-server.service 2>/dev/null ||
    stop "a server that does not start with ${restart_for[*]} ($(grep --ignore-case error /var/log/mysql/error.log | grep --invert-match Aborting | tail -n 1))" "one that does" \
      "Take that out of mysqlOptions, then run pulumi up again."
}
main() {
  local serving held new line name round restart_for=()
  local -A was=() is=()
  # A file that is not the stack's must not be what a server starts with.
  cmp --quiet /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf - <<'FILE' || stop "a different /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf" "the one that mysql-lab-1-server writes" "Run that script again: make drift shows how."
<<< included/mysql-lab-1-mysql-server.cnf >>>
FILE
  if is_held_back; then
    [[ ! $(running_server) ]] || stop "a server that does not answer, and $held" "one that answers" "End that, then run pulumi up again."
    say "options: they take effect at the next start of the server, which is left as set by hand: $held"
    return
  fi
  # A start that has failed with the options before is tried anew with those of now.
  somebody_serves || crm_resource --cleanup --resource mysql-server >/dev/null 2>&1 || true
  wait_for 600 "serving node" somebody_serves
  if [[ $serving != mysql-lab-1 ]]; then
    say "options: in force on $serving, which serves"
    return
  fi
  wait_for 600 "answer of the server" server_answers
  if ! are_noted; then
    say "options: the server has started with them"
    return
  fi

  # What stands later in the files wins.
  new=$(options_on_disk)
  while IFS= read -r line; do was[${line%%=*}]=${line#"${line%%=*}"}; done < <(tail -n +2 $in_force)
  while IFS= read -r line; do is[${line%%=*}]=${line#"${line%%=*}"}; done <<<"$new"
  # In two rounds: where one option bounds another, the server takes less of that than was said, and calls it done (MySQL's
  # innodb_io_capacity, while innodb_io_capacity_max is that of before).
  # Backwards, so that ssl_* comes before what asks for it.
  for round in 1 2; do
    restart_for=()
    for name in $(printf '%s\n' "${!was[@]}" "${!is[@]}" | sort --unique --reverse); do
      if [[ ! ${is[$name]+there} ]]; then
        set_running "$name" DEFAULT || restart_for+=("$name")
      elif [[ ! ${was[$name]+there} || ${was[$name]} != "${is[$name]}" ]]; then
        set_running "$name" "$(literal "${is[$name]#=}")" || restart_for+=("$name")
      fi
    done
  done
  if ((${#restart_for[@]})); then
    say "restarting the server for ${restart_for[*]}"
    restart_server
    say "options: the server has started with them"
  else
    note_options_in_force "$new"
    say "options: in force"
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
