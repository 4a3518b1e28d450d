# Azure's stable names of the disk with this LUN: SCSI sizes, then NVMe sizes.
find_disk() {
  for disk in /dev/disk/azure/scsi1/lun0 /dev/disk/azure/data/by-lun/0; do
    [[ -b $disk ]] && return
  done
  # Images without azure-vm-utils have no name for an NVMe disk: LUN 0 is the second namespace of the controller of remote
  # disks (learn.microsoft.com/azure/virtual-machines/nvme-linux).
  local controller
  for controller in /sys/class/nvme/*; do
    [[ -r $controller/model && $(<"$controller/model") == 'MSFT NVMe Accelerator'* ]] || continue
    disk=/dev/${controller##*/}n2
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
