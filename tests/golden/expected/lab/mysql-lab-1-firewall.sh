#!/usr/bin/env bash
# Who may come in at this machine
<<< included/mysql-lab-1-host-script.sh >>>

is_loaded() { [[ -e /run/azure-mysql-ha-firewall && $(</run/azure-mysql-ha-firewall) == "$(nft list table inet azure_mysql_ha 2>/dev/null)" ]]; }
main() {
  local said text file_changed

  # Without it the machine serves all the same: nothing here is a reason to stop.
  if ! said=$(nft --check add table inet azure_mysql_ha 2>&1); then
    say "firewall: none on mysql-lab-1, where there is no nft, or no nf_tables for inet in the kernel (${said%%$'\n'*}); the security group alone decides who comes in"
    return
  fi
  IFS= read -rd '' text <<'FILE' || true
# Written by Pulumi. Who may come in, as the network's security group says it, also where a subnet has none.
table inet azure_mysql_ha
delete table inet azure_mysql_ha
table inet azure_mysql_ha {
  chain input {
    type filter hook input priority filter; policy accept;
    iif lo accept
    # Azure's: probes, DNS and DHCP, the agent's server; metadata.
    ip saddr { 168.63.129.16, 169.254.169.254 } accept
    # A path's MTU among them, and IPv6's neighbours.
    meta l4proto { icmp, ipv6-icmp } accept
    # Judged is only what begins a connection. No packet of one that is there is dropped, whenever these rules come; and the
    # kernel need not keep a table of all connections, which could run full.
    tcp flags & (syn | ack) != syn accept
    # ssh
    ip saddr { 0.0.0.0/0 } tcp dport { 22 } accept
    # mysql
    ip saddr { 198.51.100.0/24 } tcp dport { 3306 } accept
    # mysql-own-check
    ip saddr { @WAYS_OUT@ } tcp dport { 3306 } accept
    # probe
    ip saddr { 168.63.129.16 } tcp dport { 61500 } accept
    # cluster-tcp
    ip saddr { 10.32.0.0/24 } tcp dport { 22, 3306, 7789 } accept
    # cluster-udp
    ip saddr { 10.32.0.0/24 } udp dport { 5405 } accept
    # Leases; and what answers a question of this machine's own: by the server's port, or at a port that the kernel has
    # chosen (net.ipv4.ip_local_port_range).
    udp dport { 68, 546, 32768-60999 } accept
    udp sport { 53, 123 } accept
    drop
  }
}
FILE
  text=${text//@WAYS_OUT@/${HA_WAYS_OUT:-}}
  if ! said=$(nft --check --file - <<<"$text" 2>&1); then
    say "firewall: not as it should be on mysql-lab-1: nft refuses its rules (${said%%$'\n'*}); what was in force before still is"
    return
  fi
  install_file /etc/azure-mysql-ha/firewall.nft 0644 <<<"${text%$'\n'}"
  file_changed=$changed
  install_file /etc/systemd/system/azure-mysql-ha-firewall.service 0644 <<'FILE'
# Written by Pulumi. Nothing waits for it but the network: whatever becomes of it, the machine serves.
[Unit]
Description=Who may come in
DefaultDependencies=no
After=local-fs.target nftables.service
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=30
ExecStart=/usr/sbin/nft --file /etc/azure-mysql-ha/firewall.nft
# By this NODE-firewall sees whether they are still the same.
ExecStartPost=/bin/sh -c '/usr/sbin/nft list table inet azure_mysql_ha >/run/azure-mysql-ha-firewall'

[Install]
WantedBy=sysinit.target
FILE
  if [[ $(systemctl show --property=NeedDaemonReload --value azure-mysql-ha-firewall.service) == yes || $changed == yes ]]; then systemctl daemon-reload; fi
  [[ $(systemctl is-enabled azure-mysql-ha-firewall.service 2>/dev/null) == enabled ]] || systemctl --quiet enable azure-mysql-ha-firewall.service
  # In one step: there is no moment without the rules before or these.
  if [[ $file_changed == yes ]] || ! is_loaded; then
    if systemctl restart azure-mysql-ha-firewall.service; then
      say "firewall: these rules are in force"
    else
      say "firewall: its rules were not loaded: see journalctl --unit=azure-mysql-ha-firewall.service on mysql-lab-1"
    fi
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
