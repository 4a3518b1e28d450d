#!/usr/bin/env bash
# Corosync and Pacemaker, running
# Node mysql-dev-1 of cluster mysql-dev. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-dev-1: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
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
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-dev-1, then run pulumi up again."
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-dev-1."

key() { base64 --decode <<<"$HA_COROSYNC_KEY"; }
main() {
  local running=no found unit
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

  # Read by Corosync's own parser before it replaces what is in use. (It wants its state directory, which some packages
  # have and others leave to the unit's first start.)
  mkdir -p /var/lib/corosync
  cat >/run/azure-mysql-ha/corosync.conf <<'FILE'
# Written by Pulumi.
totem {
  version: 2
  cluster_name: mysql-dev
  transport: knet
  crypto_cipher: aes256
  crypto_hash: sha256
  # Named after its content: so another key is another line here, and all members turn to it by one reading of this file.
  keyfile: /etc/corosync/authkey-OF-THE-KEY
  # A node is missed when it has been silent for token and consensus together. The token is a setting, argued in
  # docs/architecture.md. A consensus longer than the join time-out but shorter than the token is safe for two nodes, and
  # for two nodes only (corosync.conf(5), "consensus"). All else is as in Microsoft's guides to Pacemaker on Azure.
  token: 15000
  consensus: 3750
  token_retransmits_before_loss_const: 10
  # Rounds of the token in which a node receives nothing of what it lacks, after which it is taken for lost. Corosync's
  # 2500 are minutes, in which it answers nobody (seen after a time of packet loss that had ended). At 30 % of loss, 50 in a
  # row happen by chance once in 10^26.
  fail_recv_const: 50
  join: 60
  max_messages: 20
  # There is one link, so nothing is gained by calling it down before the token is lost, and no packet goes over a link
  # that is down. Corosync's own values (two pings of a token's quarter each) did so again and again at 30 % of loss.
  interface {
    linknumber: 0
    knet_ping_interval: 750
    knet_ping_timeout: 15000
    knet_pong_count: 1
  }
}

nodelist {
  node {
    nodeid: 1
    name: mysql-dev-1
    ring0_addr: 10.32.0.4
  }
  node {
    nodeid: 2
    name: mysql-dev-2
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
  # The mark outlives a kill between writing and reading again, which mysql-dev-1-reload does when both nodes have the file.
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
FILE
  if [[ $(systemctl show --property=NeedDaemonReload --value pacemaker) == yes || $changed == yes ]]; then
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
main </dev/null
