#!/usr/bin/env bash
# Names and SSH keys of the peers
<<< included/mysql-lab-witness-host-script.sh >>>

cloud_init_is_done() { [[ -e /var/lib/cloud/instance/boot-finished ]]; }
main() {
  local home
  home=$(getent passwd azureuser | cut --delimiter=: --fields=6)
  wait_for 600 "end of cloud-init" cloud_init_is_done

  # This script has come by the admin user's new key: the one before opens nothing any more.
  install_file "$home/.ssh/authorized_keys" 0600 azureuser:azureuser \
    < <(grep --invert-match --fixed-strings 'ssh-ed25519 PREVIOUS-KEY' "$home/.ssh/authorized_keys")

  # The machines know each other's addresses whether or not a name server answers.
  # What stands between two marks is ours; the rest of the file stays as it is.
  install_file /etc/hosts 0644 < <(
    sed '/^# azure-mysql-ha: begin$/,$d' /etc/hosts
    cat <<'PART'
# azure-mysql-ha: begin
10.32.0.4 mysql-lab-1
10.32.0.5 mysql-lab-2
10.32.0.6 mysql-lab-witness
# azure-mysql-ha: end
PART
    sed '1,/^# azure-mysql-ha: end$/d' /etc/hosts
  )

  # Some images have cloud-init write that file anew at each start.
  install_file /etc/cloud/cloud.cfg.d/99-azure-mysql-ha.cfg 0644 <<'FILE'
# Written by Pulumi.
manage_etc_hosts: false
FILE

  # What OpenSSH still offers to old clients, and ssh-audit calls broken or weak; * stands for any text (sshd_config(5)).
  install_file /etc/ssh/sshd_config.d/61-azure-mysql-ha.conf 0644 <<'FILE'
# Written by Pulumi.
KexAlgorithms -ecdh-sha2-nistp*,diffie-hellman-*
MACs -*sha1*,umac-64*,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512
FILE
  # Where something is wrong with its files it goes on as it is, and would not start again. Sessions stay.
  if [[ $changed == yes ]] && ! systemctl reload ssh.service; then
    rm /etc/ssh/sshd_config.d/61-azure-mysql-ha.conf
    stop "an sshd that refuses its configuration with 61-azure-mysql-ha.conf" "one that takes it" "See journalctl --unit ssh on mysql-lab-witness."
  fi

  # With the nodes' key pair one gets one thing here: a certificate signed.
  install_file /etc/ssh/authorized_keys.d/azureuser 0644 <<'FILE'
# Written by Pulumi.
restrict,command="sudo /usr/local/sbin/azure-mysql-ha-sign",from="10.32.0.4,10.32.0.5" ssh-ed25519 CLUSTER-KEY
FILE
  say "host: ready"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
