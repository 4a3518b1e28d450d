#!/usr/bin/env bash
# Watchdog of this node, armed
<<< included/mysql-lab-1-host-script.sh >>>

diagnose() { journalctl --unit=sbd --lines=20 --no-pager; }

# sbd has the watchdog open: it is armed from then on.
is_armed() {
  local pid=""
  read -r pid 2>/dev/null </run/sbd.pid || return 1
  [[ $(readlink "/proc/$pid"/fd/* 2>/dev/null) == */dev/watchdog* ]]
}
main() {
  # Beside a Pacemaker that runs: sbd arms the watchdog once it has seen Corosync and Pacemaker well, and ends if it does not.
  # Nothing hangs on it by systemd's Requires=, so its restart, in which it disarms the watchdog, restarts nothing else.
  if [[ -e /run/azure-mysql-ha/sbd.changed ]] || ! systemctl --quiet is-active sbd; then
    systemctl restart sbd || stop "an sbd that does not start ($(systemctl show --property=Result --value sbd))" "one that runs" "See journalctl -u sbd on mysql-lab-1."
    rm -f /run/azure-mysql-ha/sbd.changed
    say "watchdog: sbd started"
  fi
  wait_for 60 "armed watchdog" is_armed
  say "watchdog: resets this machine 11 s after the last sign that its cluster is well"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
