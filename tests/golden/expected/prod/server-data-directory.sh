#!/usr/bin/env bash
# File system and data directory on DRBD r0, once
# Node mysql-prod-1 of cluster mysql-prod. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-prod-1: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
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
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-prod-1, then run pulumi up again."
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-prod-1."

over_ssh() { # SECONDS ADDRESS [COMMAND]: among the machines, by the nodes' own key
  timeout "$1" ssh -i ~azureuser/.ssh/id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 \
    azureuser@"$2" "${@:3}"
}

# Once Pacemaker knows the DRBD resource, only Pacemaker brings it up, promotes it and takes it down. Its file tells
# also while it does not run. A machine that was made anew has no such file yet: there the peer's tells.
pacemaker_has_drbd() {
  [[ ${cluster:-} ]] || wait_for 300 "answer of mysql-prod-2 over SSH" ask_for_the_cluster
  [[ $cluster == there ]]
}

ask_for_the_cluster() { # sets cluster
  local look='grep --quiet --no-messages type=.drbd. /var/lib/pacemaker/cib/cib.xml' code=0
  if $look; then
    cluster=there
    return
  fi
  over_ssh 30 10.34.0.5 "sudo $look" 2>/dev/null || code=$?
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

let_go() { # whatever happened, the node ends as it began: nothing mounted, DRBD Secondary
  if mountpoint --quiet /var/lib/mysql; then umount /var/lib/mysql; fi
  if [[ $(drbdadm role r0) == Primary/* ]]; then drbdadm secondary r0; fi
}
main() {
  local type label
  if pacemaker_has_drbd; then
    say "data directory: in service"
    return
  fi
  if mountpoint --quiet /var/lib/mysql; then
    [[ $(findmnt --noheadings --output SOURCE /var/lib/mysql) == /dev/drbd1 ]] || stop "$(findmnt --noheadings --output SOURCE /var/lib/mysql) on /var/lib/mysql" \
      "nothing, or /dev/drbd1" "Unmount it."
  fi
  if [[ $(drbdadm role r0) == */Primary ]]; then
    say "data directory: in use by mysql-prod-2"
    return
  fi
  trap let_go EXIT
  if [[ $(drbdadm role r0) != Primary/* ]]; then drbdadm primary r0; fi

  if is_half_done mkfs || is_blank /dev/drbd1; then
    say "file system: making ext4 on /dev/drbd1"
    begin_once mkfs
    # The disk is blank: discarding its blocks first would only send zeros to both.
    mkfs.ext4 -q -F -E nodiscard -L mysql-r0 /dev/drbd1
    end_once mkfs
  fi
  type=$(blkid --probe --match-tag TYPE --output value /dev/drbd1 || true)
  label=$(blkid --probe --match-tag LABEL --output value /dev/drbd1 || true)
  if [[ $type != ext4 || $label != mysql-r0 ]]; then
    stop "${type:-unknown data} labelled '$label' on /dev/drbd1" "ext4 labelled mysql-r0, or nothing" \
      "If it is not needed, blank it by hand: wipefs --all /dev/drbd1."
  fi
  mountpoint --quiet /var/lib/mysql || mount -t ext4 /dev/drbd1 /var/lib/mysql

  local found
  found=$(find /var/lib/mysql -mindepth 1 -maxdepth 1 ! -name lost+found ! -name data ! -name 'data.incomplete*' -printf '%f ')
  [[ -z $found ]] || stop "${found% } in /var/lib/mysql" "data, or nothing" "Move it away by hand."
  if [[ -d /var/lib/mysql/data ]]; then
    [[ $(cat /var/lib/mysql/data/azure-mysql-ha 2>/dev/null) == mysql-prod ]] || stop "a data directory /var/lib/mysql/data that is not this cluster's" \
      "one whose file azure-mysql-ha says mysql-prod" "If it is this cluster's after all, write that file; if it is not needed, move it away."
    say "data directory: there"
    return
  fi

  # It gets its name when it is whole; what an interrupted run has left was never served from.
  local directory=/var/lib/mysql/data.incomplete
  rm -rf "$directory" "$directory".*
  say "data directory: making it"
  mkdir -m 0750 "$directory"
  chown mysql:mysql /var/lib/mysql "$directory"
  printf '%s\n' "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';" "ALTER USER root@localhost IDENTIFIED WITH auth_socket;" >"$directory.sql"
  /usr/sbin/mysqld --no-defaults --user=mysql --datadir="$directory" --initialize-insecure --init-file="$directory.sql"
  rm "$directory.sql"
  printf '%s\n' mysql-prod >"$directory/azure-mysql-ha"
  sync --file-system /var/lib/mysql
  mv "$directory" /var/lib/mysql/data
  sync --file-system /var/lib/mysql
  say "data directory: made"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
