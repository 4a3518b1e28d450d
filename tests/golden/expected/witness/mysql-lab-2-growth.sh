#!/usr/bin/env bash
# Partition, DRBD and file system as large as the data disk
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

# Once Pacemaker knows the DRBD resource, only Pacemaker brings it up, promotes it and takes it down. Its file tells
# also while it does not run. A machine that was made anew has no such file yet: there the peer's tells.
pacemaker_has_drbd() {
  [[ ${cluster:-} ]] || wait_for 300 "answer of mysql-lab-1 over SSH" ask_for_the_cluster
  [[ $cluster == there ]]
}

ask_for_the_cluster() { # sets cluster
  local look='grep --quiet --no-messages type=.drbd. /var/lib/pacemaker/cib/cib.xml' code=0
  if $look; then
    cluster=there
    return
  fi
  over_ssh 30 10.32.0.4 "sudo $look" 2>/dev/null || code=$?
  case $code in
    0) cluster=there ;;
    1 | 2) cluster=none ;; # 2: there is no such file
    *) return 1 ;;
  esac
}

connected() { [[ $(drbdadm cstate r0 2>/dev/null) == Connected ]]; }

# A step that a kill may leave half-way is announced on disk first: what such a step was at may be made again, since it
# was seen blank before. begin_once NAME; end_once NAME; is_half_done NAME.
readonly steps=/var/lib/azure-mysql-ha
begin_once() { mkdir -p $steps && : >"$steps/$1.begun" && sync --file-system $steps; }
end_once() { # also of a run that ended just before it, or whose end was lost with the machine's power
  is_half_done "$1" || return 0
  sync && rm "$steps/$1.begun" && sync --file-system $steps
}
is_half_done() { [[ -e $steps/$1.begun ]]; }

is_blank() { # DEVICE: no signature, and nothing but zeros in its first MiB
  [[ -z $(wipefs --noheadings --output TYPE "$1") && $(head --bytes=1M "$1" | tr --delete '\0' | head --bytes=1 | wc --bytes) == 0 ]]
}

# Azure's stable names of the disk with this LUN: SCSI sizes, then NVMe sizes.
find_disk() {
  for disk in /dev/disk/azure/scsi1/lun0 /dev/disk/azure/data/by-lun/0; do
    [[ -b $disk ]] && return
  done
  return 1
}

# The kernel's partition after its table, and udev's name after both: it has none for a partition whose size is not the
# table's (libblkid, blkid_partlist_devno_to_partition), and is not told when the kernel changes that.
follow_table() {
  partx --update --nr 1 "$disk"
  udevadm trigger --settle --action=change --parent-match="$disk"
}

partition_is_there() { [[ -b /dev/disk/by-partlabel/mysql-lab-r0 ]] || { follow_table && [[ -b /dev/disk/by-partlabel/mysql-lab-r0 ]]; }; }

