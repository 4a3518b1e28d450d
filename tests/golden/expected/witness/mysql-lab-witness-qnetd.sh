#!/usr/bin/env bash
# Vote of the witness, running
<<< included/mysql-lab-witness-host-script.sh >>>

# Where Debian's packages have it; the names are qnetd's own.
database=/etc/corosync/qnetd/nssdb

# The authority's key and the server's are there.
is_whole() {
  local keys name
  keys=$(certutil -K -d sql:$database -f $database/pwdfile.txt 2>/dev/null) || return 1
  for name in "QNet CA" "QNetd Cert"; do [[ $keys == *"$name"* ]] || return 1; done
}
main() {
  local unit=/etc/systemd/system/corosync-qnetd.service

  # Made by the package when it is installed; an installation that was killed leaves half of it, and no second one looks.
  if ! is_whole; then
    systemctl stop corosync-qnetd
    rm -rf $database
    corosync-qnetd-certutil -i -G >/dev/null 2>&1
    is_whole || stop "no certificate authority after corosync-qnetd-certutil -i" "one" "Run it by hand and see what it says."
    say "witness: certificate authority made"
  fi
  chgrp coroqnetd $database $database/cert9.db $database/key4.db # as the package does, at its very end

  # Each node has a key of its own, which never leaves it. What comes here is a request, on standard input, and what
  # goes back are two lines of base64: the authority's certificate and the node's. The nodes' SSH key may run this and
  # nothing else.
  install_file /usr/local/sbin/azure-mysql-ha-sign 0755 <<'FILE'
#!/usr/bin/env bash
# Written by Pulumi.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
umask 077
database=/etc/corosync/qnetd/nssdb certificate=/etc/corosync/qnetd/nssdb/cluster-mysql-lab.crt
exec 8>/run/azure-mysql-ha-sign.lock
flock --wait 60 8 # they count serial numbers in a file
request=$(mktemp)
trap 'rm -f "$request"' EXIT
head --bytes=8192 >"$request"
rm -f "$certificate"
corosync-qnetd-certutil -s -c "$request" -n mysql-lab >&2
[[ -s $certificate ]] # for a request that it refuses, the tool ends well too
certutil -L -d sql:$database -n "QNet CA" -r | base64 --wrap=0
echo
base64 --wrap=0 "$certificate"
echo
FILE

  # Whoever does not speak TLS, with a certificate of this authority's, is not heard. The mark outlives a kill between
  # writing and restarting.
  install --directory --mode=0700 /run/azure-mysql-ha
  cat >/run/azure-mysql-ha/qnetd.conf <<'FILE'
# Written by Pulumi.
[Service]
ExecStart=
ExecStart=/usr/bin/corosync-qnetd -f -s req -c on
FILE
  cmp --quiet /run/azure-mysql-ha/qnetd.conf $unit.d/azure-mysql-ha.conf || : >/run/azure-mysql-ha/qnetd.changed
  install_file $unit.d/azure-mysql-ha.conf 0644 </run/azure-mysql-ha/qnetd.conf
  if [[ -e /run/azure-mysql-ha/qnetd.changed ]]; then
    systemctl daemon-reload
    systemctl try-restart corosync-qnetd
    rm /run/azure-mysql-ha/qnetd.changed
  fi
  [[ $(systemctl is-enabled corosync-qnetd 2>/dev/null) == enabled ]] || systemctl --quiet enable corosync-qnetd
  systemctl --quiet is-active corosync-qnetd || systemctl start corosync-qnetd
  say "authority SHA256:$(certutil -L -d sql:$database -n "QNet CA" -r | sha256sum | cut --delimiter=' ' --fields=1)"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
