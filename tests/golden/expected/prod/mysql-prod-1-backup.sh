#!/usr/bin/env bash
# Programs that copy the data and the binary log into the backup
<<< included/mysql-prod-1-host-script.sh >>>

main() {
  local unit rewritten=no
  install_file /usr/local/lib/azure-mysql-ha/backup/base.py 0644 <<'FILE'
<<< configs/backup/base.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/binary_log.py 0644 <<'FILE'
<<< configs/backup/binary_log.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/blobs.py 0644 <<'FILE'
<<< configs/backup/blobs.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/chain.py 0644 <<'FILE'
<<< configs/backup/chain.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/configuration.py 0644 <<'FILE'
<<< configs/backup/configuration.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/documents.py 0644 <<'FILE'
<<< configs/backup/documents.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/files.py 0644 <<'FILE'
<<< configs/backup/files.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/lock.py 0644 <<'FILE'
<<< configs/backup/lock.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/moments.py 0644 <<'FILE'
<<< configs/backup/moments.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/packed.py 0644 <<'FILE'
<<< configs/backup/packed.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/plan.py 0644 <<'FILE'
<<< configs/backup/plan.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/replay_options.py 0644 <<'FILE'
<<< configs/backup/replay_options.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/restore.py 0644 <<'FILE'
<<< configs/backup/restore.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/schema.py 0644 <<'FILE'
<<< configs/backup/schema.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/server.py 0644 <<'FILE'
<<< configs/backup/server.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/ship.py 0644 <<'FILE'
<<< configs/backup/ship.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/state.py 0644 <<'FILE'
<<< configs/backup/state.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/store.py 0644 <<'FILE'
<<< configs/backup/store.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/survey.py 0644 <<'FILE'
<<< configs/backup/survey.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup/verify.py 0644 <<'FILE'
<<< configs/backup/verify.py >>>
FILE
  install_file /usr/local/lib/azure-mysql-ha/backup.json 0644 <<'FILE'
{
  "account": "stmysqlprod8-DIGITS",
  "check": "/usr/bin/mysqlcheck --no-defaults --all-databases",
  "client": "/usr/bin/mysql",
  "cluster": "mysql-prod",
  "data_directory": "/var/lib/mysql/data",
  "dump": "/usr/bin/mysqldump --no-defaults --user=root --socket=/run/mysqld/mysqld.sock --all-databases --single-transaction --source-data=2 --set-gtid-purged=OFF --routines --events --triggers --hex-blob --flush-privileges --max-allowed-packet=1G",
  "initialize": [
    "printf \u0027%s\\n\u0027 \"INSTALL PLUGIN auth_socket SONAME \u0027auth_socket.so\u0027;\" \"ALTER USER root@localhost IDENTIFIED WITH auth_socket;\" \u003e\"$directory.sql\"",
    "/usr/sbin/mysqld --no-defaults --user=mysql --datadir=\"$directory\" --initialize-insecure --init-file=\"$directory.sql\"",
    "rm \"$directory.sql\""
  ],
  "kind": "sql",
  "log_reader": "/usr/bin/mysqlbinlog --no-defaults --skip-gtids",
  "main_config_file": "/etc/mysql/my.cnf",
  "mount_point": "/var/lib/mysql",
  "pid_file": "/run/mysqld/mysqld.pid",
  "position": "(?:SOURCE|MASTER)_LOG_FILE=\u0027[^\u0027]*[.]([0-9]+)\u0027, (?:SOURCE|MASTER)_LOG_POS=([0-9]+)",
  "program": "/usr/sbin/mysqld",
  "restore_account": "",
  "restore_options": [
    "--skip-log-bin",
    "--gtid-mode=OFF",
    "--mysqlx=OFF"
  ],
  "restore_to": "latest",
  "server": "mysql",
  "socket": "/run/mysqld/mysqld.sock",
  "unpack": [],
  "user": "mysql"
}
FILE
  install_file /etc/systemd/system/azure-mysql-ha-ship.service 0644 <<'FILE'
# Written by Pulumi. Pacemaker knows nothing of it: whether it works or fails, the service stays where it is.
[Unit]
Description=Copy of the binary log into the backup
ConditionPathIsMountPoint=/var/lib/mysql
ConditionPathExists=/run/mysqld/mysqld.pid

[Service]
Type=oneshot
WorkingDirectory=/usr/local/lib/azure-mysql-ha
ExecStart=/usr/bin/python3 -m backup.ship
# It ends itself so where the server ends.
SuccessExitStatus=SIGKILL
Nice=10
IOSchedulingClass=idle
# Of all processes of a machine that has no memory left, the first to go.
OOMScoreAdjust=900
FILE
  [[ $changed == no ]] || rewritten=yes
  install_file /etc/systemd/system/azure-mysql-ha-ship.timer 0644 <<'FILE'
# Written by Pulumi.
[Unit]
Description=Copy of the binary log into the backup

[Timer]
OnCalendar=minutely
RandomizedDelaySec=0
AccuracySec=5s
Persistent=no

[Install]
WantedBy=timers.target
FILE
  [[ $changed == no ]] || rewritten=yes
  install_file /etc/systemd/system/azure-mysql-ha-base.service 0644 <<'FILE'
# Written by Pulumi. Pacemaker knows nothing of it: whether it works or fails, the service stays where it is.
[Unit]
Description=Copy of all data into the backup
ConditionPathIsMountPoint=/var/lib/mysql
ConditionPathExists=/run/mysqld/mysqld.pid

[Service]
Type=oneshot
WorkingDirectory=/usr/local/lib/azure-mysql-ha
ExecStart=/usr/bin/python3 -m backup.base
# It ends itself so where the server ends.
SuccessExitStatus=SIGKILL
# Every table is a file that may be open.
LimitNOFILE=524288
Nice=19
IOSchedulingClass=idle
# Of all processes of a machine that has no memory left, the first to go.
OOMScoreAdjust=900
FILE
  [[ $changed == no ]] || rewritten=yes
  install_file /etc/systemd/system/azure-mysql-ha-base.timer 0644 <<'FILE'
# Written by Pulumi.
[Unit]
Description=Copy of all data into the backup

[Timer]
OnCalendar=02:00
RandomizedDelaySec=2h
AccuracySec=5s
Persistent=no

[Install]
WantedBy=timers.target
FILE
  [[ $changed == no ]] || rewritten=yes
  install_file /etc/systemd/system/azure-mysql-ha-verify-backup.service 0644 <<'FILE'
# Written by Pulumi. Pacemaker knows nothing of it: whether it works or fails, the service stays where it is.
[Unit]
Description=Proof of the backup, by a restore
ConditionPathIsMountPoint=!/var/lib/mysql

[Service]
Type=oneshot
WorkingDirectory=/usr/local/lib/azure-mysql-ha
ExecStart=/usr/bin/python3 -m backup.verify
ExecStopPost=-/bin/rm --recursive --force /var/lib/mysql-files/azure-mysql-ha-proof
# It ends itself so where this node is to serve.
SuccessExitStatus=SIGKILL
# Every table is a file that may be open.
LimitNOFILE=524288
Nice=19
IOSchedulingClass=idle
# Of all processes of a machine that has no memory left, the first to go.
OOMScoreAdjust=900
FILE
  [[ $changed == no ]] || rewritten=yes
  install_file /etc/systemd/system/azure-mysql-ha-verify-backup.timer 0644 <<'FILE'
# Written by Pulumi.
[Unit]
Description=Proof of the backup, by a restore

[Timer]
OnCalendar=Sun 05:00
RandomizedDelaySec=12h
AccuracySec=5s
Persistent=yes

[Install]
WantedBy=timers.target
FILE
  [[ $changed == no ]] || rewritten=yes
  if [[ $rewritten == yes ]]; then systemctl daemon-reload; fi
  for unit in azure-mysql-ha-ship azure-mysql-ha-base azure-mysql-ha-verify-backup; do
    if [[ $(systemctl is-enabled "$unit.timer" 2>/dev/null) != enabled ]] || ! systemctl --quiet is-active "$unit.timer"; then
      systemctl --quiet enable --now "$unit.timer"
      say "$unit.timer: started"
    fi
  done
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
