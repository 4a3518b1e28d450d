#!/usr/bin/env bash
# Packages of the cluster, nothing started
# Node mysql-lab-1 of cluster mysql-lab. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-lab-1: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
  exit 1
}

# diagnose: what a script can tell when it has waited in vain.
# shellcheck disable=SC2329 # some scripts have their own
diagnose() { :; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; says what is awaited, and gives up with a clear line.
wait_for() {
  local limit=$1 what=$2 begin=$SECONDS told=$SECONDS
  shift 2
  until "$@"; do
    if ((SECONDS - begin >= limit)); then
      diagnose >&2
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-lab-1, then run pulumi up again."
    fi
    if ((SECONDS - told >= 10)); then
      say "waiting for $what ($((SECONDS - begin)) of $limit s)"
      told=$SECONDS
    fi
    sleep 1
  done
}

# install_file PATH MODE [OWNER:GROUP] <CONTENT: writes the file if it differs (its content, its mode, whose it is), whole
# or not at all. Sets changed=yes if so.
# shellcheck disable=SC2034 # for the scripts that want to know
install_file() {
  local path=$1 mode=$2 owner=${3:-root:root} content new=$1.new
  changed=no
  IFS= read -rd '' content || true
  if [[ -f $path && $(stat --dereference --format='%a %U:%G' "$path") == "${mode#0} $owner" ]] &&
    cmp --quiet "$path" <(printf '%s' "$content"); then return; fi
  mkdir -p "${path%/*}"
  (umask 077 && printf '%s' "$content" >"$new")
  chmod "$mode" "$new"
  chown "$owner" "$new"
  sync "$new"
  mv "$new" "$path"
  changed=yes
  say "wrote $path"
}

# One script of ours at a time on a node. A child that outlived its interrupted script still holds the lock.
exec 9>/run/azure-mysql-ha.lock
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-lab-1."

is_complete() { # every package installed and configured
  local package state
  local -A installed=()
  while read -r package state; do [[ $state == ii ]] && installed[$package]=yes; done \
    < <(dpkg-query --show --showformat='${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null)
  for package in "$@"; do [[ ${installed[$package]:-} ]] || return 1; done
}

our_policy() { grep --quiet --no-messages azure-mysql-ha /usr/sbin/policy-rc.d; }

apt() { apt-get --quiet=2 --option DPkg::Lock::Timeout=300 --option Dpkg::Use-Pty=0 "$@"; }
main() {
  local packages=(corosync pacemaker crmsh resource-agents drbd-utils mariadb-server fence-agents python3-azure fdisk psmisc socat) space

  # A cluster daemon restarted in passing by a package update is a fail-over that nobody asked for.
  install_file /etc/apt/apt.conf.d/90azure-mysql-ha 0644 <<'FILE'
// Written by Pulumi. These are updated on purpose, one node after the other: docs/operations/updates.md.
Unattended-Upgrade::Package-Blacklist { "^corosync$"; "^pacemaker$"; "^crmsh$"; "^resource-agents$"; "^drbd-utils$"; "^mariadb-server$"; "^fence-agents$"; "^python3-azure$"; "^fdisk$"; "^psmisc$"; "^socat$"; };
FILE
  install_file /etc/needrestart/conf.d/azure-mysql-ha.conf 0644 <<'FILE'
# Written by Pulumi. The cluster's daemons are restarted on purpose only.
$nrconf{override_rc}{qr(^(corosync|pacemaker|drbd|mariadb|mysql))} = 0;
FILE

  if is_complete "${packages[@]}"; then
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
    dpkg --configure --pending # what an interrupted run has left half-way
    apt update
    apt install --yes --no-install-recommends "${packages[@]}"
    is_complete "${packages[@]}" || stop "packages missing after apt-get install" "${packages[*]}" "See /var/log/apt/term.log."
    say "packages: installed"
  fi
  if our_policy; then rm /usr/sbin/policy-rc.d; fi

  # Pacemaker alone starts DRBD and the server; systemd beside it would be a second hand on them.
  local unit
  for unit in drbd.service mariadb.service; do
    case $(systemctl is-enabled "$unit" 2>/dev/null) in
      enabled | enabled-runtime | generated | alias) systemctl --quiet disable "$unit" && say "$unit: disabled, left to Pacemaker" ;;
    esac
  done

  modprobe drbd 2>/dev/null || stop "no kernel module drbd for $(uname -r)" "one" \
    "Install the kernel's package of further modules (linux-image-cloud-amd64) or choose another image."
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
