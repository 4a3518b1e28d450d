#!/usr/bin/env bash
# Resources, constraints and properties of the cluster
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-lab-1."

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
property cib-bootstrap-options: \
  cluster-name=mysql-lab \
  stonith-enabled=false \
  no-quorum-policy=stop
rsc_defaults rsc-options: \
  resource-stickiness=100 \
  migration-threshold=3 \
  failure-timeout=600s

primitive drbd-r0 ocf:linbit:drbd \
  params drbd_resource=r0 \
  op start interval=0 timeout=240s \
  op stop interval=0 timeout=100s \
  op promote interval=0 timeout=90s \
  op demote interval=0 timeout=90s \
  op notify interval=0 timeout=90s \
  op monitor interval=29s role=Promoted timeout=20s \
  op monitor interval=31s role=Unpromoted timeout=20s
clone drbd-r0-clone drbd-r0 \
  meta promotable=true promoted-max=1 promoted-node-max=1 clone-max=2 clone-node-max=1 notify=true interleave=true

primitive mysql-fs ocf:heartbeat:Filesystem \
  params device=/dev/drbd1 directory=/var/lib/mysql fstype=ext4 options=noatime \
  op start interval=0 timeout=60s \
  op stop interval=0 timeout=60s \
  op monitor interval=20s timeout=40s
# Start and stop leave InnoDB the time for a crash recovery.
primitive mysql-server ocf:heartbeat:mysql \
  params binary=/usr/sbin/mariadbd client_binary=/usr/bin/mariadb config=/etc/mysql/my.cnf \
    datadir=/var/lib/mysql/data socket=/run/mysqld/mysqld.sock pid=/run/mysqld/mysqld.pid \
    user=mysql group=mysql log=/var/log/mysql/error.log \
  op start interval=0 timeout=300s \
  op stop interval=0 timeout=300s \
  op monitor interval=10s timeout=30s
primitive mysql-probe systemd:azure-mysql-ha-probe \
  op start interval=0 timeout=60s \
  op stop interval=0 timeout=60s \
  op monitor interval=10s timeout=20s
group mysql mysql-fs mysql-server mysql-probe

colocation mysql-with-drbd inf: mysql drbd-r0-clone:Promoted
order mysql-after-drbd Mandatory: drbd-r0-clone:promote mysql:start
FILE
  cat >$work/merge_cib.py <<'FILE'
"""Put the desired resources, constraints, defaults and properties in place of those in the current CIB.

Usage: merge_cib.py CURRENT DESIRED OUTPUT. Nodes and status stay; so does what the cluster itself writes: its own
properties, and the constraint by which DRBD's fence-peer handler bars an outdated peer from promotion.
"""

import sys
import xml.etree.ElementTree as ElementTree

OWN_PROPERTIES = {
    "have-watchdog",
    "dc-version",
    "cluster-infrastructure",
    "last-lrm-refresh",
}
REPLACED = ["resources", "constraints", "rsc_defaults", "op_defaults", "fencing-topology", "tags", "alerts"]


def main(current_path: str, desired_path: str, output_path: str) -> None:
    current = ElementTree.parse(current_path)
    now = current.getroot().find("configuration")
    wanted = ElementTree.parse(desired_path).getroot().find("configuration")
    assert now is not None and wanted is not None

    own = [
        nvpair
        for properties in now.findall("crm_config/cluster_property_set[@id='cib-bootstrap-options']")
        for nvpair in properties
        if nvpair.get("name") in OWN_PROPERTIES
    ]
    fenced = [c for c in now.findall("constraints/*") if (c.get("id") or "").startswith("drbd-fence-by-handler-")]
    before = {e.get("id") for e in now.iter() if e.tag in ("primitive", "group", "clone", "master")}
    after = {e.get("id") for e in wanted.iter() if e.tag in ("primitive", "group", "clone", "master")}

    for section in ["crm_config", *REPLACED]:
        old, new = now.find(section), wanted.find(section)
        if old is not None and new is not None:
            now[list(now).index(old)] = new
        elif new is not None:
            now.append(new)
        elif old is not None:
            now.remove(old)
    properties = now.find("crm_config/cluster_property_set[@id='cib-bootstrap-options']")
    assert properties is not None
    for nvpair in reversed(own):
        properties.insert(0, nvpair)
    constraints = now.find("constraints")
    assert constraints is not None
    constraints.extend(fenced)

    for name in sorted(filter(None, before - after)):
        print(f"removed from the cluster: {name}")
    for name in sorted(filter(None, after - before)):
        print(f"new in the cluster: {name}")
    current.write(output_path, encoding="unicode")


main(*sys.argv[1:])
FILE

  # The document becomes a CIB of its own, made from nothing; its sections then replace those of the running one.
  cibadmin --empty >$work/desired.xml
  found=$(CIB_file=$work/desired.xml crm --force configure load update $work/cluster.crm 2>&1) ||
    stop "a document that crm refuses (${found//$'\n'/ })" "one it reads" "Correct configs/pacemaker/cluster.crm.j2."
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
main </dev/null
