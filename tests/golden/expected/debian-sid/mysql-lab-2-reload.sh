#!/usr/bin/env bash
# Corosync's configuration, read by all members
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-lab-2."

over_ssh() { # SECONDS ADDRESS [COMMAND]: among the machines, by the nodes' own key
  timeout "$1" ssh -i ~azureuser/.ssh/id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 \
    azureuser@"$2" "${@:3}"
}

peer_is_member() {
  [[ $(corosync-cmapctl -g runtime.members.1.status 2>/dev/null) == *"= joined" ]]
}

peer_has_the_same() {
  over_ssh 60 10.32.0.4 "sudo cmp /etc/corosync/corosync.conf - && sudo test -s /etc/corosync/authkey-OF-THE-KEY" \
    </etc/corosync/corosync.conf >/dev/null 2>&1
}
main() {
  cmp --quiet /etc/corosync/corosync.conf - <<'FILE' || stop "another /etc/corosync/corosync.conf" "the one that mysql-lab-2-corosync writes" "Run that script again."
# Written by Pulumi.
totem {
  version: 2
  cluster_name: mysql-lab
  transport: knet
  crypto_cipher: aes256
  crypto_hash: sha256
  # Named after its content: so another key is another line here, and all members turn to it by one reading of this file.
  keyfile: /etc/corosync/authkey-OF-THE-KEY
  # A node is missed when it has been silent for token and consensus together. The token is a setting, argued in
  # docs/architecture.md. A consensus longer than the join time-out but shorter than the token is safe for two nodes, and
  # for two nodes only (corosync.conf(5), "consensus"). All else is as in Microsoft's guides to Pacemaker on Azure.
  token: 2000
  consensus: 500
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
    knet_ping_interval: 100
    knet_ping_timeout: 2000
    knet_pong_count: 1
  }
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
  if [[ -e /run/azure-mysql-ha/corosync.changed ]]; then
    # Members with different keys would not understand a word of each other: each would be lost to the other, and fenced. So
    # not before both have both files, and then one order for all.
    if peer_is_member; then
      peer_has_the_same || stop "another corosync.conf on mysql-lab-1, or it not reached by SSH from here" "the same on both nodes" \
        "Run mysql-lab-1-corosync, then this again: pulumi up."
    fi
    corosync-cfgtool -R >/dev/null # every member reads its own file again; none restarts
    say "Corosync: its configuration read again"
    rm /run/azure-mysql-ha/corosync.changed
  fi
  find /etc/corosync -maxdepth 1 -name 'authkey*' ! -name authkey-OF-THE-KEY -printf 'removed %p\n' -delete
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
