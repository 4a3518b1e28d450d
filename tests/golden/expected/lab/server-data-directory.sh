#!/usr/bin/env bash
# File system and data directory on DRBD r0, once
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-host-ssh.sh >>>

<<< included/mysql-lab-1-drbd-functions.sh >>>

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
    say "data directory: in use by mysql-lab-2"
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
    [[ $(cat /var/lib/mysql/data/azure-mysql-ha 2>/dev/null) == mysql-lab ]] || stop "a data directory /var/lib/mysql/data that is not this cluster's" \
      "one whose file azure-mysql-ha says mysql-lab" "If it is this cluster's after all, write that file; if it is not needed, move it away."
    say "data directory: already there"
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
  printf '%s\n' mysql-lab >"$directory/azure-mysql-ha"
  sync --file-system /var/lib/mysql
  mv "$directory" /var/lib/mysql/data
  sync --file-system /var/lib/mysql
  say "data directory: made"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
