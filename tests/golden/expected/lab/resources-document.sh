#!/usr/bin/env bash
# Resources, constraints and properties of the cluster
<<< included/mysql-lab-1-host-script.sh >>>

diagnose() { crm_mon --one-shot --inactive; }

both_are_online() {
  [[ $(timeout 20 crm_mon --output-as=xml 2>/dev/null | grep '<node .*online="true"' | grep --count 'pending="false"') == 2 ]]
}
main() {
  local work=/run/azure-mysql-ha/cib found
  wait_for 180 "both nodes online in Pacemaker" both_are_online
  rm -rf $work
  mkdir -p $work

  cat >$work/cluster.crm <<'FILE'
# Written by Pulumi, applied whole: what is not here is removed from the cluster.
# A recovery is the one thing that these nodes are for: it is not slowed down because they are busy, and what can go side
# by side does (two actions a processor otherwise, and one on a processor that is busy).
# Nodes that start together elect the DC after dc-deadtime; Pacemaker's own 20 s are for networks that need as long to
# come up (an Azure machine has its network before Corosync starts).
# Fencing that fails is tried for ever: nothing else can be done, and Azure's API may be away for hours.
property cib-bootstrap-options: \
  cluster-name=mysql-lab \
  fencing-enabled=true \
  fencing-timeout=120s \
  fencing-max-attempts=1000000 \
  priority-fencing-delay=5s \
  no-quorum-policy=stop \
  node-health-strategy=migrate-on-red \
  dc-deadtime=5s \
  load-threshold=0% \
  node-action-limit=8
rsc_defaults rsc-options: \
  resource-stickiness=100 \
  migration-threshold=3 \
  failure-timeout=600s

# Any node can use it, wherever it is watched from.
primitive fence-device stonith:fence_azure_arm \
  params msi="true" power_timeout="90" pcmk_host_map="mysql-lab-1:mysql-lab-1;mysql-lab-2:mysql-lab-2" pcmk_reboot_action="off" pcmk_reboot_timeout="120" pcmk_off_timeout="120" pcmk_monitor_retries="4" pcmk_action_limit="3" \
  op start interval=0 timeout=120s \
  op monitor interval=3600s timeout=120s
# Asks again until the node starts, if it must for an hour.
alert start-fenced-node /usr/local/lib/azure-mysql-ha/start-fenced-node \
  select fencing \
  meta timeout=3600s

# Its own priority: of two nodes that lose sight of each other, the fencing of the one with more of it is put off. As much
# as the group's: once a promotion has failed, Pacemaker goes on with what has more, so it mounted what was not Primary.
# Without notifications: they are a start of the agent on each node before and after each of its actions, one behind the
# other, 2.3 s of a move's 10.6 in the lab (docs/drills.md). The agent would look at the peer again and set its score; it
# does so at each start and each monitor anyway, and what may be promoted DRBD and its fence-peer handler decide.
# A disk is only Consistent on a node that has not met the other since it started, and the other may have taken writes
# meanwhile: no score, so that node is not promoted, whoever has been fenced. It is the agent's default (drbd-utils 9.22),
# written here since acknowledged rows hang on it; DRBD's handler would refuse such a promotion too.
primitive drbd-r0 ocf:linbit:drbd \
  params drbd_resource=r0 adjust_master_score="0 10 1000 10000" ignore_missing_notifications=true \
  op start interval=0 timeout=240s \
  op stop interval=0 timeout=100s \
  op promote interval=0 timeout=90s \
  op demote interval=0 timeout=90s \
  op monitor interval=29s role=Promoted timeout=20s \
  op monitor interval=31s role=Unpromoted timeout=20s
clone drbd-r0-clone drbd-r0 \
  meta promotable=true promoted-max=1 promoted-node-max=1 clone-max=2 clone-node-max=1 notify=false interleave=true \
    priority=10

primitive mysql-fs ocf:azure-mysql-ha:filesystem \
  op start interval=0 timeout=60s \
  op stop interval=0 timeout=60s \
  op monitor interval=20s timeout=40s
# Start leaves InnoDB the time for a crash recovery. Stop leaves it a minute to write out what is in memory, then the server
# is killed, after which a recovery finds every commit. A monitor sees more than a process: it has the server greet, and
# answer a question, since a server that hangs still has its process.
primitive mysql-server ocf:azure-mysql-ha:mysql \
  op start interval=0 timeout=300s \
  op stop interval=0 timeout=60s \
  op monitor interval=5s timeout=30s
primitive mysql-probe ocf:azure-mysql-ha:probe \
  op start interval=0 timeout=60s \
  op stop interval=0 timeout=60s \
  op monitor interval=10s timeout=20s
group mysql mysql-fs mysql-server \
  meta priority=10

# Moves everything away before Azure reboots or redeploys a node's host, then tells Azure to go on. Azure gives 15
# minutes' notice (learn.microsoft.com/azure/virtual-machines/linux/scheduled-events), of which a look every 30 s and the
# agent's three steps take two; on an unhealthy node it goes on, to see the end of the event. Its failures hurt nobody
# (that of Debian 12 fails instead of approving an event, which then starts at its time:
# "object of type 'bool' has no len()").
primitive azure-events ocf:heartbeat:azure-events-az \
  op start interval=0 timeout=20s \
  op stop interval=0 timeout=20s \
  op monitor interval=30s timeout=240s on-fail=ignore
clone azure-events-clone azure-events \
  meta allow-unhealthy-nodes=true

colocation mysql-with-drbd inf: mysql drbd-r0-clone:Promoted
order mysql-after-drbd Mandatory: drbd-r0-clone:promote mysql:start
# The balancer takes seconds to believe a probe: it is told who will serve before that node is promoted, and who will serve
# no more before its server stops. Until the server listens, it refuses connections at once.
colocation probe-with-drbd inf: mysql-probe drbd-r0-clone:Promoted
order probe-stops-before-mysql Optional: mysql-probe:stop mysql:stop symmetrical=false
# A node has its peer fenced whether or not the device is started on it. So its start, which asks Azure, comes last: where
# the dead node had watched it, it took the agent's time beside the fencing, and the service waited for both.
order fence-device-after-mysql Optional: mysql:start fence-device:start symmetrical=false
FILE
  cat >$work/by_hand.py <<'FILE'
<<< configs/pacemaker/by_hand.py >>>
FILE
  cat >$work/merge_cib.py <<'FILE'
<<< configs/pacemaker/merge_cib.py >>>
FILE

  # The document becomes a CIB of its own, made from nothing; its sections then replace those of the running one.
  cibadmin --empty >$work/desired.xml
  found=$(CIB_file=$work/desired.xml crm --force configure load update $work/cluster.crm 2>&1) ||
    stop "a document that crm refuses (${found//$'\n'/ })" "one that it accepts" "Correct configs/pacemaker/cluster.crm.j2."
  cibadmin --query >$work/current.xml
  python3 $work/merge_cib.py $work/current.xml $work/desired.xml $work/new.xml
  # Its exit code is the same for what it refuses and for what it only warns of; the former it calls an error.
  if ! found=$(crm_verify --xml-file $work/new.xml --verbose 2>&1); then
    if [[ $found == *error:* ]]; then
      stop "a cluster configuration that crm_verify refuses (${found//$'\n'/ })" "a valid one" "Correct configs/pacemaker/cluster.crm.j2."
    fi
    say "crm_verify: $found"
  fi

  if crm_diff --no-version --original $work/current.xml --new $work/new.xml >$work/patch.xml; then
    say "cluster resources: as they should be"
    return
  fi
  # One transaction: the cluster goes from what it was to what it should be, with nothing in between.
  cibadmin --patch --xml-file $work/patch.xml
  say "cluster resources: applied"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
