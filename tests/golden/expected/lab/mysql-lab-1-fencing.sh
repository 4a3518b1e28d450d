#!/usr/bin/env bash
# Proof that this node can fence its peer, and start it again
<<< included/mysql-lab-1-host-script.sh >>>

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
run </dev/null
