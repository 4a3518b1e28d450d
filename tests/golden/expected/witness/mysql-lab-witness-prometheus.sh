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
  local wrong unit=prometheus.service keeper=azure-mysql-ha-token.service
  secure_web
  # What the nodes have made: it asks nobody else.
  put $unit $place/nodes.pem 0644 <<<"$HA_EXPORTER_CERTIFICATES"
  put $unit $place/password 0640 root:prometheus < <(printf %s "$HA_MONITOR_PASSWORD")
  put $unit $place/alerts.yaml 0644 <<'FILE'
<<< docs/monitoring/alerts.yaml >>>
FILE
  put $keeper /usr/local/lib/azure-mysql-ha/monitoring/access_token.py 0644 <<'FILE'
<<< configs/monitoring/access_token.py >>>
FILE
  put $keeper /etc/systemd/system/$keeper 0644 <<'FILE'
# Written by Pulumi.
[Unit]
Description=Token of this machine's own identity, for Prometheus
StartLimitIntervalSec=0

[Service]
User=prometheus
ExecStart=/usr/bin/python3 /usr/local/lib/azure-mysql-ha/monitoring/access_token.py https://monitor.azure.com/ /run/azure-mysql-ha-token/token
# With the service the token goes.
RuntimeDirectory=azure-mysql-ha-token
RuntimeDirectoryMode=0700
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true
Restart=always
RestartSec=10
Nice=10
OOMScoreAdjust=900

[Install]
WantedBy=multi-user.target
FILE
  start_units $keeper
  wait_for 120 "a token of this machine's own identity, at /run/azure-mysql-ha-token/token" test -s /run/azure-mysql-ha-token/token
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
  },
  {
   "job_name": "mysql-lab-prometheus",
   "scheme": "https",
   "tls_config": {
    "ca_file": "/etc/azure-mysql-ha/monitoring/certificate.pem"
   },
   "basic_auth": {
    "username": "prometheus",
    "password_file": "/etc/azure-mysql-ha/monitoring/password"
   },
   "static_configs": [
    {
     "targets": [
      "10.32.0.6:9090"
     ],
     "labels": {
      "cluster": "mysql-lab",
      "instance": "mysql-lab-witness",
      "exporter": "prometheus"
     }
    }
   ]
  }
 ],
 "remote_write": [
  {
   "name": "workspace",
   "url": "https://metrics-a1b2.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0123456789abcdef0123456789abcdef/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24",
   "follow_redirects": false,
   "authorization": {
    "credentials_file": "/run/azure-mysql-ha-token/token"
   }
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
  forget_changes $unit $keeper
  say "monitoring: Prometheus of mysql-lab-witness answers, with this certificate"
  cat $place/certificate.pem
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
