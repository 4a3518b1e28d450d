#!/usr/bin/env bash
# DRBD resource r0
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-host-ssh.sh >>>

<<< included/mysql-lab-1-drbd-functions.sh >>>

is_configured() { [[ -e /sys/block/drbd1 && $(drbdadm role r0 2>/dev/null || echo Unconfigured) != Unconfigured ]]; }

# Those of a machine that crashed want their activity log applied first, as an attach does.
has_metadata() { drbdadm dump-md r0 >/dev/null 2>&1 || drbdadm apply-al r0 >/dev/null 2>&1; }
main() {
  local text found partuuid unit=azure-mysql-ha-drbd.service
  install_file /etc/drbd.d/global_common.conf 0644 <<'FILE'
# Written by Pulumi.
global {
  usage-count no;
}
FILE

  install_file /usr/local/sbin/azure-mysql-ha-out-of-sync 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. DRBD's handler for a verify that has found blocks in which the two disks differ.
#
# Which disk is right DRBD cannot know. Clients have read and written that of the node that serves; so the other node is barred
# from promotion until those blocks have been copied to it: docs/operations/blocks-differ.md.
role=$(drbdadm role r0)
logger --priority daemon.crit --tag azure-mysql-ha "DRBD r0 ($role): a verify has found blocks that differ; docs/operations/blocks-differ.md"
case $role in
  Primary/*) serving=mysql-lab-1 ;;
  */Primary) serving=mysql-lab-2 ;;
  *) exit ;;
esac
# The constraint that DRBD's own fence-peer handler makes, so that its after-resync-target handler takes it away.
id=drbd-fence-by-handler-r0
cibadmin --create --scope constraints --xml-text "
<rsc_location rsc='drbd-r0-clone' id='$id-drbd-r0-clone'>
  <rule role='Promoted' score='-INFINITY' id='$id-rule-drbd-r0-clone'>
    <expression attribute='#uname' operation='ne' value='$serving' id='$id-expr-drbd-r0-clone'/>
  </rule>
</rsc_location>" || [[ $(cibadmin --query --scope constraints) == *"id=\"$id-drbd-r0-clone\""* ]] # one of the two nodes was first
FILE
  install_file /usr/local/sbin/azure-mysql-ha-verify 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. Compares the two disks block by block (drbdsetup verify; its options can be given), and says how it ended.
#
# DRBD calls its handler at the end of a verify only. Should the node that serves be lost before that, the other one would be
# promoted with the blocks that are already known to differ; so the handler is called as soon as there are any.

# Both from one reading: without its peer, DRBD counts in oos what it writes alone, and that is no difference that was found.
look() { [[ $(</proc/drbd) =~ cs:([A-Za-z]+).*oos:([0-9]+) ]] && state=${BASH_REMATCH[1]} differing_kib=${BASH_REMATCH[2]}; }
is_at_work() { [[ $state == Verify* ]]; }
# Only the kernel knows: a connection that was lost and came back ends a verify too.
has_finished() { journalctl --sync && journalctl --dmesg --quiet --since="@$begin" --grep='drbd r0.*Online verify +done' >/dev/null; }

begin=$(date +%s)
look || { echo "DRBD r0 is not running."; exit 1; }
is_at_work || drbdsetup verify "$(drbdadm sh-minor r0)" "$@" || exit
told=no
while look; do
  if [[ $told == no && $differing_kib != 0 ]] && { is_at_work || [[ $state == Connected ]]; }; then
    /usr/local/sbin/azure-mysql-ha-out-of-sync
    told=yes
  fi
  is_at_work || break
  sleep 1
done
if [[ $state != Connected ]] || ! has_finished; then
  echo "The verify did not finish: DRBD r0 is $state, and was disconnected meanwhile. Run it again."
  exit 1
