#!/usr/bin/env bash
# Partition of the data disk
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-drbd-partition.sh >>>
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
run </dev/null
