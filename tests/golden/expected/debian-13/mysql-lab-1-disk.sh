#!/usr/bin/env bash
# Partition of the data disk
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
main() {
  local disk table label signatures first
  local detach="If its data is not needed, blank it by hand (wipefs --all) or attach a new disk, then run pulumi up again."

  wait_for 120 "data disk at LUN 0" find_disk
  udevadm settle --timeout=30

  table=$(blkid --probe --match-tag PTTYPE --output value "$disk" || true)
  if [[ $table ]]; then
    label=$(sfdisk --quiet --part-label "$disk" 1 2>/dev/null || true)
    if [[ $table != gpt || $label != mysql-lab-r0 || $(sfdisk --quiet --list "$disk" | grep --count '^/dev/') != 1 ]]; then
      stop "a $table partition table on $disk whose first partition is named '$label'" \
        "a blank disk, or one partition named mysql-lab-r0" "$detach"
    fi
  else
    signatures=$(wipefs --noheadings --output TYPE "$disk" | sort --unique | paste --serial --delimiters=,)
    [[ -z $signatures ]] || stop "$signatures on $disk" "a blank disk" "$detach"
    first=$(head --bytes=1M "$disk" | tr --delete '\0' | head --bytes=1 | wc --bytes)
    ((first == 0)) || stop "unknown data at the beginning of $disk" "a blank disk" "$detach"
    say "partitioning $disk"
    # To the last 4 KiB, as a partition that has grown: with sfdisk's grain of 1 MiB, that of a disk made anew would be too
    # small for its peer's DRBD.
    sfdisk --quiet "$disk" <<'TABLE'
label: gpt
grain: 4096
name=mysql-lab-r0
TABLE
  fi
  wait_for 30 "/dev/disk/by-partlabel/mysql-lab-r0" partition_is_there
  say "data disk: /dev/disk/by-partlabel/mysql-lab-r0"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