fi
# For the node's monitoring.
mkdir -p /var/lib/azure-mysql-ha
printf '{"at": %s, "differing_kib": %s}\n' "$(date +%s)" "$differing_kib" >/var/lib/azure-mysql-ha/verify.json.new
mv /var/lib/azure-mysql-ha/verify.json{.new,}
[[ $differing_kib == 0 ]] || { echo "$differing_kib KiB differ: docs/operations/blocks-differ.md"; exit 1; }
echo "The two disks have the same data."
FILE
  # It is there before the cluster's document names it.
  install_file /usr/lib/ocf/resource.d/azure-mysql-ha/filesystem 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. Pacemaker's resource agent of the database's file system (OCF's resource agent API 1.1),
# ocf:azure-mysql-ha:filesystem.
#
# ocf:heartbeat:Filesystem knows all kinds of them, and starts more than a hundred processes for a move, while nobody serves.
set -u
readonly device=/dev/drbd1 directory=/var/lib/mysql
readonly is_well=0 has_failed=1 unimplemented=3 not_running=7 # OCF's exit codes

meta_data() {
  cat <<'XML'
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="filesystem" version="1.0">
  <version>1.1</version>
  <longdesc lang="en">The file system of this cluster's data, on DRBD r0.</longdesc>
  <shortdesc lang="en">File system on DRBD</shortdesc>
  <parameters/>
  <actions>
    <action name="start" timeout="60s"/>
    <action name="stop" timeout="60s"/>
    <action name="monitor" timeout="40s" interval="20s" depth="0"/>
    <action name="meta-data" timeout="5s"/>
  </actions>
</resource-agent>
XML
}

# Sets mounts to what is mounted at the directory or below it, the last first, and source to the device of the directory.
find_mounts() {
  local what where
  mounts=() source=""
  while read -r what where _; do
    [[ $where == "$directory" || $where == "$directory"/* ]] || continue
    mounts=("$where" "${mounts[@]}")
    [[ $where != "$directory" ]] || source=$what
  done </proc/mounts
}

start() {
  local told
  find_mounts
  if [[ $source == "$device" ]]; then return $is_well; fi
  if [[ ${mounts[*]} ]]; then
    echo "ocf-exit-reason:${mounts[*]} is mounted already, at or below $directory" >&2
    return $has_failed
  fi
  # The other node has written meanwhile.
  blockdev --flushbufs "$device" 2>/dev/null
  # ext4 replays its journal by itself.
  told=$(mount -t ext4 -o noatime "$device" "$directory" 2>&1) && return $is_well
  echo "ocf-exit-reason:$device cannot be mounted (${told//$'\n'/ })" >&2
  return $has_failed
}

stop() {
  local begin=$SECONDS limit=$((${OCF_RESKEY_CRM_meta_timeout:-60000} / 1000 - 5)) each signal=TERM
  while find_mounts && [[ ${mounts[*]} ]]; do
    for each in "${mounts[@]}"; do umount "$each" 2>/dev/null || break; done
    find_mounts
    [[ ${mounts[*]} ]] || break
    if ((SECONDS - begin >= limit)); then
      echo "ocf-exit-reason:${mounts[*]} cannot be unmounted" >&2
      return $has_failed
    fi
    # Somebody has a file or a shell there, who is asked for half of the time.
    ((SECONDS - begin < limit / 2)) || signal=KILL
    fuser --kill -$signal --ismountpoint --mount "${mounts[0]}" >/dev/null 2>&1
    sleep 0.5
  done
  blockdev --flushbufs "$device" 2>/dev/null
  return $is_well
}

monitor() {
  find_mounts
  if [[ $source == "$device" ]]; then return $is_well; fi
  if [[ ! $source ]]; then return $not_running; fi
  echo "ocf-exit-reason:$source is mounted at $directory, and not $device" >&2
  return $has_failed
}

case ${1:-} in
  meta-data) meta_data ;;
  start | stop | monitor) "$1" ;;
  validate-all) ;;
  *) exit $unimplemented ;;
esac
FILE
  install_file /etc/systemd/system/azure-mysql-ha-verify.service 0644 <<'FILE'
# Written by Pulumi.
[Unit]
Description=DRBD r0: comparison of the two disks

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/azure-mysql-ha-verify
FILE
  IFS= read -rd '' text <<'FILE' || true
# Written by Pulumi.
resource r0 {
  net {
    protocol C;                  # a write is acknowledged when it is on both disks
    cram-hmac-alg sha256;
    shared-secret "@HA_DRBD_SECRET@";
    verify-alg sha256;
    # A peer is missed after 2.5 s when writes wait for it, and after two intervals and a time-out, 7 s, when none do:
    # before it has been fenced, so that a promotion has nothing to wait for. (DRBD's own 10 s were seen to take 15.)
    timeout      25;             # tenths of a second, less than the intervals
    ping-int     3;              # seconds
    connect-int  3;
    ping-timeout 10;             # tenths of a second
    # What may be on its way; the kernel sizes the socket's buffers by what the way takes (0), within what memory it has.
    max-buffers    20000;
    max-epoch-size 20000;
    sndbuf-size    0;
    rcvbuf-size    0;
    # After a split brain a person decides whose data stays: docs/operations/split-brain.md.
    after-sb-0pri disconnect;
    after-sb-1pri disconnect;
    after-sb-2pri disconnect;
  }
  handlers {
    # Whoever has lost its peer writes no more until the peer has been fenced, or has been found alive and barred from
    # promotion, however long that takes: an early end here would be taken for permission.
    fence-peer "/usr/local/lib/azure-mysql-ha/as-node /usr/local/lib/drbd/crm-fence-peer.sh --role Promoted --timeout 31536000 --dc-timeout 31536000";
    out-of-sync /usr/local/sbin/azure-mysql-ha-out-of-sync;
    after-resync-target /usr/local/lib/drbd/crm-unfence-peer.sh;
    split-brain "logger --priority daemon.crit --tag azure-mysql-ha 'DRBD r0: split brain, the data is no longer copied; docs/operations/split-brain.md'";
  }
  disk {
    fencing resource-and-stonith;
    # Extents of 4 MiB that are written to without a synchronous note first, and copied after a crash.
    al-extents 6433;
    on-io-error detach;          # a node whose disk fails goes on over the network
    resync-rate 100M;            # where the controller below begins
    c-max-rate 100M;
    c-min-rate 25M;              # what writes leave to it; DRBD's own 250K would leave one copy for days
    c-fill-target 1M;
  }
  device    /dev/drbd1;
  disk      /dev/disk/by-partlabel/mysql-lab-r0;
  meta-disk internal;
  # By no name of this machine's: it may be given another, and then no command would find its section. (`floating` needs its
  # network, and tells the handlers no peer by name.)
  _this_host {
    address ipv4 10.32.0.4:7789;
  }
  on mysql-lab-2 {
    address ipv4 10.32.0.5:7789;
  }
}
FILE
  text=${text//@HA_DRBD_SECRET@/$HA_DRBD_SECRET}
  # Read by DRBD's own parser before it replaces what is in use; by a pipe, since it has the secret.
  found=$(printf '%s' "$text" | drbdadm --config-file - dump r0 2>&1 >/dev/null) ||
    stop "a resource file that drbdadm refuses (${found//$'\n'/ })" "one that it accepts" "Correct the settings of replication."
  install_file /etc/azure-mysql-ha/r0.res 0600 <<<"${text%$'\n'}"
  install_file /etc/drbd.d/r0.res 0644 <<'FILE'
# Written by Pulumi.
include "/etc/azure-mysql-ha/r0.res";
FILE
  modprobe drbd
  install_file /etc/systemd/system/$unit 0644 <<'FILE'
# Written by Pulumi.
[Unit]
Description=DRBD r0 after a restart of the machine, as long as Pacemaker has no DRBD
After=local-fs.target network-online.target
Wants=network-online.target
Before=corosync.service pacemaker.service

[Service]
Type=oneshot
# A machine that is restarted while the cluster is being made would stay without r0: its script is done, and Pacemaker
# not there yet. Its peer may wait for it, in a write.
ExecCondition=/bin/sh -c '! grep --quiet --no-messages type=.drbd. /var/lib/pacemaker/cib/cib.xml'
ExecStartPre=/bin/udevadm settle --timeout=60
ExecStartPre=/sbin/modprobe drbd
ExecStart=/sbin/drbdadm adjust r0

[Install]
WantedBy=multi-user.target
FILE
  if [[ $(systemctl show --property=NeedDaemonReload --value $unit) == yes || $changed == yes ]]; then
    systemctl daemon-reload
  fi
  [[ $(systemctl is-enabled $unit 2>/dev/null) == enabled ]] || systemctl --quiet enable $unit

  partuuid=$(blkid --probe --match-tag PART_ENTRY_UUID --output value "$(readlink --canonicalize /dev/disk/by-partlabel/mysql-lab-r0)")
  # Metadata that can be read are whole, since drbdmeta writes the block that it looks for last: no mark of a begun step
  # ever has them made anew.
  if ! is_configured && ! has_metadata; then
    if ! is_half_done "create-md-$partuuid"; then
      is_blank /dev/disk/by-partlabel/mysql-lab-r0 || stop "$(wipefs --noheadings --output TYPE /dev/disk/by-partlabel/mysql-lab-r0 | paste --serial --delimiters=, | grep . || echo unknown data) on /dev/disk/by-partlabel/mysql-lab-r0" \
        "DRBD metadata, or a blank partition" "If it is not needed, blank it by hand (wipefs --all /dev/disk/by-partlabel/mysql-lab-r0) and run pulumi up again."
    fi
    say "DRBD r0: creating metadata"
    begin_once "create-md-$partuuid"
    drbdadm create-md --force r0 >/dev/null
  fi
  end_once "create-md-$partuuid"

  if pacemaker_has_drbd; then
    # Whether or not the file has just changed: an earlier run may have been killed between the two.
    if is_configured && [[ $(drbdadm --dry-run adjust r0) ]]; then
      run_drbdadm adjust r0
      say "DRBD r0: adjusted"
    fi
    say "DRBD r0: left to Pacemaker"
  elif is_configured; then
    run_drbdadm adjust r0
  else
    run_drbdadm up r0
    say "DRBD r0: up"
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
