#!/usr/bin/env bash
# Vote of the witness, running
# Node mysql-prod-witness of cluster mysql-prod. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-prod-witness: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
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
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-prod-witness, then run pulumi up again."
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-prod-witness."

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
database=/etc/corosync/qnetd/nssdb certificate=/etc/corosync/qnetd/nssdb/cluster-mysql-prod.crt
exec 8>/run/azure-mysql-ha-sign.lock
flock --wait 60 8 # they count serial numbers in a file
request=$(mktemp)
trap 'rm -f "$request"' EXIT
head --bytes=8192 >"$request"
rm -f "$certificate"
corosync-qnetd-certutil -s -c "$request" -n mysql-prod >&2
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
main </dev/null
