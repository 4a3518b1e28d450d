#!/usr/bin/env bash
# First generation of data of DRBD r0, once
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-host-ssh.sh >>>

<<< included/mysql-lab-1-drbd-functions.sh >>>
main() {
  local states
  if pacemaker_has_drbd; then
    say "DRBD r0: left to Pacemaker"
    return
  fi
  if [[ $(drbdadm cstate r0) == StandAlone ]]; then
    stop "DRBD r0 StandAlone (it refuses its peer: their data or their secrets differ)" "it connected" \
      "See journalctl -k on both nodes, and docs/operations/split-brain.md."
  fi
  wait_for 120 "connection of DRBD r0 with mysql-lab-2" connected

  states=$(drbdadm dstate r0)
  case $states in
    UpToDate/UpToDate) ;;
    Inconsistent/Inconsistent)
      # 4 is what create-md begins with, and what no disk has that ever held data.
      [[ $(drbdadm get-gi r0) == 0000000000000004:* ]] || stop "DRBD r0 with both disks Inconsistent, and data on this one" \
        "new disks" "A person must decide which side has the better data: docs/operations/failed-update.md."
      # Both are declared equal, which saves copying nothing over nothing.
      drbdadm new-current-uuid --clear-bitmap r0/0
      say "DRBD r0: first generation of data begun"
      ;;
    UpToDate/Inconsistent | Inconsistent/UpToDate)
      say "DRBD r0: $states, copying from the side that has the data"
      ;;
    *)
      stop "DRBD r0 with disks $states" "UpToDate/UpToDate, or both Inconsistent on new disks" "See docs/operations/failed-update.md."
      ;;
  esac
  say "DRBD r0: $(drbdadm dstate r0)"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
