#!/usr/bin/env bash
# Options of the server that runs
# Node mysql-prod-1 of cluster mysql-prod. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-prod-1: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
  exit 1
}

# diagnose: what a script can tell when it has waited in vain.
# shellcheck disable=SC2329 # some scripts have their own
diagnose() { :; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; says what is awaited, and gives up with a clear line.
wait_for() {
  local limit=$1 what=$2 begin=$SECONDS told=$SECONDS
  shift 2
  until "$@"; do
    if ((SECONDS - begin >= limit)); then
      diagnose >&2
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-prod-1, then run pulumi up again."
    fi
    if ((SECONDS - told >= 10)); then
      say "waiting for $what ($((SECONDS - begin)) of $limit s)"
      told=$SECONDS
    fi
    sleep 1
  done
}

# install_file PATH MODE [OWNER:GROUP] <CONTENT: writes the file if it differs (its content, its mode, whose it is), whole
# or not at all. Sets changed=yes if so.
# shellcheck disable=SC2034 # for the scripts that want to know
install_file() {
  local path=$1 mode=$2 owner=${3:-root:root} content new=$1.new
  changed=no
  IFS= read -rd '' content || true
  if [[ -f $path && $(stat --dereference --format='%a %U:%G' "$path") == "${mode#0} $owner" ]] &&
    cmp --quiet "$path" <(printf '%s' "$content"); then return; fi
  mkdir -p "${path%/*}"
  (umask 077 && printf '%s' "$content" >"$new")
  chmod "$mode" "$new"
  chown "$owner" "$new"
  sync "$new"
  mv "$new" "$path"
  changed=yes
  say "wrote $path"
}

# One script of ours at a time on a node. A child that outlived its interrupted script still holds the lock.
exec 9>/run/azure-mysql-ha.lock
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-prod-1."

serving_node() { crm_resource --resource mysql-server --locate 2>/dev/null | sed --quiet 's/.*is running on: *\([^ ]*\).*/\1/p'; }

somebody_serves() { serving=$(serving_node) && [[ $serving ]]; }

diagnose() { crm_mon --one-shot --inactive; }

# The local root account needs no password: the server knows who is at the other end of the socket.
sql() { /usr/bin/mysql --no-defaults --socket=/run/mysqld/mysqld.sock --user=root --batch --skip-column-names; }

server_answers() { sql <<<"select 1" >/dev/null 2>&1; }

# What the running server was started with is kept beside it, since its option file may be newer.
readonly in_force=/run/azure-mysql-ha/options-in-force

# This start of the server and no other: its process, and when that began. Nothing where none runs.
running_server() {
  local pid
  pid=$(pgrep --exact --full '/usr/sbin/mysqld.*' | head -n 1) && cut --delimiter=' ' --fields=1,22 "/proc/$pid/stat" 2>/dev/null || true
}

# What a server that starts now would take from all option files: name=value, a line each, the names spelt with _.
options_on_disk() {
  local line name value
  while IFS= read -r line; do
    name=${line%%=*} value=${line#"${line%%=*}"}
    printf '%s%s\n' "${name//-/_}" "$value"
  done < <(/usr/sbin/mysqld --defaults-file=/etc/mysql/my.cnf --print-defaults | sed '1d; s/^--//; s/ --/\n/g; s/ *$//')
}

# note_options_in_force OPTIONS: whole or not at all, and gone with the machine's memory as the server is.
note_options_in_force() {
  local server
  server=$(running_server)
  [[ $server ]] || return 0
  install --directory --mode=0700 ${in_force%/*}
  printf '%s\n%s\n' "$server" "$1" >$in_force.new
  mv $in_force.new $in_force
}

are_noted() { [[ -e $in_force && $(head -n 1 $in_force) == "$(running_server)" ]]; }

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
  local before
  before=$(value_of "$1")
  sql <<<"set global $1 = $2" >/dev/null 2>&1 || return
  say "option $1: $before, now $(value_of "$1"), without a restart"
}

is_managed() { crm_mon --output-as=xml 2>/dev/null | grep '<resource id="mysql-server"' | grep --quiet 'managed="true"'; }

start_has_failed() { crm_mon --output-as=xml 2>/dev/null | grep --quiet '<failure.*mysql-server_start_0.*node="mysql-prod-1"'; }

is_another_server() { [[ $(running_server) != "$old" ]]; }

has_started_or_failed() { { is_another_server && server_answers; } || start_has_failed; }

# The server ends by itself, so its data is whole and its start has nothing to recover; then Pacemaker looks, finds it stopped
# and starts it in its place. No order is left in the cluster's configuration that a kill of this script could leave there:
# Pacemaker would find the same with its next monitor. DRBD, file system and probe stay as they are.
restart_server() {
  local old
  is_managed || stop "mysql-server not managed by Pacemaker" "it managed" "End the maintenance, then run pulumi up again."
  old=$(running_server)
  sql <<<"shutdown"
  wait_for 120 "end of the server" is_another_server
  crm_resource --refresh --force --resource mysql-server --node mysql-prod-1 >/dev/null 2>&1 || true
  wait_for 330 "start of the server" has_started_or_failed
  if start_has_failed; then
    stop "a server that does not start with ${restart_for[*]} ($(grep --ignore-case error /var/log/mysql/error.log | grep --invert-match Aborting | tail -n 1))" "one that does" \
      "Take that out of mysqlOptions, then run pulumi up again."
  fi
  crm_resource --wait --timeout=60s >/dev/null 2>&1 || true # until Pacemaker has seen it as well
}
main() {
  local serving new line name restart_for=()
  local -A was=() is=()
  # A file that is not the stack's must not be what a server starts with.
  cmp --quiet /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf - <<'FILE' || stop "another /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf" "the one that mysql-prod-1-server writes" "Run that script again."
# Written by Pulumi. Read last: what stands here wins.
[mysqld]
datadir      = /var/lib/mysql/data
bind_address = 0.0.0.0
port         = 3306
log_error    = /var/log/mysql/error.log

# A commit is on disk, on both nodes, before it is acknowledged.
innodb_flush_log_at_trx_commit = 1
sync_binlog                    = 1

# The balancer's client addresses have no names; waiting for DNS would be all there is to it.
skip_name_resolve = ON
FILE
  # A start that has failed with the options before is tried anew with those of now.
  somebody_serves || crm_resource --cleanup --resource mysql-server >/dev/null 2>&1 || true
  wait_for 600 "serving node" somebody_serves
  if [[ $serving != mysql-prod-1 ]]; then
    say "options: $serving serves, and has them"
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
  for name in $(printf '%s\n' "${!was[@]}" "${!is[@]}" | sort --unique); do
    if [[ ! ${is[$name]+there} ]]; then
      set_running "$name" DEFAULT || restart_for+=("$name")
    elif [[ ! ${was[$name]+there} || ${was[$name]} != "${is[$name]}" ]]; then
      set_running "$name" "$(literal "${is[$name]#=}")" || restart_for+=("$name")
    fi
  done
  if ((${#restart_for[@]})); then
    say "restart of the server, for ${restart_for[*]}"
    restart_server
    say "options: the server has started with them"
  else
    note_options_in_force "$new"
    say "options: in force"
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
