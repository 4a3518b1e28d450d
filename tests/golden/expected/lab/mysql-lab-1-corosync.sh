#!/usr/bin/env bash
# Corosync and Pacemaker, running
<<< included/mysql-lab-1-host-script.sh >>>

key() { base64 --decode <<<"$HA_COROSYNC_KEY"; }

# is_gone XPATH: takes it out of the cluster's configuration. (105: there is no such thing.)
is_gone() {
  local code=0
  cibadmin --query --xpath "$1" >/dev/null 2>&1 || code=$?
  ((code != 105)) || return 0
  ((code != 0)) || cibadmin --delete-all --force --xpath "$1" >/dev/null 2>&1 || true
  return 1
}
main() {
  local running=no found unit sbd=/etc/systemd/system/sbd.service.d/azure-mysql-ha.conf
  if systemctl --quiet is-active corosync; then running=yes; fi

  install --directory --mode=0700 /run/azure-mysql-ha
  found=authkey-$(key | sha256sum | cut --characters=1-16)
  [[ $found == authkey-OF-THE-KEY ]] || stop "a key for $found" "the one for authkey-OF-THE-KEY" "Run pulumi up again."
  if ! key | cmp --quiet - /etc/corosync/authkey-OF-THE-KEY; then
    key | install --mode=0400 /dev/stdin /etc/corosync/authkey-OF-THE-KEY.new
    sync /etc/corosync/authkey-OF-THE-KEY.new
    mv /etc/corosync/authkey-OF-THE-KEY.new /etc/corosync/authkey-OF-THE-KEY
    say "wrote /etc/corosync/authkey-OF-THE-KEY"
  fi

  # First nobody counts on the watchdog any more; where somebody did, Pacemaker would end itself on a node without one.
  if [[ -e $sbd ]]; then
    if systemctl --quiet is-active pacemaker; then
      for found in "//fencing-level[contains(@devices, 'watchdog')]" "//nvpair[@name='fencing-watchdog-timeout']" "//primitive[@id='watchdog']"; do
        wait_for 60 "cluster without $found" is_gone "$found"
      done
    fi
    systemctl stop sbd
    rm $sbd
    say "watchdog: disarmed"
  fi

  # Read by Corosync's own parser before it replaces what is in use. (It wants its state directory, which some packages
  # have and others leave to the unit's first start.)
  mkdir -p /var/lib/corosync
  cat >/run/azure-mysql-ha/corosync.conf <<'FILE'
<<< included/mysql-lab-1-corosync-corosync.conf >>>
FILE
  found=$(corosync -t -c /run/azure-mysql-ha/corosync.conf 2>&1) ||
    stop "a corosync.conf that Corosync refuses (${found//$'\n'/ })" "one that it accepts" "Correct the settings of membership."
  # The mark outlives a kill between writing and reading again, which mysql-lab-1-reload does when both nodes have the file.
  cmp --quiet /run/azure-mysql-ha/corosync.conf /etc/corosync/corosync.conf || : >/run/azure-mysql-ha/corosync.changed
  install_file /etc/corosync/corosync.conf 0644 </run/azure-mysql-ha/corosync.conf

  # Both nodes are two of three votes: the third may go.
  if systemctl --quiet is-active corosync-qdevice || systemctl --quiet is-enabled corosync-qdevice 2>/dev/null; then
    systemctl --quiet disable --now corosync-qdevice
    say "witness: no longer asked"
  fi

  # Agents take the machine's name for the node's: azure-events-az for that of the node to be emptied. Where Pacemaker runs,
  # from its next start on.
  install_file /etc/systemd/system/pacemaker.service.d/azure-mysql-ha.conf 0644 <<'FILE'
# Written by Pulumi.
[Service]
ExecStart=
ExecStart=/usr/local/lib/azure-mysql-ha/as-node /usr/sbin/pacemakerd
# pacemakerd, as root, asks each daemon once a second how it is. For that, libqb wants to give it a folder that the daemon,
# as hacluster, may not give away; root needs no gift. (systemd before 253 does not know this, nor its libqb the complaint.)
LogFilterPatterns=~failed to chown directory \(/dev/shm/qb-
FILE
  if [[ $(systemctl show --property=NeedDaemonReload --value pacemaker) == *yes* || $changed == yes ]]; then
    systemctl daemon-reload
  fi

  for unit in corosync pacemaker; do
    [[ $(systemctl is-enabled $unit 2>/dev/null) == enabled ]] || systemctl --quiet enable $unit
  done
  if [[ $running == no ]]; then
    systemctl start corosync
    rm -f /run/azure-mysql-ha/corosync.changed
  fi
  systemctl --quiet is-active pacemaker || systemctl start pacemaker
  say "Corosync and Pacemaker: running"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
