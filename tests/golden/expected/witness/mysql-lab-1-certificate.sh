#!/usr/bin/env bash
# Certificate by which the witness knows this node
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-host-ssh.sh >>>

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
    say "certificate: issued by the witness's authority"
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
      stop "a certificate authority on the witness that is not the one its script printed" "that one" "Run pulumi up --refresh."
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
run </dev/null
