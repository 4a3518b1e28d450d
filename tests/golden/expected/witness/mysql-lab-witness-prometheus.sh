#!/usr/bin/env bash
# Prometheus, which asks the nodes
<<< included/mysql-lab-witness-host-script.sh >>>

place=/etc/azure-mysql-ha/monitoring mark=/run/azure-mysql-ha/monitoring

# put UNIT PATH MODE [OWNER:GROUP] <CONTENT: a file for which, if it is written, the unit is to be restarted, or all for
# "all". The mark outlives a kill between here and there.
put() {
  local unit=$1
  shift
  install_file "$@"
  [[ $changed == no ]] || : >"$mark.$unit.changed"
}

# The salt stays, so that the same password is the same file. (bcrypt's alphabet; 2^10 rounds take 0.1 s.)
# shellcheck disable=SC2016 # $ is bcrypt's or Perl's
hash_of_the_password() {
  local salt
  salt=$(sed --quiet 's/.*\(\$2b\$10\$.\{22\}\).*/\1/p' $place/web.yaml 2>/dev/null) || true
  [[ $salt ]] || salt='$2b$10$'$(head --bytes=16 /dev/urandom | base64 | tr + . | head --bytes=21).
  perl -e 'chomp(my $password = <STDIN>); print crypt($password, $ARGV[0])' "$salt" <<<"$HA_MONITOR_PASSWORD"
}

listens() { ss --listening --no-header --tcp "src = 10.32.0.6:$1" | grep --quiet .; }

