#!/usr/bin/env bash
# Corosync's configuration, read by all members
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-host-ssh.sh >>>

peer_is_member() {
  [[ $(corosync-cmapctl -g runtime.members.2.status 2>/dev/null) == *"= joined" ]]
}

peer_has_the_same() {
  over_ssh 60 10.32.0.5 "sudo cmp /etc/corosync/corosync.conf - && sudo test -s /etc/corosync/authkey-OF-THE-KEY" \
    </etc/corosync/corosync.conf >/dev/null 2>&1
}
main() {
  cmp --quiet /etc/corosync/corosync.conf - <<'FILE' || stop "a different /etc/corosync/corosync.conf" "the one that mysql-lab-1-corosync writes" "Run that script again: make drift shows how."
<<< included/mysql-lab-1-corosync-corosync.conf >>>
FILE
  if [[ -e /run/azure-mysql-ha/corosync.changed ]]; then
    # Members with different keys would not understand a word of each other: each would be lost to the other, and fenced. So
    # not before both have both files, and then one order for all.
    if peer_is_member; then
      peer_has_the_same || stop "a different corosync.conf on mysql-lab-2, or no SSH to it from here" "the same on both nodes" \
        "Run mysql-lab-2-corosync, then this again: pulumi up."
    fi
    corosync-cfgtool -R >/dev/null # every member reads its own file again; none restarts
    say "Corosync: configuration reloaded"
    rm /run/azure-mysql-ha/corosync.changed
  fi
  find /etc/corosync -maxdepth 1 -name 'authkey*' ! -name authkey-OF-THE-KEY -printf 'removed %p\n' -delete
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
