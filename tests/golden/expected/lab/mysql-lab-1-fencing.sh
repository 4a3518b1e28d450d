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
  local found rewritten unit=azure-mysql-ha-waits-alone.service
  command -v fence_azure_arm >/dev/null || stop "no fence_azure_arm" "the fence agent installed" "See the script mysql-lab-1-packages."
  # A new role assignment can take up to 10 minutes to work:
  # learn.microsoft.com/azure/role-based-access-control/troubleshooting, "Role assignment changes are not being detected".
  wait_for 900 "right to fence mysql-lab-2 (a new role assignment takes Azure up to 10 minutes)" sees_the_peer

  install_file /usr/local/lib/azure-mysql-ha/start-peer 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. start-peer [if-off]: has Azure start mysql-lab-2, by this machine's own identity; with `if-off` only where
# Azure shows it as off. Does nothing, which is no failure, where a person has said that it is to stay off (make stop).
agent() {
  fence_azure_arm 2>&1 <<PARAMETERS
msi=true
power_timeout=90
plug=mysql-lab-2
action=$1
PARAMETERS
}

since=$(crm_attribute --node mysql-lab-2 --name stays-off --query --quiet 2>/dev/null)
case $? in
  0)
    echo "mysql-lab-2 stays off, as somebody asked at $since (make start NODE=mysql-lab-2 ends it)"
    exit
    ;;
  105) ;; # there is no such attribute
  *)
    echo "mysql-lab-2 is not started: Pacemaker does not say whether it is to stay off"
    exit 1
    ;;
esac
if [[ ${1:-} == if-off ]]; then
  # The agent's `on` takes whatever does not run for off, a machine too that is just being stopped or deallocated.
  told=$(agent status)
  case $? in
    0)
      echo "mysql-lab-2 is gone, but not off in Azure: it is not started"
      exit
      ;;
    2) ;;
    *)
      echo "mysql-lab-2 is not started: Azure does not say whether it is off: ${told//$'\n'/ }"
      exit 1
      ;;
  esac
fi
told=$(agent on) || {
  echo "mysql-lab-2 has not started: ${told//$'\n'/ }"
  exit 1
}
echo "mysql-lab-2 was off in Azure, and has been started"
FILE
  # It is there before the cluster's document names it.
  install_file /usr/local/lib/azure-mysql-ha/start-fenced-node 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. A Pacemaker alert (CRM_alert_* are its variables): starts a node again that was fenced to be rebooted.
# Fencing itself is the power-off alone: what the other node takes over has not to wait for the start.
[[ $CRM_alert_kind == fencing && $CRM_alert_rc == 0 && $CRM_alert_desc == *reboot* && $CRM_alert_node == mysql-lab-2 ]] || exit 0
# A service that is taken over at this moment has all of the processor first.
until nice --adjustment=19 /usr/local/lib/azure-mysql-ha/start-peer; do sleep 10; done
FILE
  install_file /usr/local/lib/azure-mysql-ha/waits-alone 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. Has mysql-lab-2 started where this node has waited alone for it for a minute: a node that starts alone may
# have old data, and serves nothing before it has seen the other, which nobody fences, and so nobody starts.
#
# While DRBD has its peer, a look is the reading of one file, and starts no process.
readonly look_seconds=5 patience_seconds=60
# Set by operations/turn while Azure changes that machine; and for no longer than a turn waits for anything.
readonly turn=/run/azure-mysql-ha/peer-in-turn turn_seconds=1800

drbd_has_peer() {
  local text
  { IFS= read -rd '' text </proc/drbd; } 2>/dev/null
  [[ $text =~ \ 1:\ cs:[A-Za-z]+\ ro:[A-Za-z]+/(Primary|Secondary)\  ]]
}

# Corosync runs here, and has no mysql-lab-2. Sets quorum.
is_alone() {
  quorum=$(corosync-quorumtool -s 2>/dev/null)
  [[ $quorum == *Quorate:* && ! $quorum =~ $'\n'\ +2\  ]]
}

is_in_turn() {
  local at
  at=$(stat --format=%Y $turn 2>/dev/null) && ((EPOCHSECONDS - at < turn_seconds))
}

# A node that is fenced is started again when it is off; it must not start before that has been seen. Without quorum this
# node has nobody fenced.
is_to_be_fenced() {
  local seen
  [[ $quorum =~ Quorate:\ +Yes ]] || return 1
  seen=$(crm_mon --one-shot --output-as=xml 2>/dev/null) || return 0
  [[ $seen =~ \<node\ name=\"mysql-lab-2\"[^\>]*\ unclean=\"true\" || $seen =~ \<fence_event\ [^\>]*status=\"pending\" ]]
}

# A machine that has just started has been alone since then; but it looks for half a minute at least.
IFS=' .' read -r uptime _ </proc/uptime
booted=$((uptime < 90 ? (uptime < 30 ? uptime : 30) : 0))

exec {never}<> <(:)
alone_since=""
last=""
while :; do
  read -rt $look_seconds -u "$never"
  if drbd_has_peer || ! is_alone; then
    if [[ $alone_since ]]; then
      rm --force $turn
      last=""
    fi
    if drbd_has_peer; then booted=0; fi
    alone_since=""
    continue
  fi
  alone_since=${alone_since:-$((SECONDS - booted))}
  ((SECONDS - alone_since >= patience_seconds)) || continue
  alone_since=$SECONDS # from here on once a minute
  if is_in_turn || is_to_be_fenced; then continue; fi
  told=$(timeout 300 /usr/local/lib/azure-mysql-ha/start-peer if-off)
  [[ $told == "$last" ]] || echo "alone for $patience_seconds s: $told"
  last=$told
done
FILE
  rewritten=$changed
  install_file /etc/systemd/system/$unit 0644 <<'FILE'
# Written by Pulumi. Beside Pacemaker: it works where that may start nothing.
[Unit]
Description=Has mysql-lab-2 started where this node waits for it alone
After=corosync.service pacemaker.service

[Service]
ExecStart=/usr/local/lib/azure-mysql-ha/waits-alone
Restart=always

[Install]
WantedBy=multi-user.target
FILE
  if [[ $(systemctl show --property=NeedDaemonReload --value $unit) == yes || $changed == yes ]]; then
    systemctl daemon-reload
  fi
  [[ $(systemctl is-enabled $unit 2>/dev/null) == enabled ]] || systemctl --quiet enable $unit
  if [[ $changed == yes || $rewritten == yes ]] || ! systemctl --quiet is-active $unit; then systemctl restart $unit; fi
  say "fencing: mysql-lab-1 can fence mysql-lab-2 (${found})"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