# Who asks comes by TLS, and with the password.
secure_web() {
  local hash
  mkdir -p /run/azure-mysql-ha
  hash=$(hash_of_the_password)
  [[ $hash == \$2b\$10\$* && ${#hash} == 60 ]] || stop "a crypt(3) without bcrypt" "one with it, such as libxcrypt's" "See which crypt(3) perl uses on mysql-lab-witness."

  # Its key is made here, and leaves this machine never.
  install_file $place/names 0644 <<'FILE'
IP:10.32.0.6,DNS:mysql-lab-witness
FILE
  if [[ $changed == yes ]]; then rm -f $place/certificate.pem; fi
  if [[ ! -s $place/certificate.pem ]]; then
    (
      umask 077
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=mysql-lab-witness" \
        -addext "subjectAltName=$(<$place/names)" -keyout $place/key.pem -out $place/certificate.pem.new 2>/dev/null
    )
    chgrp prometheus $place/key.pem
    chmod 0640 $place/key.pem
    chmod 0644 $place/certificate.pem.new
    sync $place/key.pem $place/certificate.pem.new
    mv $place/certificate.pem.new $place/certificate.pem
    : >$mark.all.changed
    say "monitoring: made a certificate"
  fi
  put all $place/web.yaml 0640 root:prometheus <<FILE
# Written by Pulumi.
tls_server_config:
  cert_file: $place/certificate.pem
  key_file: $place/key.pem
basic_auth_users:
  prometheus: $hash
FILE
}

# start_units UNIT...: each that has changed, or does not run.
start_units() {
  local unit
  for unit in "$@"; do
    if [[ -e $mark.all.changed ]]; then : >"$mark.$unit.changed"; fi
    # Also where an earlier run was killed in between.
    if systemctl show --property=NeedDaemonReload,LoadState "$unit" | grep --quiet 'Reload=yes\|State=not-found'; then
      systemctl daemon-reload
    fi
    if [[ $(systemctl is-enabled "$unit" 2>/dev/null) != enabled ]]; then systemctl --quiet enable "$unit"; fi
    if [[ -e $mark.$unit.changed ]] || ! systemctl --quiet is-active "$unit"; then
      systemctl restart "$unit"
      say "$unit: started"
    fi
  done
}

# They run with what is written, and a later run need not start them again.
forget_changes() {
  local unit
  for unit in all "$@"; do
    if [[ -e $mark.$unit.changed ]]; then rm "$mark.$unit.changed"; fi
  done
}
main() {
  local wrong unit=prometheus.service
  secure_web
  # What the nodes have made: it asks nobody else.
  put $unit $place/nodes.pem 0644 <<<"$HA_EXPORTER_CERTIFICATES"
  put $unit $place/password 0640 root:prometheus < <(printf %s "$HA_MONITOR_PASSWORD")
  put $unit $place/alerts.yaml 0644 <<'FILE'
# Written from operations/status/rules.py. docs/operations/monitoring.md says how it is used.
groups:
- name: azure-mysql-ha
  rules:
  - alert: MysqlBothServe
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="both_serve"}) > 0
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: both nodes serve'
      description: make status says it in full.
      runbook: docs/operations/split-brain.md
  - alert: MysqlNoQuorum
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="no_quorum"}) > 0
    for: 1m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: there is no quorum, or no coordinator'
      description: make status says it in full.
      runbook: docs/operations/reading-crm-mon.md
  - alert: MysqlFencingFails
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="fencing_fails"}) > 0
    for: 1m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: the fencing of a node is pending or has failed'
      description: make status says it in full.
      runbook: docs/operations/fencing.md
  - alert: MysqlCannotFence
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="cannot_fence"}) > 0
    for: 1m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: the fence device has failed, or is not started'
      description: make status says it in full.
      runbook: docs/operations/fencing.md
  - alert: MysqlWatchdogIsOff
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="watchdog_is_off"}) > 0
    for: 1m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: a node''s watchdog is not armed'
      description: make status says it in full.
      runbook: docs/operations/fencing.md
  - alert: MysqlWritesStandStill
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="writes_stand_still"}) > 0
    for: 1m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: writes are blocked until a node has been fenced'
      description: make status says it in full.
      runbook: docs/operations/fencing.md
  - alert: MysqlParted
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="parted"}) > 0
    for: 30s
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: DRBD is StandAlone'
      description: make status says it in full.
      runbook: docs/operations/split-brain.md
  - alert: MysqlOldData
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="old_data"}) > 0
    for: 1m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: nobody serves, since it is not known whose data is newest'
      description: make status says it in full.
      runbook: docs/operations/both-off.md
  - alert: MysqlDiskFails
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="disk_fails"}) > 0
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: a data disk has failed'
      description: make status says it in full.
      runbook: docs/operations/failed-disk.md
  - alert: MysqlBlocksDiffer
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="blocks_differ"}) > 0
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: blocks of the two data disks differ'
      description: make status says it in full.
      runbook: docs/operations/blocks-differ.md
  - alert: MysqlGone
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="gone"}) > 0
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: a node is not in the cluster, or cannot be reached by SSH'
      description: make status says it in full.
      runbook: docs/operations/lost-node.md
  - alert: MysqlStaysOff
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="stays_off"}) > 0
    labels:
      severity: info
    annotations:
      summary: '{{ $labels.cluster }}: a node is to stay off'
      description: make status says it in full.
      runbook: docs/operations/planned-maintenance.md
  - alert: MysqlInItsTurn
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="in_its_turn"}) > 0
    for: 60m
    labels:
      severity: info
    annotations:
      summary: '{{ $labels.cluster }}: a node has left for its machine''s turn'
      description: make status says it in full.
      runbook: docs/operations/machines-in-turn.md
  - alert: MysqlJoining
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="joining"}) > 0
    for: 10m
    labels:
      severity: info
    annotations:
      summary: '{{ $labels.cluster }}: a node is just joining'
      description: make status says it in full.
      runbook: docs/operations/reading-crm-mon.md
  - alert: MysqlTunnelFails
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="tunnel_fails"}) > 0
    for: 5m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: the tunnel for DRBD''s traffic is down, or silent'
      description: make status says it in full.
      runbook: docs/operations/one-copy.md
  - alert: MysqlOneCopy
    expr: 'max by (cluster) (azure_mysql_ha_alarm{alarm="one_copy"}) > 0

      unless max by (cluster) (azure_mysql_ha_alarm{alarm="parted"}) > 0'
    for: 10m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: only one copy of the data is kept, or the other is being made'
      description: make status says it in full.
      runbook: docs/operations/one-copy.md
  - alert: MysqlBarred
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="barred"}) > 0
    for: 5m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: a node with a whole copy is barred from promotion'
      description: make status says it in full.
      runbook: docs/operations/one-copy.md
  - alert: MysqlCannotAsk
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="cannot_ask"}) > 0
    for: 1m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: the server could not be asked how it is'
      description: make status says it in full.
      runbook: docs/operations/cannot-ask.md
  - alert: MysqlResourceFails
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="resource_fails"}) > 0
    for: 2m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: a resource has failed, is blocked, or runs nowhere'
      description: make status says it in full.
      runbook: docs/operations/failed-resource.md
  - alert: MysqlDataFull
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="data_full"}) > 0
    for: 1m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: the database''s file system is full, or read-only'
      description: make status says it in full.
      runbook: docs/operations/full-disk.md
  - alert: MysqlSystemFull
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="system_full"}) > 0
    for: 5m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: another file system of a node is full, or read-only'
      description: make status says it in full.
      runbook: docs/operations/full-system-disk.md
  - alert: MysqlNotSaved
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="not_saved"}) > 0
    for: 5m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: a node does not save the cluster''s configuration'
      description: make status says it in full.
      runbook: docs/operations/full-system-disk.md
  - alert: MysqlLogIsLost
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="log_is_lost"}) > 0
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: binary logs were removed before the backup had them'
      description: make status says it in full.
      runbook: docs/operations/backup.md
  - alert: MysqlLogIsLate
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="log_is_late"}) > 0
    for: 1m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: the backup is missing the last minutes'
      description: make status says it in full.
      runbook: docs/operations/backup.md
  - alert: MysqlBaseIsLate
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="base_is_late"}) > 0
    for: 1m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: the backup has no base from last night'
      description: make status says it in full.
      runbook: docs/operations/backup.md
  - alert: MysqlCertificateEnds
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="certificate_ends"}) > 0
    for: 60m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: the server''s certificate expires soon, or has expired'
      description: make status says it in full.
      runbook: docs/operations/tls.md
  - alert: MysqlNextKernel
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="next_kernel"}) > 0
    for: 5m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: a node has a newer kernel without DRBD'
      description: make status says it in full.
      runbook: docs/operations/updates.md
  - alert: MysqlByHand
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="by_hand"}) > 0
    for: 60m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: maintenance, standby, unmanaged, switched off, banned, moved'
      description: make status says it in full.
      runbook: docs/operations/planned-maintenance.md
  - alert: MysqlAnnounced
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="announced"}) > 0
    labels:
      severity: info
    annotations:
      summary: '{{ $labels.cluster }}: Azure has announced an event for a node''s host'
      description: make status says it in full.
      runbook: docs/operations/host-reboot.md
  - alert: MysqlHostName
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="host_name"}) > 0
    for: 5m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: a node''s host name is not the cluster''s name for it'
      description: make status says it in full.
      runbook: docs/operations/host-name.md
  - alert: MysqlWitness
    expr: max by (cluster) (azure_mysql_ha_alarm{alarm="witness"}) > 0
    for: 2m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: the witness cannot be reached, or a vote is missing'
      description: make status says it in full.
      runbook: docs/operations/lost-witness.md
  - alert: MysqlNobodyServes
    expr: sum by (cluster) (azure_mysql_ha_serves * on (cluster, instance) (node_time_seconds - on (cluster, instance)
      azure_mysql_ha_asked_timestamp_seconds < bool 180)) == 0
    for: 1m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: nobody serves'
      description: make status says it in full.
      runbook: docs/operations/nobody-serves.md
  - alert: MysqlBothServeApart
    expr: sum by (cluster) (azure_mysql_ha_serves * on (cluster, instance) (node_time_seconds - on (cluster, instance)
      azure_mysql_ha_asked_timestamp_seconds < bool 180)) > 1
    for: 1m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: each of the two nodes says that it serves'
      description: make status says it in full.
      runbook: docs/operations/split-brain.md
  - alert: MysqlNobodyAnswers
    expr: sum by (cluster) (up{exporter="node"}) == 0
    for: 15s
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: no node''s exporter answers'
      description: make status says it in full.
      runbook: docs/operations/nobody-serves.md
  - alert: MysqlNodeNotAsked
    expr: 'max by (cluster, instance) (up{exporter=~"node|mysqld|cluster"}) == 0

      unless on (cluster, instance) label_replace(azure_mysql_ha_away_on_purpose, "instance", "$1", "node", "(.*)")
      == 1'
    for: 2m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: no exporter of {{ $labels.instance }} answers'
      description: make status says it in full.
      runbook: docs/operations/lost-node.md
  - alert: MysqlFenced
    expr: time() - max by (cluster, node) (azure_mysql_ha_fenced_timestamp_seconds) < 900
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: {{ $labels.node }} was fenced within the last 15 minutes'
      description: make status says it in full.
      runbook: docs/operations/lost-node.md
  - alert: MysqlHasFailed
    expr: 'max by (cluster) (azure_mysql_ha_failures) > 0

      unless max by (cluster) (azure_mysql_ha_alarm{alarm="resource_fails"}) > 0'
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: a resource has failed, and Pacemaker has recovered it'
      description: make status says it in full.
      runbook: docs/operations/failed-resource.md
  - alert: MysqlHasStarted
    expr: mysql_global_status_uptime < 900
    labels:
      severity: info
    annotations:
      summary: '{{ $labels.cluster }}: the server on {{ $labels.instance }} has started within the last 15 minutes'
      description: make status says it in full.
      runbook: docs/operations/reading-crm-mon.md
  - alert: MysqlExporterDown
    expr: 'up{exporter=~"node|mysqld|cluster"} == 0

      and on (cluster, instance) max by (cluster, instance) (up{exporter=~"node|mysqld|cluster"}) == 1'
    for: 2m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: an exporter of {{ $labels.instance }} does not answer: {{ $labels.exporter
        }}'
      description: make status says it in full.
      runbook: docs/operations/monitoring.md
  - alert: MysqlNotLookedAt
    expr: 'node_time_seconds - on (cluster, instance) azure_mysql_ha_asked_timestamp_seconds > 180

      or max by (cluster, instance) (up{exporter="node"}) == 1 unless on (cluster, instance) azure_mysql_ha_asked_timestamp_seconds'
    for: 1m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: {{ $labels.instance }} has not checked itself for three minutes'
      description: make status says it in full.
      runbook: docs/operations/monitoring.md
  - alert: MysqlExporterCannotAsk
    expr: azure_mysql_ha_serves == 1 and on (cluster, instance) mysql_up == 0
    for: 2m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: the exporter on {{ $labels.instance }} cannot query the server'
      description: make status says it in full.
      runbook: docs/operations/cannot-ask.md
  - alert: MysqlBackupProofFailed
    expr: 'azure_mysql_ha_backup_proof_ok == 0

      and on (cluster, instance) (azure_mysql_ha_backup_proof_timestamp_seconds == on (cluster) group_left () max
      by (cluster) (azure_mysql_ha_backup_proof_timestamp_seconds))'
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.cluster }}: the backup''s last proof by a restore has failed'
      description: make status says it in full.
      runbook: docs/operations/backup.md
  - alert: MysqlBackupProofIsLate
    expr: time() - max by (cluster) (azure_mysql_ha_backup_proof_timestamp_seconds or azure_mysql_ha_backup_since_timestamp_seconds)
      > 691200
    for: 1m
    labels:
      severity: warning
    annotations:
      summary: '{{ $labels.cluster }}: no base of the backup has been proved for 8 days'
      description: make status says it in full.
      runbook: docs/operations/backup.md
