#!/usr/bin/env bash
# Who may come in at this machine
<<< included/mysql-lab-1-host-script.sh >>>

is_loaded() { [[ -e /run/azure-mysql-ha-firewall && $(</run/azure-mysql-ha-firewall) == "$(nft list table inet azure_mysql_ha 2>/dev/null)" ]]; }
main() {
  # Of rules that the stack had.
  if [[ -e /etc/systemd/system/azure-mysql-ha-firewall.service ]]; then
    systemctl --quiet disable --now azure-mysql-ha-firewall.service
    rm --force /etc/systemd/system/azure-mysql-ha-firewall.service /etc/azure-mysql-ha/firewall.nft /run/azure-mysql-ha-firewall
    systemctl daemon-reload
  fi
  if nft list table inet azure_mysql_ha >/dev/null 2>&1; then
    nft delete table inet azure_mysql_ha
    say "firewall: removed"
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
