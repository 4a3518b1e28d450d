#!/usr/bin/env bash
# Partition, DRBD and file system as large as the data disk
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-host-ssh.sh >>>

<<< included/mysql-lab-1-drbd-functions.sh >>>

<<< included/mysql-lab-1-drbd-partition.sh >>>

<<< included/mysql-lab-1-pacemaker-functions.sh >>>

# wait_unless_held WHAT COMMAND...: ten minutes at most, and not at all where a person keeps it away.
wait_unless_held() {
  local held
  "${@:2}" || { held=$(set_by_hand copy) && [[ ! $held ]]; } || stop "no $1, and $held" "$1" "End that, then run pulumi up again."
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

at_server() { if [[ $(drbdadm role r0) == Primary/* ]]; then "$@"; else over_ssh 300 10.32.0.5 "sudo $*"; fi; }

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
  wait_for 60 "file system, asked over SSH if mysql-lab-2 serves" read_file_system
  if ! file_system_has_grown; then wait_for 600 "growth of the file system" file_system_follows; fi
  say "file system: as large as /dev/drbd1"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
