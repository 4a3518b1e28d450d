#!/usr/bin/env bash
# Corosync and Pacemaker, running
# Node mysql-lab-2 of cluster mysql-lab. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-lab-2: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
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
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-lab-2, then run pulumi up again."
    fi
    if ((SECONDS - told >= 10)); then
      say "waiting for $what ($((SECONDS - begin)) of $limit s)"
      told=$SECONDS
    fi
    sleep 1
  done
}

# install_file PATH MODE [OWNER:GROUP] <CONTENT: writes the file if it differs, whole or not at all. Sets changed=yes if so.
# shellcheck disable=SC2034 # for the scripts that want to know
install_file() {
  local path=$1 mode=$2 owner=${3:-root:root} content new=$1.new
  changed=no
  IFS= read -rd '' content || true
  if [[ -f $path ]] && cmp --quiet "$path" <(printf '%s' "$content"); then return; fi
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-lab-2."

main() {
  local running=no found unit
  if systemctl --quiet is-active corosync; then running=yes; fi

  install --directory --mode=0700 /run/azure-mysql-ha
  base64 --decode <<<"$HA_COROSYNC_KEY" >/run/azure-mysql-ha/authkey
  if ! cmp --quiet /run/azure-mysql-ha/authkey /etc/corosync/authkey; then
    # The peer would not understand a word until it has the new key as well: to each, the other would be lost.
    [[ $running == no ]] || stop "Corosync running with another key than the stack's" "the same key" \
      "A key is changed with the cluster stopped: docs/operations.md."
    install --mode=0400 /run/azure-mysql-ha/authkey /etc/corosync/authkey.new
    sync /etc/corosync/authkey.new
    mv /etc/corosync/authkey.new /etc/corosync/authkey
    say "wrote /etc/corosync/authkey"
  fi
  rm /run/azure-mysql-ha/authkey

  # Read by Corosync's own parser before it replaces what is in use. (It wants its state directory, which some packages
  # have and others leave to the unit's first start.)
  mkdir -p /var/lib/corosync
  cat >/run/azure-mysql-ha/corosync.conf <<'FILE'
# Written by Pulumi.
totem {
  version: 2
  cluster_name: mysql-lab
  transport: knet
  crypto_cipher: aes256
  crypto_hash: sha256
  # The token is a setting, argued in Pulumi.yaml. All else, and the consensus at 1.2 tokens, is as Microsoft's guides to
  # Pacemaker on Azure have it.
  token: 5000
  consensus: 6000
  token_retransmits_before_loss_const: 10
  join: 60
  max_messages: 20
}

nodelist {
  node {
    nodeid: 1
    name: mysql-lab-1
    ring0_addr: 10.32.0.4
  }
  node {
    nodeid: 2
    name: mysql-lab-2
    ring0_addr: 10.32.0.5
  }
}

quorum {
  provider: corosync_votequorum
  # Either node goes on alone. It implies wait_for_all: no start without having seen the other.
  two_node: 1
}

logging {
  to_syslog: yes
  to_logfile: no
  debug: off
}
FILE
  found=$(corosync -t -c /run/azure-mysql-ha/corosync.conf 2>&1) ||
    stop "a corosync.conf that Corosync refuses (${found//$'\n'/ })" "one it reads" "Correct the settings of membership."
  # The mark outlives a kill between writing and reading again.
  cmp --quiet /run/azure-mysql-ha/corosync.conf /etc/corosync/corosync.conf || : >/run/azure-mysql-ha/corosync.changed
  install_file /etc/corosync/corosync.conf 0644 </run/azure-mysql-ha/corosync.conf

  for unit in corosync pacemaker; do
    [[ $(systemctl is-enabled $unit 2>/dev/null) == enabled ]] || systemctl --quiet enable $unit
  done
  if [[ $running == no ]]; then
    systemctl start corosync
  elif [[ -e /run/azure-mysql-ha/corosync.changed ]]; then
    corosync-cfgtool -R >/dev/null # every member reads its own file again; none restarts
    say "Corosync: its configuration read again"
  fi
  rm -f /run/azure-mysql-ha/corosync.changed
  systemctl --quiet is-active pacemaker || systemctl start pacemaker
  say "Corosync and Pacemaker: running"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