# set_by_hand service|copy: what a person has set in the cluster for a time, and what ends it, as far as it can be why nobody
# serves, or why DRBD does not run on both nodes. Nothing where there is nothing, or no Pacemaker.
set_by_hand() {
  local cib
  cib=$(cibadmin --query 2>/dev/null) || return 0
  python3 - <(printf '%s' "$cib") "$1" <<'PYTHON'
"""What a person has set in the cluster for a time, as the CIB has it.

Usage: by_hand.py CIB all|service|copy. Prints a line that says what there is and what ends it: all of it, or what can
be why nobody serves, or why DRBD does not run on both nodes. Prints nothing where there is nothing.
"""

import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

PROPERTIES = ("maintenance-mode", "stop-all-resources")
META_ATTRIBUTES = ("is-managed", "maintenance", "target-role")
CONSTRAINTS = ("cli-ban-", "cli-prefer-")
"""How the ids of those begin that `crm resource ban` and `move` make."""

_TRUE = ("true", "on", "yes", "y", "1")  # of Pacemaker's crm_is_true
_FALSE = ("false", "off", "no", "n", "0")

_SERVING = ("drbd-r0-clone", "drbd-r0", "mysql", "mysql-fs", "mysql-server", "rsc_defaults")
"""Resources without which nobody serves."""


@dataclass(frozen=True)
class Setting:
    """One thing.

    Args:
        what: in words.
        end: the command that ends it.
        keeps_away: whether it alone can keep the service from being there.
        bars: the node that may not serve because of it; empty for none.
    """

    what: str
    end: str
    keeps_away: bool = False
    bars: str = ""


def of_property(name: str, value: str) -> "Setting | None":
    """Return what a property of the cluster says."""
    if value.lower() not in _TRUE:
        return None
    if name == "maintenance-mode":
        return Setting("the cluster in maintenance mode", "crm maintenance off", keeps_away=True)
    if name == "stop-all-resources":
        return Setting("stop-all-resources", f"crm configure property {name}=false", keeps_away=True)
    return None


def of_meta_attribute(owner: str, name: str, value: str) -> "Setting | None":
    """Return what a meta attribute of a resource says, or of `rsc_defaults`."""
    value = value.lower()
    if name == "is-managed" and value in _FALSE:
        what, end = "not managed", f"crm resource manage {owner}"
    elif name == "maintenance" and value in _TRUE:
        what, end = "in maintenance", f"crm resource maintenance {owner} off"
    elif name == "target-role" and value in ("stopped", "slave", "unpromoted"):
        what = "stopped" if value == "stopped" else "not to be promoted"
        end = f"crm resource {'start' if value == 'stopped' else 'promote'} {owner}"
    else:
        return None
    if owner == "rsc_defaults":
        end = f"crm_attribute --type rsc_defaults --name {name} --delete"
    return Setting(f"{owner} {what}", end, keeps_away=owner in _SERVING)


def of_constraint(constraint: ElementTree.Element) -> Setting:
    """Return what a ban or a move says."""
    resource, node = constraint.get("rsc", ""), constraint.get("node", "")
    rule = constraint.find(".//expression[@attribute='#uname']")
    if rule is not None:
        node = rule.get("value", "")
    score = constraint.get("score") or next((r.get("score", "") for r in constraint.iter("rule")), "")
    banned = score.startswith("-")
    what = f"{resource} {'banned from' if banned else 'moved to'} {node}"
    bars = node if score.upper() == "-INFINITY" and resource in _SERVING else ""
    return Setting(what, f"crm resource clear {resource}", bars=bars)


def find(cib: ElementTree.Element) -> "list[Setting]":
    """Return all of it.

    Args:
        cib: the whole document, status included: a standby until the next restart of a node is there.
    """
    found: list[Setting | None] = []
    for nvpair in cib.findall("configuration/crm_config/cluster_property_set/nvpair"):
        found.append(of_property(nvpair.get("name", ""), nvpair.get("value", "")))
    names: dict[str, str] = {}
    for node in (*cib.findall("configuration/nodes/node"), *cib.findall("status/node_state")):
        name = names.setdefault(node.get("id", ""), node.get("uname", ""))
        for nvpair in node.iter("nvpair"):
            if nvpair.get("value", "").lower() in _TRUE:
                if nvpair.get("name") == "standby":
                    found.append(Setting(f"{name} in standby", f"crm node online {name}", bars=name))
                elif nvpair.get("name") == "maintenance":
                    found.append(Setting(f"{name} in maintenance", f"crm node ready {name}", keeps_away=True))
    for owner in (*cib.findall("configuration/resources//"), *cib.findall("configuration/rsc_defaults")):
        for nvpair in owner.findall("meta_attributes/nvpair"):
            found.append(of_meta_attribute(owner.get("id", owner.tag), nvpair.get("name", ""), nvpair.get("value", "")))
    for constraint in cib.findall("configuration/constraints/*"):
        if constraint.get("id", "").startswith(CONSTRAINTS):
            found.append(of_constraint(constraint))
    return [setting for setting in dict.fromkeys(found) if setting]


def keeping_away(cib: ElementTree.Element) -> "list[Setting]":
    """Return what can be why nobody serves: of standbys and bans only those of all nodes together."""
    found = find(cib)
    nodes = {node.get("uname") for node in cib.findall("configuration/nodes/node")}
    nobody_may = nodes <= {setting.bars for setting in found}
    return [setting for setting in found if setting.keeps_away or (setting.bars and nobody_may)]


def keeping_a_copy_away(cib: ElementTree.Element) -> "list[Setting]":
    """Return what can be why DRBD does not run on both nodes."""
    return [setting for setting in find(cib) if setting.keeps_away or setting.bars]


def told(settings: "list[Setting]") -> str:
    """Return them as a line."""
    return ", ".join(f"{setting.what} ({setting.end} ends it)" for setting in settings)


if __name__ == "__main__":
    document = ElementTree.parse(sys.argv[1]).getroot()
    look = {"all": find, "service": keeping_away, "copy": keeping_a_copy_away}[sys.argv[2]]
    if line := told(look(document)):
        print(line)
PYTHON
}

