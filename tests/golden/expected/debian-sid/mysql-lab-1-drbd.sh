#!/usr/bin/env bash
# DRBD resource r0
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

# Once Pacemaker knows the DRBD resource, only Pacemaker brings it up, promotes it and takes it down. Its file tells
# also while it does not run.
pacemaker_has_drbd() { grep --quiet --no-messages 'type="drbd"' /var/lib/pacemaker/cib/cib.xml; }

connected() { [[ $(drbdadm cstate r0 2>/dev/null) == Connected ]]; }

# A step that a kill may leave half-way is announced on disk first: what such a step was at may be made again, since it
# was seen blank before. begin_once NAME; end_once NAME; is_half_done NAME.
readonly steps=/var/lib/azure-mysql-ha
begin_once() { mkdir -p $steps && : >"$steps/$1.begun" && sync --file-system $steps; }
end_once() { sync && rm "$steps/$1.begun"; }
is_half_done() { [[ -e $steps/$1.begun ]]; }

is_blank() { # DEVICE: no signature, and nothing but zeros in its first MiB
  [[ -z $(wipefs --noheadings --output TYPE "$1") && $(head --bytes=1M "$1" | tr --delete '\0' | head --bytes=1 | wc --bytes) == 0 ]]
}
main() {
  local text found partuuid
  install_file /etc/drbd.d/global_common.conf 0644 <<'FILE'
# Written by Pulumi.
global {
  usage-count no;
}
FILE

  IFS= read -rd '' text <<'FILE' || true
# Written by Pulumi.
resource r0 {
  net {
    protocol C;                  # a write is acknowledged when it is on both disks
    cram-hmac-alg sha256;
    shared-secret "@HA_DRBD_SECRET@";
    verify-alg sha256;
    # After a split brain a person decides whose data stays: docs/operations.md.
    after-sb-0pri disconnect;
    after-sb-1pri disconnect;
    after-sb-2pri disconnect;
  }
  disk {
    on-io-error detach;          # a node whose disk fails goes on over the network
    resync-rate 100M;            # where the controller below begins
    c-max-rate 100M;
    c-fill-target 1M;
  }
  device    /dev/drbd1;
  disk      /dev/disk/by-partlabel/mysql-lab-r0;
  meta-disk internal;
  on mysql-lab-1 {
    address ipv4 10.32.0.4:7789;
  }
  on mysql-lab-2 {
    address ipv4 10.32.0.5:7789;
  }
}
FILE
  text=${text//@HA_DRBD_SECRET@/$HA_DRBD_SECRET}
  # Read by DRBD's own parser before it replaces what is in use.
  install --directory --mode=0700 /run/azure-mysql-ha
  (umask 077 && printf '%s' "$text" >/run/azure-mysql-ha/r0.res)
  found=$(drbdadm --config-file /run/azure-mysql-ha/r0.res dump r0 2>&1 >/dev/null) || {
    rm /run/azure-mysql-ha/r0.res
    stop "a resource file that drbdadm refuses (${found//$'\n'/ })" "one it reads" "Correct the settings of replication."
  }
  rm /run/azure-mysql-ha/r0.res
  install_file /etc/drbd.d/r0.res 0600 <<<"${text%$'\n'}"
  modprobe drbd

  if pacemaker_has_drbd; then
    # Whether or not the file has just changed: an earlier run may have been killed between the two.
    if [[ $(drbdadm dstate r0 2>/dev/null || echo Unconfigured) != Unconfigured && $(drbdadm --dry-run adjust r0) ]]; then
      drbdadm adjust r0
      say "DRBD r0: adjusted"
    fi
    say "DRBD r0: Pacemaker's"
    return
  fi

  if [[ ! -e /sys/block/drbd1 ]] || [[ $(drbdadm role r0 2>/dev/null || echo Unconfigured) == Unconfigured ]]; then
    partuuid=$(blkid --probe --match-tag PART_ENTRY_UUID --output value "$(readlink --canonicalize /dev/disk/by-partlabel/mysql-lab-r0)")
    if is_half_done "create-md-$partuuid" || ! drbdadm dump-md r0 >/dev/null 2>&1; then
      if ! is_half_done "create-md-$partuuid"; then
        is_blank /dev/disk/by-partlabel/mysql-lab-r0 || stop "$(wipefs --noheadings --output TYPE /dev/disk/by-partlabel/mysql-lab-r0 | paste --serial --delimiters=, | grep . || echo unknown data) on /dev/disk/by-partlabel/mysql-lab-r0" \
          "DRBD metadata, or a blank partition" "If it is not needed, blank it by hand (wipefs --all /dev/disk/by-partlabel/mysql-lab-r0) and run pulumi up again."
      fi
      say "DRBD r0: creating metadata"
      begin_once "create-md-$partuuid"
      drbdadm create-md --force r0 >/dev/null
      end_once "create-md-$partuuid"
    fi
    drbdadm up r0
    say "DRBD r0: up"
  else
    drbdadm adjust r0
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
