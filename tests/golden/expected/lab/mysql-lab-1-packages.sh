#!/usr/bin/env bash
# Packages of the cluster, nothing started
<<< included/mysql-lab-1-host-script.sh >>>

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

have_module() { # NAME PARAMETER...
  modprobe "$@" 2>/dev/null
}

# fence_azure_arm_works distribution|here: whether the agent gets as far as its first request, with the distribution's
# files alone or with what is on this node. It asks nobody anything.
fence_azure_arm_works() {
  /usr/bin/python3 - "$1" <<'PYTHON'
import sys

if sys.argv[1] == "distribution":
    sys.path = [folder for folder in sys.path if not folder.startswith("/usr/local/")]
sys.path.append("/usr/share/fence")
import azure_fence

config = azure_fence.AzureConfiguration()
config.SubscriptionId, config.UseMSI = "none", True
azure_fence.get_azure_compute_client(config).virtual_machines
PYTHON
}

repair_fence_azure_arm() {
  local folder file found
  folder=$(/usr/bin/python3 -c 'import site; print(site.getsitepackages()[0])') # /usr/local/lib/python3.X/dist-packages
  found=$(fence_azure_arm_works distribution 2>&1) && folder=none
  # What is no longer needed, or was for an older Python.
  for file in /usr/local/lib/python3*/dist-packages/azure_fence.py; do
    if [[ -e $file && $file != "$folder"/* ]]; then rm "$file" && say "removed $file"; fi
  done
  if [[ $folder == none ]]; then
    say "fence_azure_arm: works as the distribution ships it"
    return
  fi
  install_file "$folder/azure_fence.py" 0644 <<'FILE'
<<< configs/repairs/azure_fence.py >>>
FILE
  found=$(fence_azure_arm_works here 2>&1) || stop "a fence_azure_arm that fails before its first request (${found##*$'\n'})" \
    "one that works with $folder/azure_fence.py" "See what has changed in fence-agents and python3-azure."
  say "fence_azure_arm: works with $folder/azure_fence.py"
}

# crm-fence-peer.sh of drbd-utils 9.22 waits for a node_state that says true or false, online or offline. Since Pacemaker
# 2.1.7 it says since when (seconds), or 0: the handler then never sees that the peer has been fenced, and whoever waits
# for it, a write or a promotion, waits in vain. This translates, and leaves all else as it is.
# shellcheck disable=SC2016 # the handler's variables
corrected_crm_fence_peer() {
  sed '/^\t# if it is not enabled, no point in waiting for it\.$/ i\
\	# Pacemaker 2.1.7 and newer: since when, or 0\
\	case $in_ccm in 0) in_ccm=false ;; [1-9]*) in_ccm=true ;; esac\
\	case $crmd in 0) crmd=offline ;; [1-9]*) crmd=online ;; esac\
' /usr/lib/drbd/crm-fence-peer.sh
}

repair_crm_fence_peer() {
  local folder=/usr/local/lib/drbd handler=/usr/lib/drbd/crm-fence-peer.sh
  mkdir -p "$folder"
  if sha256sum --check --status <<<"5fb6639e19479e8c2c2925511b39d26f9952ecfe5060572b0fdf757729887ae5  $handler"; then
    corrected_crm_fence_peer | sha256sum --check --status <(echo "1d87605d0e614271a439862f1996a7bc59b8618ebd715f6064845385c1def551  -") ||
      stop "a corrected $handler that is not the tested one" "the tested one" "See which sed this system has."
    install_file "$folder/crm-fence-peer.sh" 0755 < <(corrected_crm_fence_peer)
    say "crm-fence-peer.sh: the distribution's, corrected for Pacemaker's newer CIB"
  else
    ln --symbolic --force --no-target-directory "$handler" "$folder/crm-fence-peer.sh"
    say "crm-fence-peer.sh: the distribution's, newer than the one that needed a correction"
  fi
  ln --symbolic --force --no-target-directory crm-fence-peer.sh "$folder/crm-unfence-peer.sh"
}
main() {
  local packages=(openssh-client corosync pacemaker crmsh resource-agents drbd-utils mysql-server fence-agents-azure-arm python3-azure fdisk psmisc logrotate socat) space held

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

  # What the distribution ships broken, until it is repaired there: each looks first.
  repair_fence_azure_arm
  repair_crm_fence_peer

  # Of monitoring that the stack had.
  local unit
  for unit in prometheus-node-exporter.service prometheus-mysqld-exporter.service ha_cluster_exporter.service azure-mysql-ha-metrics.service; do
    if [[ -e /etc/systemd/system/$unit.d/azure-mysql-ha.conf || -e /etc/systemd/system/$unit ]]; then
      systemctl --quiet disable --now "$unit"
      rm --recursive --force "/etc/systemd/system/$unit.d" "/etc/systemd/system/$unit"
      systemctl daemon-reload
      say "$unit: ended"
    fi
  done
  rm --recursive --force /etc/azure-mysql-ha/monitoring /var/lib/prometheus/node-exporter/azure-mysql-ha.prom

  # Pacemaker alone starts DRBD and the server; systemd beside it would be a second hand on them. A watchdog is only started with
  # Pacemaker, once it has its configuration.
  local unit
  for unit in drbd.service mysql.service sbd.service; do
    case $(systemctl is-enabled "$unit" 2>/dev/null) in
      enabled | enabled-runtime | generated | alias) systemctl --quiet disable "$unit" && say "$unit: disabled, left to Pacemaker" ;;
    esac
  done

  have_module drbd || stop "no kernel module drbd for $(uname -r)" "one" "Choose an image whose kernel has it."
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
