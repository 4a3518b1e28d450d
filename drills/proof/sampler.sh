# shellcheck shell=bash
# Run on a node, as root, for as long as standard input is open.  Each line is a sample: time, uptime, DRBD's role
# (- where it is down), connection and disks, process of the database server (- without one), number of the newest
# process or thread.
# Only builtins: a fork here would cost what it is to observe.
server=- scanned=-
while true; do
  role=- connection=- disks=-
  if [[ -e /proc/drbd ]]; then
    while read -r _ cs ro ds _; do
      [[ $ro == ro:* ]] || continue
      connection=${cs#cs:} role=${ro#ro:} disks=${ds#ds:}
    done </proc/drbd
  fi
  lives=no
  if [[ $server != - ]] && read -r stat <"/proc/$server/stat"; then
    case $stat in *' (mariadbd) Z '* | *' (mysqld) Z '*) ;; *' (mariadbd) '* | *' (mysqld) '*) lives=yes ;; esac
  fi
  # A server that starts makes threads, and each thread takes a number: no new number since the last look, no server.
  read -r _ _ _ _ newest </proc/loadavg
  if [[ $lives == no && $newest$server != "$scanned-" ]]; then
    server=- scanned=$newest
    for file in /proc/[0-9]*/stat; do
      read -r stat <"$file" || continue
      case $stat in
        *' (mariadbd) Z '* | *' (mysqld) Z '*) ;;
        *' (mariadbd) '* | *' (mysqld) '*)
          server=${stat%% *}
          break
          ;;
      esac
    done
  fi
  read -r uptime _ </proc/uptime
  echo "$EPOCHREALTIME $uptime ${role%%/*} $connection $disks $server $newest"
  read -rt 0.2
  (($? > 128)) || exit 0 # not the time-out: whoever listened has gone
done 2>/dev/null
