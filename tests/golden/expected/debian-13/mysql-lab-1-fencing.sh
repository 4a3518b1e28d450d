#!/usr/bin/env bash
# Proof that this node can fence its peer, and start it again
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

diagnose() { printf '%s says: %s\n' fence_azure_arm "${found:-nothing}"; }

# A status that the agent can tell is the proof that mysql-lab-1 may ask Azure about mysql-lab-2. (2: it is off.)
sees_the_peer() {
  local code=0
  found=$(timeout 60 fence_azure_arm 2>&1 <<'PARAMETERS'
msi=true
power_timeout=90
plug=mysql-lab-2
action=status
PARAMETERS
  ) || code=$?
  found=${found//$'\n'/ }
  ((code == 0 || code == 2))
}
main() {
  local found
  command -v fence_azure_arm >/dev/null || stop "no fence_azure_arm" "the fence agent installed" "See the script mysql-lab-1-packages."
  # A new role assignment can take up to 10 minutes to work:
  # learn.microsoft.com/azure/role-based-access-control/troubleshooting, "Role assignment changes are not being detected".
  wait_for 900 "right to fence mysql-lab-2 (a new role assignment takes Azure up to 10 minutes)" sees_the_peer

  # It is there before the cluster's document names it.
  install_file /usr/local/lib/azure-mysql-ha/start-fenced-node 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. A Pacemaker alert (CRM_alert_* are its variables): starts a node again that was fenced to be rebooted.
# Fencing itself is the power-off alone: what the other node takes over has not to wait for the start.
[[ $CRM_alert_kind == fencing && $CRM_alert_rc == 0 && $CRM_alert_desc == *reboot* && $CRM_alert_node != mysql-lab-1 ]] || exit 0
until fence_azure_arm <<PARAMETERS; do sleep 10; done
msi=true
power_timeout=90
plug=$CRM_alert_node
action=on
PARAMETERS
FILE
  say "fencing: mysql-lab-1 can fence mysql-lab-2 (${found})"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
