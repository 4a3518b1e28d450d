#!/usr/bin/env bash
# Exporters, which tell Prometheus how this node is
<<< included/mysql-lab-1-host-script.sh >>>

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

listens() { ss --listening --no-header --tcp "src = 10.32.0.4:$1" | grep --quiet .; }

# Who asks comes by TLS, and with the password.
secure_web() {
  local hash
  mkdir -p /run/azure-mysql-ha
  hash=$(hash_of_the_password)
  [[ $hash == \$2b\$10\$* && ${#hash} == 60 ]] || stop "a crypt(3) without bcrypt" "one with it, such as libxcrypt's" "See which crypt(3) perl uses on mysql-lab-1."

  # Its key is made here, and leaves this machine never.
  install_file $place/names 0644 <<'FILE'
IP:10.32.0.4,DNS:mysql-lab-1
FILE
  if [[ $changed == yes ]]; then rm -f $place/certificate.pem; fi
  if [[ ! -s $place/certificate.pem ]]; then
    (
      umask 077
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=mysql-lab-1" \
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
  if [[ -e $mark.all.changed ]]; then for unit in "$@"; do : >"$mark.$unit.changed"; done; fi
  # Also where an earlier run was killed in between. (That a drop-in's folder is new, systemd 252 itself does not see.)
  if compgen -G "$mark.*.changed" >/dev/null ||
    systemctl show --property=NeedDaemonReload,LoadState "$@" | grep --quiet 'Reload=yes\|State=not-found'; then
    systemctl daemon-reload
  fi
  for unit in "$@"; do
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
  local units=(prometheus-node-exporter.service prometheus-mysqld-exporter.service ha_cluster_exporter.service azure-mysql-ha-metrics.service)
  secure_web
  # Who comes by the socket is known by the account of the machine: the password, which an older exporter wants, is none.
  put prometheus-mysqld-exporter.service $place/client.cnf 0644 <<'FILE'
[client]
user = prometheus
password = nobody-asks-for-it
socket = /run/mysqld/mysqld.sock
FILE

  put prometheus-node-exporter.service /etc/systemd/system/prometheus-node-exporter.service.d/azure-mysql-ha.conf 0644 <<'FILE'
# Written by Pulumi.
[Unit]
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart=/usr/bin/prometheus-node-exporter --collector.drbd --web.listen-address=10.32.0.4:9100 --web.config.file=/etc/azure-mysql-ha/monitoring/web.yaml
Restart=always
RestartSec=10
Nice=10
# Of all processes of a machine that has no memory left, among the first to go.
OOMScoreAdjust=900
FILE
  put prometheus-mysqld-exporter.service /etc/systemd/system/prometheus-mysqld-exporter.service.d/azure-mysql-ha.conf 0644 <<'FILE'
# Written by Pulumi.
[Unit]
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart=/usr/bin/prometheus-mysqld-exporter --config.my-cnf=/etc/azure-mysql-ha/monitoring/client.cnf --no-collect.slave_status --no-collect.info_schema.innodb_cmp --no-collect.info_schema.innodb_cmpmem --no-collect.info_schema.query_response_time --web.listen-address=10.32.0.4:9104 --web.config.file=/etc/azure-mysql-ha/monitoring/web.yaml
Restart=always
RestartSec=10
Nice=10
# Of all processes of a machine that has no memory left, among the first to go.
OOMScoreAdjust=900
FILE
  put ha_cluster_exporter.service /etc/systemd/system/ha_cluster_exporter.service.d/azure-mysql-ha.conf 0644 <<'FILE'
# Written by Pulumi.
[Unit]
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart=/usr/bin/ha_cluster_exporter --drbdsetup-path=/nonexistent --log.level=error --web.listen-address=10.32.0.4:9664 --web.config.file=/etc/azure-mysql-ha/monitoring/web.yaml
Restart=always
RestartSec=10
Nice=10
# Of all processes of a machine that has no memory left, among the first to go.
OOMScoreAdjust=900
FILE

  # What `make status` finds, found here.
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/components/certificates.py 0644 <<'FILE'
<<< components/certificates.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/components/places.py 0644 <<'FILE'
<<< components/places.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/configs/backup/documents.py 0644 <<'FILE'
<<< configs/backup/documents.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/configs/backup/moments.py 0644 <<'FILE'
<<< configs/backup/moments.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/configs/pacemaker/look.py 0644 <<'FILE'
<<< configs/pacemaker/look.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/backup/late.py 0644 <<'FILE'
<<< operations/backup/late.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/backup/state.py 0644 <<'FILE'
<<< operations/backup/state.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/collector.py 0644 <<'FILE'
<<< operations/status/collector.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/drbd.py 0644 <<'FILE'
<<< operations/status/drbd.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/facts.py 0644 <<'FILE'
<<< operations/status/facts.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/metrics.py 0644 <<'FILE'
<<< operations/status/metrics.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/quorum.py 0644 <<'FILE'
<<< operations/status/quorum.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/alarms/__init__.py 0644 <<'FILE'
<<< operations/status/alarms/__init__.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/alarms/backups.py 0644 <<'FILE'
<<< operations/status/alarms/backups.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/alarms/copies.py 0644 <<'FILE'
<<< operations/status/alarms/copies.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/alarms/fencing.py 0644 <<'FILE'
<<< operations/status/alarms/fencing.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/alarms/file_systems.py 0644 <<'FILE'
<<< operations/status/alarms/file_systems.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/alarms/nodes.py 0644 <<'FILE'
<<< operations/status/alarms/nodes.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/alarms/pacemaker.py 0644 <<'FILE'
<<< operations/status/alarms/pacemaker.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/alarms/resources.py 0644 <<'FILE'
<<< operations/status/alarms/resources.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/status/alarms/service.py 0644 <<'FILE'
<<< operations/status/alarms/service.py >>>
FILE
  put azure-mysql-ha-metrics.service /usr/local/lib/azure-mysql-ha/monitoring/operations/words.py 0644 <<'FILE'
<<< operations/words.py >>>
FILE
  put azure-mysql-ha-metrics.service /etc/systemd/system/azure-mysql-ha-metrics.service 0644 <<'FILE'
# Written by Pulumi. It asks and tells, and changes nothing.
[Unit]
Description=What is wrong with the cluster, for Prometheus
StartLimitIntervalSec=0

[Service]
WorkingDirectory=/usr/local/lib/azure-mysql-ha/monitoring
ExecStart=/usr/bin/python3 -m operations.status.collector mysql-lab-1 mysql-lab-2 /var/lib/prometheus/node-exporter/azure-mysql-ha.prom --witness mysql-lab-witness
Restart=always
RestartSec=30
Nice=10
OOMScoreAdjust=900

[Install]
WantedBy=multi-user.target
FILE

  start_units "${units[@]}"
  wait_for 60 "exporter at port 9100" listens 9100
  wait_for 60 "exporter at port 9104" listens 9104
  wait_for 60 "exporter at port 9664" listens 9664
  forget_changes "${units[@]}"
  say "monitoring: the exporters of mysql-lab-1 answer, with this certificate"
  cat $place/certificate.pem
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
