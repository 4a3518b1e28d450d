#!/usr/bin/env bash
# Configuration of the server, and what answers the balancer's probe
# Node mysql-prod-2 of cluster mysql-prod. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-prod-2: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
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
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-prod-2, then run pulumi up again."
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-prod-2."

# What the running server was started with is kept beside it, since its option file may be newer.
readonly in_force=/run/azure-mysql-ha/options-in-force

# This start of the server and no other: its process, and when that began. Nothing where none runs.
running_server() {
  local pid
  pid=$(pgrep --exact --full '/usr/sbin/mysqld.*' | head -n 1) && cut --delimiter=' ' --fields=1,22 "/proc/$pid/stat" 2>/dev/null || true
}

# What a server that starts now would take from all option files: name=value, a line each, the names spelt with _.
options_on_disk() {
  local line name value
  while IFS= read -r line; do
    name=${line%%=*} value=${line#"${line%%=*}"}
    printf '%s%s\n' "${name//-/_}" "$value"
  done < <(/usr/sbin/mysqld --defaults-file=/etc/mysql/my.cnf --print-defaults | sed '1d; s/^--//; s/ --/\n/g; s/ *$//')
}

# note_options_in_force OPTIONS: whole or not at all, and gone with the machine's memory as the server is.
note_options_in_force() {
  local server
  server=$(running_server)
  [[ $server ]] || return 0
  install --directory --mode=0700 ${in_force%/*}
  printf '%s\n%s\n' "$server" "$1" >$in_force.new
  mv $in_force.new $in_force
}

are_noted() { [[ -e $in_force && $(head -n 1 $in_force) == "$(running_server)" ]]; }
main() {
  local found options rewritten log=/var/log/mysql/error.log before=/run/azure-mysql-ha/server.cnf.before
  install --directory --mode=0700 /run/azure-mysql-ha
  options=$(options_on_disk)
  cp /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf $before 2>/dev/null || rm --force $before
  are_noted || note_options_in_force "$options"
  install_file /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf 0644 <<'FILE'
# Written by Pulumi. Read last: what stands here wins.
[mysqld]
datadir      = /var/lib/mysql/data
bind_address = 0.0.0.0
port         = 3306
log_error    = /var/log/mysql/error.log

# A commit is on disk, on both nodes, before it is acknowledged.
innodb_flush_log_at_trx_commit = 1
sync_binlog                    = 1

# The balancer's client addresses have no names; waiting for DNS would be all there is to it.
skip_name_resolve = ON
FILE
  rewritten=$changed
  # A server that was started meanwhile may have read either file.
  are_noted || note_options_in_force "$options"
  # Debian's MariaDB has no folder for its log: it would go nowhere.
  [[ -d ${log%/*} ]] || install --directory --mode=2750 --owner=mysql --group=adm "${log%/*}"
  found=$(/usr/sbin/mysqld --validate-config --user=mysql 2>&1 >/dev/null | grep --ignore-case error | head -n 1) || true
  if [[ $found && $rewritten == yes && -e $before ]]; then
    install_file /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf 0644 <$before # a server may have to start at any time
  fi
  [[ -z $found ]] || stop "a server that refuses its configuration ($found)" "one that reads it" "Correct mysqlOptions."

  # The package has made a data directory of its own here, on the system disk; nobody has ever served from it. It goes
  # aside, so that an empty mount point is left and no server can start on the wrong data.
  if ! mountpoint --quiet /var/lib/mysql && [[ -d /var/lib/mysql/mysql ]]; then
    if pgrep --exact --full '/usr/sbin/mysqld.*' >/dev/null; then
      stop "a server running on /var/lib/mysql outside of the cluster" "none" "Stop it (systemctl stop mysql.service) once you know what it serves."
    fi
    [[ ! -e /var/lib/mysql.package ]] || stop "both /var/lib/mysql/mysql, not mounted, and /var/lib/mysql.package" "at most one" "Move one away."
    mv /var/lib/mysql /var/lib/mysql.package
    say "the package's own data directory: moved to /var/lib/mysql.package"
  fi
  mkdir -p /var/lib/mysql

  install_file /etc/systemd/system/azure-mysql-ha-probe.service 0644 <<'FILE'
# Written by Pulumi.
[Unit]
Description=Tells the load balancer's probe which node serves MySQL
Documentation=https://learn.microsoft.com/azure/load-balancer/load-balancer-custom-probe-overview

[Service]
# Pacemaker starts it where DRBD is promoted and stops it before MySQL; a connection is the whole answer.
ExecStart=/usr/bin/socat -u /dev/null TCP-LISTEN:61500,reuseaddr,fork
DynamicUser=yes
FILE
  if [[ $(systemctl show --property=NeedDaemonReload --value azure-mysql-ha-probe.service) == yes || $changed == yes ]]; then
    systemctl daemon-reload
  fi
  # Pacemaker starts the server; a second one by systemd, or by hand, could only do harm.
  if [[ $(systemctl is-enabled mysql.service 2>/dev/null) != masked ]]; then
    systemctl --quiet mask mysql.service
    say "mysql.service: masked, left to Pacemaker"
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
