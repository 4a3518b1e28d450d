#!/usr/bin/env bash
# Packages of the witness, nothing started
<<< included/mysql-lab-witness-host-script.sh >>>

missing() { # PACKAGE...: those that are not installed and configured
  local package state
  local -A installed=()
  while read -r package state; do [[ $state == ii ]] && installed[$package]=yes; done \
    < <(dpkg-query --show --showformat='${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null)
  for package in "$@"; do [[ ${installed[$package]:-} ]] || printf '%s\n' "$package"; done
}

held_packages() { # PACKAGE...
  python3 - "$@" <<'PYTHON'
<<< configs/host/held_packages.py >>>
PYTHON
}

our_policy() { grep --quiet --no-messages azure-mysql-ha /usr/sbin/policy-rc.d; }

apt() {
  apt-get --quiet=2 --option DPkg::Lock::Timeout=300 --option Dpkg::Use-Pty=0 --option Dpkg::Options::=--force-confold "$@"
}

install_missing() { # PACKAGE...: what is there stays at its version
  local absent upgraded
  mapfile -t absent < <(missing "$@")
  if systemctl --quiet is-active corosync pacemaker corosync-qnetd; then
    # A program that is exchanged under a daemon that runs is a fail-over that nobody asked for; and MySQL's packages would
    # start a second server on the data.
    upgraded=$(apt --simulate install --yes --no-install-recommends "${absent[@]}" | sed --quiet 's/^Inst \([^ ]*\) \[.*/\1/p' |
      grep --extended-regexp --file=<(held_packages "$@" | sed 's/^ *"//; s/";$//') || true)
    [[ ! $upgraded ]] || stop "that ${absent[*]} would upgrade ${upgraded//$'\n'/ } of a cluster that runs" "no upgrade of these" \
      "Update the packages of both nodes first, one node after the other (docs/operations/updates.md), then run pulumi up again."
  fi
  apt install --yes --no-install-recommends "${absent[@]}"
}
main() {
  local packages=(corosync-qnetd libnss3-tools prometheus) space held

  if [[ ! $(missing "${packages[@]}") ]]; then
    say "packages: all ${#packages[@]} there"
  else
    space=$(df --output=avail --block-size=1M /var | tail -n 1)
    ((space >= 1024)) || stop "$space MiB free below /var" "1024 MiB for packages" "Make room, then run pulumi up again."

    # Nothing starts by being installed: what runs, and when, is for the scripts and Pacemaker to say. (Debian's
    # invoke-rc.d asks this file; a restart of an already running cluster daemon is refused as well.)
    if [[ -e /usr/sbin/policy-rc.d ]] && ! our_policy; then
      stop "a foreign /usr/sbin/policy-rc.d" "none" "Remove it if nothing needs it."
    fi
    install_file /usr/sbin/policy-rc.d 0755 <<'FILE'
#!/bin/sh
# azure-mysql-ha: packages are being installed
exit 101
FILE
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
    dpkg --force-confold --configure --pending # what an interrupted run has left half-way
    apt update
    install_missing "${packages[@]}"
    [[ ! $(missing "${packages[@]}") ]] || stop "packages missing after apt-get install" "${packages[*]}" "See /var/log/apt/term.log."
    say "packages: installed"
  fi
  if our_policy; then rm /usr/sbin/policy-rc.d; fi

  # A cluster daemon restarted in passing by a package update is a fail-over that nobody asked for; a program that is exchanged
  # under it is none that its libraries, or the other node, have been tried with.
  held=$(held_packages "${packages[@]}") && [[ $held ]] || stop "no package of the cluster in dpkg's records" "those that it runs" "See dpkg --audit."
  install_file /etc/apt/apt.conf.d/90azure-mysql-ha 0644 <<FILE
// Written by Pulumi. These are updated on purpose, one node after the other: docs/operations/updates.md.
Unattended-Upgrade::Package-Blacklist {
$held
};
FILE
  install_file /etc/needrestart/conf.d/azure-mysql-ha.conf 0644 <<'FILE'
# Written by Pulumi. The cluster's daemons are restarted on purpose only.
$nrconf{override_rc}{qr(^(azure-mysql-ha|corosync|pacemaker|drbd|mysql|sbd))} = 0;
FILE

}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
