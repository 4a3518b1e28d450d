#!/usr/bin/env bash
# Names and SSH keys of the peers
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

cloud_init_is_done() { [[ -e /var/lib/cloud/instance/boot-finished ]]; }
main() {
  local home
  home=$(getent passwd azureuser | cut --delimiter=: --fields=6)
  wait_for 600 "end of cloud-init" cloud_init_is_done

  # The machines know each other's addresses whether or not a name server answers.
  # What stands between two marks is ours; the rest of the file stays as it is.
  install_file /etc/hosts 0644 < <(
    sed '/^# azure-mysql-ha: begin$/,$d' /etc/hosts
    cat <<'PART'
# azure-mysql-ha: begin
10.32.0.4 mysql-lab-1
10.32.0.5 mysql-lab-2
# azure-mysql-ha: end
PART
    sed '1,/^# azure-mysql-ha: end$/d' /etc/hosts
  )

  # Some images have cloud-init write that file anew at each start.
  install_file /etc/cloud/cloud.cfg.d/99-azure-mysql-ha.cfg 0644 <<'FILE'
# Written by Pulumi.
manage_etc_hosts: false
FILE

  # SSH within the cluster: one key pair, good from the nodes' own addresses only, all host keys known.
  install_file "$home/.ssh/id_ed25519" 0600 azureuser:azureuser <<<"$HA_CLUSTER_SSH_KEY"
  install_file /etc/ssh/authorized_keys.d/azureuser 0644 <<'FILE'
# Written by Pulumi.
from="10.32.0.4,10.32.0.5" ssh-ed25519 CLUSTER-KEY
FILE
  install_file /etc/ssh/ssh_known_hosts 0644 <<'FILE'
# Written by Pulumi.
mysql-lab-1,10.32.0.4 ssh-ed25519 HOST-KEY-1
mysql-lab-2,10.32.0.5 ssh-ed25519 HOST-KEY-2
FILE

  # A machine that joins a domain is called something else. To whoever asks the kernel for a name and means the node's, it
  # keeps that: in a UTS namespace (uts_namespaces(7)).
  install_file /usr/local/lib/azure-mysql-ha/as-node 0755 <<'FILE'
#!/bin/sh
# Written by Pulumi. PROGRAM [ARGUMENT]...: runs it where this machine is called mysql-lab-2.
exec unshare --uts sh -c 'echo mysql-lab-2 >/proc/sys/kernel/hostname && exec "$@"' sh "$@"
FILE
  say "host: ready"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
