#!/usr/bin/env bash
# Database and account of the application
# Node mysql-lab-2 of cluster mysql-lab. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-lab-2: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
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
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-lab-2, then run pulumi up again."
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-lab-2."

serving_node() { crm_resource --resource mysql-server --locate 2>/dev/null | sed --quiet 's/.*is running on: *\([^ ]*\).*/\1/p'; }

somebody_serves() { serving=$(serving_node) && [[ $serving ]]; }

diagnose() { crm_mon --one-shot --inactive; }

# The local root account needs no password: the server knows who is at the other end of the socket.
sql() { /usr/bin/mariadb --no-defaults --socket=/run/mysqld/mysqld.sock --user=root --batch --skip-column-names; }

server_answers() { sql <<<"select 1" >/dev/null 2>&1; }

password_works() {
  /usr/bin/mariadb --defaults-extra-file=<(printf '[client]\nuser=%s\npassword="%s"\n' app "$HA_DATABASE_PASSWORD") \
    --socket=/run/mysqld/mysqld.sock --execute='select 1' app >/dev/null 2>&1
}
main() {
  local serving grants
  wait_for 600 "serving node" somebody_serves
  if [[ $serving != mysql-lab-2 ]]; then
    say "accounts: $serving serves and has made them"
    return
  fi
  # Pacemaker names the node already while the server starts there.
  wait_for 600 "answer of the server" server_answers

  grants=$(sql <<<"select count(*) from mysql.user where user = 'root' and host not in ('localhost', '127.0.0.1', '::1')")
  ((grants == 0)) || stop "$grants account(s) root that may log in from outside" "none" "Drop them: DROP USER root@...;"

  if password_works; then
    say "accounts: app can use app"
    return
  fi
  sql <<SQL
CREATE DATABASE IF NOT EXISTS \`app\`;
CREATE USER IF NOT EXISTS 'app'@'%' IDENTIFIED BY '$HA_DATABASE_PASSWORD';
ALTER USER 'app'@'%' IDENTIFIED BY '$HA_DATABASE_PASSWORD';
GRANT ALL PRIVILEGES ON \`app\`.* TO 'app'@'%';
SQL
  password_works || stop "app refused after its password was set" "it accepted" "See /var/log/mysql/error.log."
  say "accounts: app made for app"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
