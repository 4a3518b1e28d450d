# shellcheck shell=bash
# Moves the service from this node to the other one: bash -s -- OWN OTHER CLIENT SOCKET, with CLIENT the server's client.
# Sent by `python -m operations.move`, which has looked whether the other one can serve. It is run in a unit of its own and
# goes on to its end, whatever becomes of whoever has sent it. What it tells, a line each:
#   pages N           of the server's memory are not on disk
#   left N SECONDS    of them after so long, in which it serves on
#   moved SECONDS     from the first step until the other one's server has greeted
#   failed TEXT       why it has not moved
#
# A ban of DRBD's promoted role, not a standby: the other node is promoted while both are connected, so it asks no fence-peer
# handler, and this node's DRBD stays up as the second copy.

readonly write_out_seconds=60 equal_seconds=60 move_seconds=180
readonly no_fewer_seconds=10 # in which a server that is written to all the time has got no closer
readonly ban_seconds=600 # after which the ban has no force, should this machine die in the middle

# What nobody writes to: reading it is a sleep that starts no process.
exec {never}<> <(:)
pause() { read -rt "$1" -u "$never"; }

sql() { "$client" --no-defaults --socket="$socket" --user=root --batch --skip-column-names --execute="$1" 2>/dev/null; }

dirty_pages() {
  pages=$(sql "show global status like 'Innodb_buffer_pool_pages_dirty'")
  pages=${pages##*$'\t'}
}

since() { # TIME, as of EPOCHREALTIME
  local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
  printf '%d.%d' $((us / 1000000)) $((us % 1000000 / 100000))
}

drbd() { # TEXT: whether DRBD's own line has it
  local text
  IFS= read -rd '' text </proc/drbd
  [[ $text == *" 1: "*"$1"* ]]
}

put_back() {
  [[ ! $before ]] || sql "set global $before"
  before=""
}

# Until the rest is what the server's stop writes within a second, or clients dirty as many as are written.
write_out() {
  local within_a_second fewest fewer_at begin=$EPOCHREALTIME end=$((SECONDS + write_out_seconds))
  before=$(sql "select concat('innodb_io_capacity = ', @@innodb_io_capacity, ', innodb_max_dirty_pages_pct = ',
    @@innodb_max_dirty_pages_pct, ', innodb_max_dirty_pages_pct_lwm = ', @@innodb_max_dirty_pages_pct_lwm)") &&
    within_a_second=$(sql "select @@innodb_io_capacity") && dirty_pages || return
  echo "pages $pages"
  # All that the disk can do, for these seconds: clients dirty hundreds of pages a second, and at half of it no end would
  # be in sight.
  sql "set global innodb_io_capacity = @@innodb_io_capacity_max, innodb_max_dirty_pages_pct_lwm = 0, innodb_max_dirty_pages_pct = 0" || return
  fewest=$pages fewer_at=$SECONDS
  while ((pages > within_a_second && SECONDS < end && SECONDS - fewer_at < no_fewer_seconds)); do
    pause 0.5
    dirty_pages
    if ((20 * pages < 19 * fewest)); then fewest=$pages fewer_at=$SECONDS; fi
  done
  echo "left $pages $(since "$begin")"
}

are_equal() {
  local end=$((SECONDS + equal_seconds))
  until drbd "cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate"; do
    ((SECONDS < end)) || return
    pause 0.5
  done
}

greets() { timeout 2 bash -c "exec 3<>/dev/tcp/$other/3306 && read -r -N 1 <&3" 2>/dev/null; }

failures() { grep --count "<failure .*node=\"$other\"" <<<"$seen"; }

# Whether Pacemaker has given up: it will not try again as long as this node is banned. Sets why.
has_failed() {
  seen=$(crm_mon --one-shot --output-as=xml 2>/dev/null) || return
  if [[ ! $seen =~ \<node\ name=\"$other\"[^\>]*\ online=\"true\"[^\>]*\ unclean=\"false\" ]]; then
    why="$other has left the cluster meanwhile"
  elif (($(failures) > failures_before)); then
    why="something has failed on $other (crm_mon -1rf there)"
  else
    return 1
  fi
}

# As `crm_resource --ban --promoted --lifetime` would make it, but for the role: Pacemaker 3.0.3 heeds none that stands
# beside a rule, and so would stop this node's DRBD too.
ban() {
  local id=cli-ban-drbd-r0-clone-on-$own until
  TZ=UTC printf -v until '%(%Y-%m-%d %H:%M:%SZ)T' $((EPOCHSECONDS + ban_seconds))
  cibadmin --create --scope constraints --xml-text "
<rsc_location id='$id' rsc='drbd-r0-clone'>
  <rule id='$id-rule' role='Promoted' score='-INFINITY' boolean-op='and'>
    <expression id='$id-expr' attribute='#uname' operation='eq' value='$own'/>
    <date_expression id='$id-lifetime' operation='lt' end='$until'/>
  </rule>
</rsc_location>"
}

# The service stays where it is by then (resource-stickiness).
unban() {
  cibadmin --delete --scope constraints --xml-text "<rsc_location id='cli-ban-drbd-r0-clone-on-$own'/>" >/dev/null 2>&1
}

end() {
  put_back
  if [[ $banned ]]; then
    for _ in {1..30}; do
      unban && return
      pause 2
    done
    echo "failed the constraint cli-ban-drbd-r0-clone-on-$own is still there: crm resource clear drbd-r0-clone"
  fi
}

main() {
  own=$1 other=$2 client=$3 socket=$4
  before="" banned="" why="" seen="" pages=0 failures_before=0
  local begin next=10 from
  trap '' HUP INT PIPE
  trap end EXIT
  # What a machine that died in the middle of this has left; a ban that has force is refused before this.
  crm_resource --clear --expired >/dev/null 2>&1
  seen=$(crm_mon --one-shot --output-as=xml 2>/dev/null)
  failures_before=$(failures)
  if ! write_out; then
    echo "failed the server on $own does not answer its own root"
    return 1
  fi
  if ! are_equal; then
    echo "failed the two disks were not equal for $equal_seconds s (/proc/drbd)"
    return 1
  fi
  put_back # a moment early, so that the server's end does not wait for it
  begin=$EPOCHREALTIME from=$SECONDS banned=yes
  if ! why=$(ban 2>&1); then
    echo "failed Pacemaker does not accept the ban: ${why//$'\n'/ }"
    return 1
  fi
  until drbd "ro:Secondary/Primary" && greets; do
    pause 0.2
    if ((SECONDS - from >= next)); then
      next=$((next + 5))
      if has_failed; then
        echo "failed $why"
        return 1
      fi
    fi
    if ((SECONDS - from >= move_seconds)); then
      echo "failed $other has not served within $move_seconds s (crm_mon -1rf there)"
      return 1
    fi
  done
  echo "moved $(since "$begin")"
}

# All of it has been read by now: what it runs cannot eat the rest of it from standard input.
main "$@" </dev/null
