#!/usr/bin/env bash
# WireGuard, this end of the tunnel for DRBD's traffic
<<< included/mysql-lab-1-host-script.sh >>>

is_carrying() { # INTERFACE: whether DRBD's way to the peer is by this tunnel
  [[ $(ip -oneline route show 169.254.77.2 2>/dev/null) == *" dev $1 "* ]]
}

go_by_tunnel() {
  if is_carrying drbd-51820; then return; fi
  ip route replace 169.254.77.2/32 dev drbd-51820 src 169.254.77.1
  say "tunnel: DRBD goes by drbd-51820"
}

# A session lasts three minutes at most, and is made anew after two (REJECT_AFTER_TIME, REKEY_AFTER_TIME in WireGuard's
# paper).
tunnel_answers() {
  local shaken
  shaken=$(wg show drbd-51820 latest-handshakes 2>/dev/null | cut --fields=2)
  ((${shaken:-0} > EPOCHSECONDS - 180))
}

is_up() { wg show drbd-51820 >/dev/null 2>&1; }

# Not by a program's arguments, which everybody on the machine sees.
has_these_keys() {
  [[ $(wg show drbd-51820 public-key && wg show drbd-51820 preshared-keys) == \
    'TUNNEL-KEY-1'$'\n''TUNNEL-KEY-2'$'\t'"$HA_TUNNEL_PRESHARED_KEY" ]]
}

has_this_peer() {
  [[ $(wg show drbd-51820 endpoints | cut --fields=2) == 10.32.0.5:51820 &&
    $(wg show drbd-51820 allowed-ips | cut --fields=2) == 169.254.77.2/32 ]]
}
main() {
  local text file_changed
  # One of the two ports is always free of what DRBD needs, unless the keys were changed twice since the last update.
  if is_up && ! has_these_keys && is_carrying drbd-51820; then
    stop "other keys in the tunnel drbd-51820, by which DRBD is connected" "those of the stack, or another port" \
      "Change the stack's keys once more: make rotate SECRET=replicationKeys."
  fi
  IFS= read -rd '' text <<'FILE' || true
# Written by Pulumi. mysql-lab-1's end of the tunnel that DRBD's traffic goes through.
[Interface]
PrivateKey = @HA_TUNNEL_PRIVATE_KEY@
ListenPort = 51820
# The route is for the unit to make: there may be another tunnel to the same address, for as long as keys are changed.
Table = off

[Peer]
PublicKey = TUNNEL-KEY-2
PresharedKey = @HA_TUNNEL_PRESHARED_KEY@
AllowedIPs = 169.254.77.2/32
Endpoint = 10.32.0.5:51820
# So that either end knows whether the other one answers, also while DRBD is down.
PersistentKeepalive = 10
FILE
  text=${text//@HA_TUNNEL_PRIVATE_KEY@/$HA_TUNNEL_PRIVATE_KEY}
  text=${text//@HA_TUNNEL_PRESHARED_KEY@/$HA_TUNNEL_PRESHARED_KEY}
  install_file /etc/wireguard/drbd-51820.conf 0600 <<<"${text%$'\n'}"
  file_changed=$changed
  install_file /etc/systemd/system/wg-quick@drbd-51820.service.d/azure-mysql-ha.conf 0644 <<'FILE'
# Written by Pulumi.
[Unit]
# What brings DRBD up finds its address there.
Before=azure-mysql-ha-drbd.service corosync.service pacemaker.service

[Service]
# What waits for it does not wait for ever.
TimeoutStartSec=30
# DRBD's address is there also while there is no tunnel: where it is missing, DRBD goes StandAlone and never tries again.
ExecStartPre=ip address replace 169.254.77.1/32 dev lo
# And there is no other way to the peer's: not through the subnet, in clear text. (What systemd-networkd has not made it
# takes away when it is restarted, but for what it takes for the kernel's.)
ExecStartPre=ip route replace unreachable 169.254.77.2/32 metric 65535 proto kernel
# Where another tunnel has the route, NODE-drbd moves it when both ends of this one answer.
ExecStartPost=-ip route add 169.254.77.2/32 dev drbd-51820 src 169.254.77.1
# Meanwhile the peer may come by the tunnel to which there is no route (2: such a packet is let in).
ExecStartPost=sysctl --quiet --write net.ipv4.conf.drbd-51820.rp_filter=2
FILE
  if [[ $(systemctl show --property=NeedDaemonReload --value wg-quick@drbd-51820.service) == yes || $changed == yes ]]; then systemctl daemon-reload; fi
  [[ $(systemctl is-enabled wg-quick@drbd-51820.service 2>/dev/null) == enabled ]] || systemctl --quiet enable wg-quick@drbd-51820.service
  if ! is_up || ! has_these_keys; then
    systemctl restart wg-quick@drbd-51820.service ||
      stop "a tunnel drbd-51820 that does not start" "one that does" "See journalctl --unit=wg-quick@drbd-51820.service."
    say "tunnel: drbd-51820 is up"
  elif [[ $file_changed == yes ]] || ! has_this_peer; then
    systemctl reload wg-quick@drbd-51820.service # it goes on meanwhile
    say "tunnel: drbd-51820 has read its file"
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
