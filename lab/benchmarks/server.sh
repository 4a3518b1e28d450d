#!/bin/bash
# Once on a new machine, as root: Debian's server on the data disk, laid out as on a node of our cluster.
# $1: alone (no Galera), first (begins a Galera cluster) or joining (gets all its data from there).
set -euo pipefail
disk=/dev/disk/azure/scsi1/lun0 mount_point=/var/lib/mysql

mv "$mount_point" "$mount_point.package"
mkdir "$mount_point"
mkfs.ext4 -q -F -E nodiscard "$disk"
echo "$disk $mount_point ext4 noatime 0 0" >>/etc/fstab
mount "$mount_point"
install --directory --owner=mysql --group=mysql --mode=0750 "$mount_point/data"
install --directory --owner=mysql --group=adm --mode=2750 /var/log/mysql
if [[ $1 != joining ]]; then
  mariadb-install-db --no-defaults --user=mysql --datadir="$mount_point/data" \
    --auth-root-authentication-method=socket --auth-root-socket-user=root --skip-test-db --rpm >/dev/null
fi

mkdir /etc/systemd/system/mariadb.service.d
printf '[Unit]\nRequiresMountsFor=%s\n' "$mount_point" >/etc/systemd/system/mariadb.service.d/data-disk.conf
systemctl daemon-reload
systemctl --quiet enable mariadb.service
if [[ $1 == first ]]; then galera_new_cluster; else systemctl start mariadb.service; fi
if [[ $1 != joining ]]; then mariadb </root/accounts.sql; fi
# A cut of its power may come next, and what only its memory knows would be lost.
sync
