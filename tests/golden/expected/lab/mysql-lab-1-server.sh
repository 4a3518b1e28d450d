#!/usr/bin/env bash
# Configuration of the server, and what answers the balancer's probe
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-mysql-options-in-force.sh >>>

# A machine has less memory than the server is sized for while machines take their turns to a smaller size, or where a
# person has made it smaller. There the buffer pool is a quarter of what there is, until the stack's own size fits again.
# Prints what an option file then says; nothing where the size fits.
smaller_pool() {
  :
}

# The package's own file for logrotate looks for a mysql.service that runs, which there is not here: it would
# rename what the server goes on writing to. As a diversion it stays away when the package is upgraded.
rotate_logs() {
  local package=/etc/logrotate.d/mysql-server
  if [[ $(dpkg-divert --truename $package) == "$package" ]]; then
    # logrotate leaves out what ends so.
    dpkg-divert --quiet --local --rename --divert $package.disabled --add $package
    say "$package: replaced by azure-mysql-ha"
  fi
  install_file /etc/logrotate.d/azure-mysql-ha 0644 <<'FILE'
# Written by Pulumi.
/var/log/mysql/*.log {
  daily
  maxsize 100M
  rotate 14
  missingok
  notifempty
  create 640 mysql adm
  su mysql adm
  compress
  # Where the server does not open a new one now, it does so the next day.
  delaycompress
  sharedscripts
  postrotate
    if systemctl --quiet is-active azure-mysql-ha-server.service; then
      systemctl kill --signal=USR1 --kill-whom=main azure-mysql-ha-server.service
    fi
  endscript
}
FILE
}
main() {
  local found options rewritten content log=/var/log/mysql/error.log before=/run/azure-mysql-ha/server.cnf.before
  install --directory --mode=0700 /run/azure-mysql-ha
  # First, since a server may start at any time, and its options name them.
  install_file /etc/mysql/azure-mysql-ha-ca.pem 0644 <<'FILE'
AUTHORITY
FILE
  install_file /etc/mysql/azure-mysql-ha-server.pem 0640 root:mysql < <(printf '%s\n' "${HA_TLS_CERTIFICATE%$'\n'}" "${HA_TLS_KEY%$'\n'}")
  options=$(options_on_disk)
  cp /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf $before 2>/dev/null || rm --force $before
  are_noted || note_options_in_force "$options"
  install_file /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf 0644 <<'FILE'
<<< included/mysql-lab-1-mysql-server.cnf >>>
FILE
  rewritten=$changed
  content=$(smaller_pool)
  if [[ $content ]]; then
    install_file /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.small-machine.cnf 0644 <<<"$content"
  elif [[ -e /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.small-machine.cnf ]]; then
    rm /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.small-machine.cnf
    say "/etc/mysql/mysql.conf.d/zz-azure-mysql-ha.small-machine.cnf: removed, the size of this machine fits"
  fi
  # A server that was started meanwhile may have read either file.
  are_noted || note_options_in_force "$options"
  # Debian's MariaDB has no folder for its log: it would go nowhere.
  [[ -d ${log%/*} ]] || install --directory --mode=2750 --owner=mysql --group=adm "${log%/*}"
  rotate_logs
  found=$(/usr/sbin/mysqld --validate-config --user=mysql 2>&1 >/dev/null | grep --ignore-case error | head -n 1) || true
  if [[ $found && $rewritten == yes && -e $before ]]; then
    install_file /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.cnf 0644 <$before # a server may have to start at any time
  fi
  [[ -z $found ]] || stop "a server that refuses its configuration ($found)" "one that accepts it" "Correct mysqlOptions."

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

  install_file /usr/lib/ocf/resource.d/azure-mysql-ha/mysql 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. Pacemaker's resource agent of the server (OCF's resource agent API 1.1), ocf:azure-mysql-ha:mysql.
#
# A monitor has three answers: it serves, it does not serve, and it cannot be asked now. The third never restarts or moves
# the server: what answers with an error is there, and its clients are served. It is an alarm of the cluster's state.
set -u
readonly unit=azure-mysql-ha-server.service socket=/run/mysqld/mysqld.sock cannot_ask=/run/azure-mysql-ha/cannot-ask
readonly is_well=0 has_failed=1 unimplemented=3 not_running=7 # OCF's exit codes

meta_data() {
  cat <<'XML'
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="mysql" version="1.0">
  <version>1.1</version>
  <longdesc lang="en">The server of this cluster, in a systemd unit of its own.</longdesc>
  <shortdesc lang="en">MySQL on DRBD</shortdesc>
  <parameters/>
  <actions>
    <action name="start" timeout="300s"/>
    <action name="stop" timeout="60s"/>
    <action name="monitor" timeout="30s" interval="5s" depth="0"/>
    <action name="meta-data" timeout="5s"/>
  </actions>
</resource-agent>
XML
}

# sets pid
find_server() {
  local name=""
  { pid=$(</run/mysqld/mysqld.pid) && name=$(</proc/"$pid"/comm); } 2>/dev/null
  if [[ $name == mysqld ]]; then return 0; fi
  # Somebody may have deleted that file.
  pid=$(systemctl show --property=MainPID --value "$unit" 2>/dev/null)
  [[ $pid && $pid != 0 ]]
}

start() {
  if find_server; then return $is_well; fi
  # It returns when the server takes connections. In a unit of its own it hangs on no session of anybody's.
  if systemctl start "$unit"; then return $is_well; fi
  echo "ocf-exit-reason:the server has not started ($(grep --ignore-case error /var/log/mysql/error.log 2>/dev/null | grep --invert-match Aborting | tail -n 1 | cut --characters=-300))" >&2
  return $has_failed
}

# Whether the server greets who connects by TCP. 1: it takes no connection. 124: it does, and says nothing.
greets() { timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/3306 && read -r -N 1 <&3' 2>/dev/null; }

# By a signal, not by `systemctl stop`: at a shutdown of the machine, that would wait for the end of Pacemaker, which waits for this.
stop() {
  local until=$((SECONDS + ${OCF_RESKEY_CRM_meta_timeout:-60000} / 1000 - 5))
  if find_server; then
    greets
    case $? in
      0)
        timeout 3 /usr/bin/mysql --no-defaults --user=root --socket=$socket --execute='SET GLOBAL offline_mode = ON' &>/dev/null
        # It ends this session as well; and who is just logging in, and will be refused, would count too.
        for _ in {1..5}; do
          sleep 0.1
          [[ $(ss --no-header --numeric --tcp state established "sport = :3306" 2>/dev/null) ]] || break
        done
        ;;
      124) until=$SECONDS ;; # one that hangs would not end by itself either
    esac
    kill -TERM "$pid" 2>/dev/null
    while [[ -d /proc/$pid ]] && ((SECONDS < until)); do sleep 0.1; done
    # What InnoDB has not written by then, it recovers from its log.
    while [[ -d /proc/$pid ]]; do
      kill -KILL "$pid" 2>/dev/null
      sleep 0.2
    done
  fi
  rm --force $cannot_ask
  return $is_well
}

# As Pacemaker's own account, which may do nothing in the server and has no password: what people do to root's does not matter.
# It names no table, so no lock of other sessions stands before it.
ask() {
  timeout 20 setpriv --reuid=hacluster --regid=haclient --clear-groups \
    /usr/bin/mysql --no-defaults --socket=$socket --user=hacluster --connect-timeout=15 --batch \
    --skip-column-names --execute='select 1' 2>&1
}

# Whether systemd is at a restart of it; the unit's own time-outs bound that.
restarts() { [[ $(systemctl show --property=ActiveState --value "$unit" 2>/dev/null) == *activating ]]; }

# A server that hangs takes connections and greets nobody. One that is well greets, or says what is the matter.
monitor() {
  local answer="" code=0
  if find_server; then answer=$(ask) || code=$?; fi
  if [[ $code:$answer == 0:1 ]]; then
    if [[ -e $cannot_ask ]]; then rm $cannot_ask; fi
    return $is_well
  fi
  if restarts; then
    answer="systemd restarts it"
  elif ! find_server; then
    return $not_running
  fi
  case $code:$answer in
    *" error packet "*) ;; # how MariaDB's client tells of "Too many connections"
    *"initial communication packet"*)
      echo "ocf-exit-reason:the server hangs: it has not greeted a client for 15 s" >&2
      return $has_failed
      ;;
    *"ERROR 2002 "*)
      if ! greets; then
        echo "ocf-exit-reason:the server accepts no connection" >&2
        return $has_failed
      fi
      answer="$socket does not lead to the server"
      ;;
    124:*) answer="it greets, and has not answered for 20 s" ;;
  esac
  mkdir -p ${cannot_ask%/*}
  printf '%s\n' "${answer:-the client has ended with $code}" >$cannot_ask
  return $is_well
}

case ${1:-} in
  meta-data) meta_data ;;
  start | stop | monitor) "$1" ;;
  validate-all) ;;
  *) exit $unimplemented ;;
esac
FILE
  install_file /usr/lib/ocf/resource.d/azure-mysql-ha/probe 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. Pacemaker's resource agent of the balancer's probe (OCF's resource agent API 1.1),
# ocf:azure-mysql-ha:probe.
#
# Pacemaker's own agent of units (systemd:azure-mysql-ha-probe) has systemd read all units again at each start and stop,
# which took 2.0 s of a fail-over in the lab, before DRBD was promoted.
set -u
readonly unit=azure-mysql-ha-probe.service
readonly is_well=0 has_failed=1 unimplemented=3 not_running=7 # OCF's exit codes

meta_data() {
  cat <<'XML'
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="probe" version="1.0">
  <version>1.1</version>
  <longdesc lang="en">Answers the load balancer's probe on the node that serves, in a systemd unit of its own.</longdesc>
  <shortdesc lang="en">Answer to the load balancer's probe</shortdesc>
  <parameters/>
  <actions>
    <action name="start" timeout="60s"/>
    <action name="stop" timeout="60s"/>
    <action name="monitor" timeout="20s" interval="10s" depth="0"/>
    <action name="meta-data" timeout="5s"/>
  </actions>
</resource-agent>
XML
}

# sets pid
find_probe() {
  pid=$(systemctl show --property=MainPID --value "$unit" 2>/dev/null)
  [[ $pid && $pid != 0 ]]
}

# Whether something listens on its port: the kernel writes that in hexadecimal, and 0A for a socket that listens.
listens() {
  local file address state
  for file in /proc/net/tcp /proc/net/tcp6; do
    while read -r _ address _ state _; do
      if [[ $address == *:F03C && $state == 0A ]]; then return 0; fi
    done <$file
  done 2>/dev/null
  return 1
}

start() {
  if systemctl start "$unit"; then
    while find_probe; do
      if listens; then return $is_well; fi
      sleep 0.1
    done
  fi
  echo "ocf-exit-reason:$unit has not started (journalctl --unit=$unit)" >&2
  return $has_failed
}

# By a signal, as the server's: at a shutdown of the machine `systemctl stop` would wait for Pacemaker, which waits for this.
stop() {
  local half=$((SECONDS + ${OCF_RESKEY_CRM_meta_timeout:-60000} / 2000)) signal=TERM
  while find_probe; do
    ((SECONDS < half)) || signal=KILL
    kill -$signal "$pid" 2>/dev/null
    sleep 0.1
  done
  return $is_well
}

monitor() { if find_probe; then return $is_well; else return $not_running; fi; }

case ${1:-} in
  meta-data) meta_data ;;
  start | stop | monitor) "$1" ;;
  validate-all) ;;
  *) exit $unimplemented ;;
esac
FILE
  install_file /usr/local/lib/azure-mysql-ha/fit-machine 0755 <<'FILE'
#!/bin/bash
# Written by Pulumi. Before each start of the server, and read after the stack's own options.
set -euo pipefail

# A machine has less memory than the server is sized for while machines take their turns to a smaller size, or where a
# person has made it smaller. There the buffer pool is a quarter of what there is, until the stack's own size fits again.
# Prints what an option file then says; nothing where the size fits.
smaller_pool() {
  :
}

# Of backups that the stack had: this server logs nothing, so what is logged one day is of another history.
rm --force /var/lib/mysql/data/azure-mysql-ha-history

content=$(smaller_pool)
if [[ $content ]]; then
  printf '%s\n' "$content" >/etc/mysql/mysql.conf.d/zz-azure-mysql-ha.small-machine.cnf.new
  mv /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.small-machine.cnf{.new,}
else
  rm --force /etc/mysql/mysql.conf.d/zz-azure-mysql-ha.small-machine.cnf
fi
FILE
  install_file /etc/systemd/system/azure-mysql-ha-server.service 0644 <<'FILE'
# Written by Pulumi. Pacemaker starts and stops it, by its agent ocf:azure-mysql-ha:mysql.
[Unit]
Description=MySQL on DRBD r0
# At a shutdown of the machine systemd leaves it to Pacemaker, which ends first.
Before=pacemaker.service
StartLimitIntervalSec=0

[Service]
Type=notify
User=mysql
Group=mysql
RuntimeDirectory=mysqld
# As root, who may write option files.
ExecStartPre=+/usr/local/lib/azure-mysql-ha/fit-machine
ExecStart=/usr/sbin/mysqld --defaults-file=/etc/mysql/my.cnf --datadir=/var/lib/mysql/data --socket=/run/mysqld/mysqld.sock --pid-file=/run/mysqld/mysqld.pid --log-error=/var/log/mysql/error.log
LimitNOFILE=32768
# For a restart (NODE-options); Pacemaker's agent has its own bounds.
TimeoutStartSec=300
TimeoutStopSec=120
# Of all processes of a machine that has no memory left, the last to go.
OOMScoreAdjust=-600
FILE
  install_file /etc/systemd/system/azure-mysql-ha-probe.service 0644 <<'FILE'
# Written by Pulumi. Pacemaker starts and stops it, by its agent ocf:azure-mysql-ha:probe.
[Unit]
Description=Tells the load balancer's probe which node serves MySQL
Documentation=https://learn.microsoft.com/azure/load-balancer/load-balancer-custom-probe-overview
# At a shutdown of the machine systemd leaves it to Pacemaker, which ends first.
Before=pacemaker.service
StartLimitIntervalSec=0

[Service]
# It runs where DRBD is promoted, and ends before MySQL does; a connection is the whole answer.
ExecStart=/usr/bin/socat -u /dev/null TCP-LISTEN:61500,reuseaddr,fork
DynamicUser=yes
# How socat ends at a signal.
SuccessExitStatus=143
FILE
  # Also where an earlier run was killed in between.
  if systemctl show --property=NeedDaemonReload,LoadState azure-mysql-ha-{server,probe}.service | grep --quiet 'Reload=yes\|State=not-found'; then
    systemctl daemon-reload
  fi
  # Pacemaker starts the server; a second one by systemd, or by hand, could only do harm.
  if [[ $(systemctl is-enabled mysql.service 2>/dev/null) != masked ]]; then
    systemctl --quiet mask mysql.service
    say "mysql.service: masked, left to Pacemaker"
  fi

  # Of backups that the stack had.
  local unit
  for unit in azure-mysql-ha-ship azure-mysql-ha-base azure-mysql-ha-verify-backup; do
    if [[ -e /etc/systemd/system/$unit.timer ]]; then
      systemctl --quiet disable --now "$unit.timer"
      systemctl stop "$unit.service"
      rm /etc/systemd/system/"$unit".{timer,service}
      say "$unit: removed"
    fi
  done
  # Changes that are in no log come next: with what comes after them, another history begins. Where the data are not
  # mounted, fit-machine removes it when the server starts.
  rm --force /var/lib/mysql/data/azure-mysql-ha-history
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