FILE
  put $unit $place/prometheus.yml 0644 <<'FILE'
{
 "global": {
  "scrape_interval": "15s",
  "evaluation_interval": "15s"
 },
 "rule_files": [
  "/etc/azure-mysql-ha/monitoring/alerts.yaml"
 ],
 "scrape_configs": [
  {
   "job_name": "mysql-lab-node",
   "scheme": "https",
   "tls_config": {
    "ca_file": "/etc/azure-mysql-ha/monitoring/nodes.pem"
   },
   "basic_auth": {
    "username": "prometheus",
    "password_file": "/etc/azure-mysql-ha/monitoring/password"
   },
   "static_configs": [
    {
     "targets": [
      "10.32.0.4:9100"
     ],
     "labels": {
      "cluster": "mysql-lab",
      "instance": "mysql-lab-1",
      "exporter": "node"
     }
    },
    {
     "targets": [
      "10.32.0.5:9100"
     ],
     "labels": {
      "cluster": "mysql-lab",
      "instance": "mysql-lab-2",
      "exporter": "node"
     }
    }
   ]
  },
  {
   "job_name": "mysql-lab-mysqld",
   "scheme": "https",
   "tls_config": {
    "ca_file": "/etc/azure-mysql-ha/monitoring/nodes.pem"
   },
   "basic_auth": {
    "username": "prometheus",
    "password_file": "/etc/azure-mysql-ha/monitoring/password"
   },
   "static_configs": [
    {
     "targets": [
      "10.32.0.4:9104"
     ],
     "labels": {
      "cluster": "mysql-lab",
      "instance": "mysql-lab-1",
      "exporter": "mysqld"
     }
    },
    {
     "targets": [
      "10.32.0.5:9104"
     ],
     "labels": {
      "cluster": "mysql-lab",
      "instance": "mysql-lab-2",
      "exporter": "mysqld"
     }
    }
   ]
  },
  {
   "job_name": "mysql-lab-cluster",
   "scheme": "https",
   "scrape_interval": "1m",
   "scrape_timeout": "30s",
   "tls_config": {
    "ca_file": "/etc/azure-mysql-ha/monitoring/nodes.pem"
   },
   "basic_auth": {
    "username": "prometheus",
    "password_file": "/etc/azure-mysql-ha/monitoring/password"
   },
   "static_configs": [
    {
     "targets": [
      "10.32.0.4:9664"
     ],
     "labels": {
      "cluster": "mysql-lab",
      "instance": "mysql-lab-1",
      "exporter": "cluster"
     }
    },
    {
     "targets": [
      "10.32.0.5:9664"
     ],
     "labels": {
      "cluster": "mysql-lab",
      "instance": "mysql-lab-2",
      "exporter": "cluster"
     }
    }
   ]
  }
 ]
}
FILE
  wrong=$(promtool check config --lint=none $place/prometheus.yml 2>&1) || stop "a configuration that Prometheus refuses ($(tail -n 1 <<<"$wrong"))" "one that it takes" "See promtool check config $place/prometheus.yml on mysql-lab-witness."
  put $unit /etc/systemd/system/$unit.d/azure-mysql-ha.conf 0644 <<'FILE'
# Written by Pulumi.
[Unit]
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart=/usr/bin/prometheus --config.file=/etc/azure-mysql-ha/monitoring/prometheus.yml --storage.tsdb.path=/var/lib/prometheus/metrics2 --storage.tsdb.retention.size=2GB --web.listen-address=10.32.0.6:9090 --web.config.file=/etc/azure-mysql-ha/monitoring/web.yaml
Restart=always
RestartSec=10
Nice=10
# Of all processes of a machine that has no memory left, among the first to go.
OOMScoreAdjust=900
FILE
  start_units $unit
  wait_for 60 "Prometheus at port 9090" listens 9090
  forget_changes $unit
  say "monitoring: Prometheus of mysql-lab-witness answers, with this certificate"
  cat $place/certificate.pem
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
