#!/usr/bin/env bash
# Connection of DRBD r0
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-host-ssh.sh >>>

<<< included/mysql-lab-1-drbd-functions.sh >>>

is_stand_alone() { [[ $(drbdadm cstate r0) == StandAlone ]]; }

take_tunnel_away() { # INTERFACE
  local unit=wg-quick@$1.service
  [[ -e /etc/wireguard/$1.conf ]] || return 0
  systemctl --quiet disable --now "$unit"
  rm --force --recursive "/etc/systemd/system/$unit.d"
  systemctl daemon-reload
  rm --force "/etc/wireguard/$1.conf"
  say "tunnel: $1 removed"
}

has_decided() { connected || is_stand_alone || ((SECONDS > patience)); }
main() {
  local patience
  # By now neither node sends DRBD's traffic through what it went through before.
  take_tunnel_away drbd-51820
  take_tunnel_away drbd-51821
  if [[ $(ip -oneline address show dev lo to 169.254.77.1) ]]; then
    ip address delete 169.254.77.1/32 dev lo
  fi
  if [[ $(ip -oneline route show 169.254.77.2) ]]; then
    ip route delete unreachable 169.254.77.2/32 metric 65535
  fi
  if ! pacemaker_has_drbd || [[ $(drbdadm cstate r0 2>/dev/null || echo Unconfigured) == Unconfigured ]]; then
    say "DRBD r0: not running"
    return
  fi
  [[ $(</etc/azure-mysql-ha/r0.res) == *"shared-secret \"$HA_DRBD_SECRET\";"* ]] ||
    stop "a different secret in /etc/azure-mysql-ha/r0.res" "the one that mysql-lab-1-drbd writes" "Run that script again: make drift shows how."
  # A link that broke while the nodes had different secrets was refused, and is not tried again by itself. Both have the new
  # one by now. After a split brain DRBD refuses again, and keeps what either has.
  if is_stand_alone; then
    run_drbdadm connect r0
    say "DRBD r0: connected again"
    patience=$((SECONDS + 20)) # a peer that is there answers after connect-int, 3 s
    wait_for 30 "answer of mysql-lab-2" has_decided
  fi
  if is_stand_alone; then
    stop "DRBD r0 StandAlone (it refuses its peer: their data or their secrets differ)" "it connected" \
      "See journalctl -k on both nodes, and docs/operations/split-brain.md."
  fi
  say "DRBD r0: $(drbdadm cstate r0)"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
