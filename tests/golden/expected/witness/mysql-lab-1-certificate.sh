#!/usr/bin/env bash
# Certificate by which the witness knows this node
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

over_ssh() { # SECONDS ADDRESS [COMMAND]: among the machines, by the nodes' own key
  timeout "$1" ssh -i ~azureuser/.ssh/id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 \
    azureuser@"$2" "${@:3}"
}

# Where corosync-qdevice looks; the names in it are its own too (corosync-qdevice(8), advanced settings).
database=/etc/corosync/qdevice/net/nssdb

diagnose() { cat $database.new/error; }

authority_of() { sha256sum "$1" | cut --delimiter=' ' --fields=1; }

# A key of our own, with a certificate of the authority that the witness has now.
is_good() {
  certutil -L -d sql:$database -n "QNet CA" -r >/run/azure-mysql-ha/authority 2>/dev/null || return 1
  [[ $(authority_of /run/azure-mysql-ha/authority) == "$HA_WITNESS_AUTHORITY" ]] || return 1
  [[ $(certutil -K -d sql:$database -f $database/pwdfile.txt 2>/dev/null) == *"Cluster Cert"* ]] || return 1
  certutil -V -d sql:$database -n "Cluster Cert" -u C >/dev/null 2>&1
}

# The witness signs for whoever comes from a node's address with the nodes' key.
witness_signs() {
  over_ssh 60 10.32.0.6 <$database.new/request >$database.new/answer 2>$database.new/error
}
main() {
  local name authority certificate
  install --directory --mode=0700 /run/azure-mysql-ha
  if is_good; then
    say "certificate: of the witness's authority"
  else
    # A new database beside the old one. The distribution's corosync-qdevice-net-certutil writes in place, one key for
    # all nodes, which then has to travel; to the witness a node is any key with a certificate for the cluster's name.
    rm -rf $database.new
    install --directory --mode=0700 /etc/corosync/qdevice /etc/corosync/qdevice/net $database.new
    : >$database.new/pwdfile.txt # no password: the folder is root's alone
    certutil -N -d sql:$database.new -f $database.new/pwdfile.txt
    head --bytes=64 /dev/urandom >$database.new/noise
    certutil -R -s "CN=mysql-lab" -o $database.new/request -d sql:$database.new -f $database.new/pwdfile.txt \
      -z $database.new/noise >/dev/null 2>&1
    wait_for 120 "signature of the witness mysql-lab-witness" witness_signs
    { read -r authority && read -r certificate; } <$database.new/answer ||
      stop "an answer of the witness without certificates" "two" "See $database.new/answer."
    base64 --decode <<<"$authority" >$database.new/authority
    base64 --decode <<<"$certificate" >$database.new/certificate
    [[ $(authority_of $database.new/authority) == "$HA_WITNESS_AUTHORITY" ]] ||
      stop "another certificate authority on the witness than its script has told" "the same" "Run pulumi up --refresh."
    certutil -A -d sql:$database.new -f $database.new/pwdfile.txt -n "QNet CA" -t CT,c,c -i $database.new/authority
    certutil -A -d sql:$database.new -f $database.new/pwdfile.txt -n "Cluster Cert" -t u,u,u -i $database.new/certificate
    for name in noise request answer error authority certificate; do rm -f $database.new/$name; done

    # The mark outlives a kill between here and the restart.
    : >/run/azure-mysql-ha/certificate.changed
    sync $database.new/*
    rm -rf $database
    mv $database.new $database
    is_good || stop "a certificate that certutil does not find valid" "a valid one" "See certutil -V on mysql-lab-1."
    say "certificate: wrote a new one"
  fi
  if [[ -e /run/azure-mysql-ha/certificate.changed ]]; then
    systemctl try-restart corosync-qdevice
    rm /run/azure-mysql-ha/certificate.changed
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
