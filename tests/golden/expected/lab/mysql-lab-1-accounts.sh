#!/usr/bin/env bash
# Database and account of the application
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-mysql-functions.sh >>>

<<< included/mysql-lab-1-mysql-application.sh >>>

works() { application_works --socket=/run/mysqld/mysqld.sock; }

# What the server says of who has the right password, and may not enter all the same: that is for a person to change.
has_the_password() { [[ $refusal =~ ERROR\ (1203|1226|3118|4151)\  ]]; }

count() { sql <<<"select count(*) from $1"; }

has_grant() { (($(count "mysql.db where user = 'app' and host = '%' and db = $1") > 0)); }

# Why a new password is refused, where that may be what people want of the account. Nothing where it may not.
explanation() {
  local asks_for
  asks_for=$(sql <<<"select ssl_type from mysql.user where user = 'app' and host = '%'")
  if (($(count "mysql.user where user in ('', 'app') and host = 'localhost'") > 0)); then
    echo "on this node another account takes precedence, app@localhost or one without a name"
  elif [[ $asks_for == X509 || $asks_for == SPECIFIED ]]; then
    echo "it requires a client's certificate"
  fi
}
main() {
  local serving held grants refusal reason
  if is_held_back; then stop "no server that answers, and $held" "one that does" "End that, then run pulumi up again."; fi
  wait_for 600 "serving node" somebody_serves
  if [[ $serving != mysql-lab-1 ]]; then
    say "accounts: made on $serving, which serves"
    return
  fi
  # Pacemaker names the node already while the server starts there.
  wait_for 600 "answer of the server" server_answers

  grants=$(count "mysql.user where user = 'root' and host not in ('localhost', '127.0.0.1', '::1')")
  ((grants == 0)) || stop "$grants root account(s) that can log in from outside" "none" "Drop them: DROP USER root@...;"

  if (($(count "mysql.user where user = 'hacluster' and host = 'localhost'") == 0)); then
    sql <<<"CREATE USER hacluster@localhost IDENTIFIED WITH auth_socket"
    say "accounts: hacluster made for Pacemaker's monitor, without any rights"
  fi
  if (($(count "information_schema.schemata where schema_name = 'app'") == 0)); then
    sql <<<"CREATE DATABASE IF NOT EXISTS \`app\`"
    say "accounts: database app made"
  fi
  if (($(count "mysql.user where user = 'app' and host = '%'") == 0)); then
    sql <<<"CREATE USER 'app'@'%' IDENTIFIED BY '$HA_DATABASE_PASSWORD'"
    say "accounts: app made"
  fi

  # What a person has allowed the account besides, or taken from it, stays.
  local granted=app own_grant="'app'"
  if ! works && ! has_the_password && ! has_grant "$own_grant"; then
    sql <<<"GRANT ALL PRIVILEGES ON \`$granted\`.* TO 'app'@'%'"
    say "accounts: app has all rights in app"
  fi

  if ! works && ! has_the_password; then
    sql <<<"ALTER USER 'app'@'%' IDENTIFIED BY '$HA_DATABASE_PASSWORD'"
    say "accounts: password of app set"
    if ! works && ! has_the_password; then
      reason=$(explanation)
      [[ $reason ]] || stop "app refused after its password was set ($refusal)" "it to be accepted" "See /var/log/mysql/error.log."
      say "accounts: whether app can use app was not tested: $reason"
      return
    fi
  fi
  if [[ $refusal ]]; then
    say "accounts: app has its password, but is refused: $refusal"
  else
    say "accounts: app can use app"
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