# wait_unless_held WHAT COMMAND...: ten minutes at most, and not at all where a person keeps it away.
wait_unless_held() {
  local held
  "${@:2}" || { held=$(set_by_hand copy) && [[ ! $held ]]; } || stop "no $1, and $held" "it" "End that, then run pulumi up again."
  wait_for 600 "$@"
}

diagnose() { printf '%s\n' "$answer"; drbdadm status r0; }

# Azure grows a disk under a running machine; SCSI is asked to look again, NVMe sees it by itself.
disk_has_grown() {
  local rescan
  rescan=/sys/class/block/$(basename "$(readlink --canonicalize "$disk")")/device/rescan
  if [[ -w $rescan ]]; then echo 1 >"$rescan"; fi
  (($(blockdev --getsize64 "$disk") >= 4 * 1024 ** 3))
}

# sfdisk leaves the first MiB to GPT's table, and at most one at the end.
partition_has_grown() { (($(blockdev --getsize64 "$disk") - $(blockdev --getsize64 /dev/disk/by-partlabel/mysql-lab-r0) < 16 * 1024 ** 2)); }

is_attached_and_connected() { [[ $(drbdadm dstate r0 2>/dev/null) =~ ^(UpToDate|Inconsistent|Outdated|Consistent)/ ]] && connected; }

device_size() { echo $(($(</sys/block/drbd1/size) * 512)); } # blockdev would have to open it, which a Secondary refuses

# DRBD's own data are at the end of the partition and go along with it. The device itself grows when both partitions
# have, and is resynchronised where it is new; its peer's resize may do all of it first.
drbd_follows() { drbdadm resize r0 >/dev/null 2>&1 || (($(device_size) > before)); }

somebody_serves() { [[ $(drbdadm role r0 2>/dev/null) == *Primary* ]] && { [[ $(drbdadm role r0) != Primary/* ]] || mountpoint --quiet /var/lib/mysql; }; }

# What DRBD keeps for itself is less than a thousandth of the partition, and a MiB.
device_has_grown() { (($(device_size) >= $(blockdev --getsize64 /dev/disk/by-partlabel/mysql-lab-r0) * 999 / 1000 - 1024 ** 2)); }

at_server() { if [[ $(drbdadm role r0) == Primary/* ]]; then "$@"; else over_ssh 300 10.32.0.4 "sudo $*"; fi; }

read_file_system() { # sets bytes
  bytes=$(at_server dumpe2fs -h /dev/drbd1 2>/dev/null | awk '/^Block count:/ { count = $3 } /^Block size:/ { print count * $3 }')
  [[ $bytes ]]
}

# A rest of less than a MiB may be too little for a block group of its own.
file_system_has_grown() { (($(device_size) - bytes < 1024 ** 2)); }

# While it is mounted. Both nodes see to it: which of them serves may change until the other has come to this.
file_system_follows() {
  answer=$(at_server resize2fs /dev/drbd1 2>&1) || true
  read_file_system && file_system_has_grown
}
main() {
  local disk before bytes answer=""
  wait_for 120 "data disk at LUN 0" find_disk
  wait_for 30 "/dev/disk/by-partlabel/mysql-lab-r0" partition_is_there
  if ! disk_has_grown && ! disk_has_grown; then
    stop "$(($(blockdev --getsize64 "$disk") / 1024 ** 2)) MiB on $disk" "4 GiB, to which Azure has grown it" \
      "This kernel does not see it: restart the machine in its turn (docs/operations/growing-disk.md), then run pulumi up again."
  fi
  if ! partition_has_grown || is_half_done grow; then
    # Only under a DRBD that runs: it takes its metadata along to the new end. Elsewhere nobody would look for them.
    wait_unless_held "DRBD r0, started by Pacemaker, with its peer" is_attached_and_connected
    before=$(device_size)
    begin_once grow
    say "data disk: /dev/disk/by-partlabel/mysql-lab-r0 grows"
    # The same beginning, the same name; up to the end of the disk.
    sfdisk --quiet --no-reread --no-tell-kernel --partno 1 "$disk" <<<", +"
    follow_table
    wait_for 600 "growth of DRBD r0" drbd_follows
    end_once grow
  fi

  wait_unless_held "node that serves" somebody_serves
  wait_for 120 "growth of /dev/drbd1, once both partitions have grown" device_has_grown
  wait_for 60 "file system, asked over SSH if mysql-lab-1 serves" read_file_system
  if ! file_system_has_grown; then wait_for 600 "growth of the file system" file_system_follows; fi
  say "file system: as large as /dev/drbd1"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
