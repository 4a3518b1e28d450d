#!/usr/bin/env bash
# Database and account of the application, and further accounts
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-mysql-functions.sh >>>

<<< included/mysql-lab-1-mysql-login.sh >>>

logs_in_here() { logs_in "$@" --socket=/run/mysqld/mysqld.sock; }

# What the server says of who has the right password, and may not enter all the same: that is for a person to change.
has_the_password() { [[ $refusal =~ ERROR\ (1203|1226|3118|4151)\  ]]; }

count() { sql <<<"select count(*) from $1"; }

has_grant() { (($(count "mysql.db where user = 'app' and host = '%' and db = $1") > 0)); }

make_database() { # NAME
  (($(count "information_schema.schemata where schema_name = '$1'") == 0)) || return 0
  sql <<<"CREATE DATABASE IF NOT EXISTS \`$1\`"
  say "accounts: database $1 made"
}

# with_password STATEMENT PASSWORD: what of it the binary log keeps has the password's hash only.
with_password() {
  local statement=$1 password=$2
  cat <<SQL
$statement IDENTIFIED BY '$password'
SQL
}

has_account() { (($(count "mysql.user where user = '$1' and host = '%'") > 0)); }

make_account() { # NAME PASSWORD
  sql <<<"$(with_password "CREATE USER \`$1\`@\`%\`" "$2")"
  say "accounts: $1 made"
}

make_socket_account() { # NAME WHAT_FOR LIMIT
  (($(count "mysql.user where user = '$1' and host = 'localhost'") == 0)) || return 0
  sql <<<"CREATE USER $1@localhost IDENTIFIED WITH auth_socket ${3:-}"
  say "accounts: created $1, without rights, for $2"
}

revoke_all() { # NAME DATABASE_AS_GRANTED
  # Of the two, MySQL refuses the one that is not there.
  local what granted=${2//\`/\`\`}
  for what in "GRANT OPTION" "ALL PRIVILEGES"; do
    sql <<<"REVOKE $what ON \`$granted\`.* FROM '$1'@'%'" 2>/dev/null || true
  done
}

# explanation NAME: why a new password is refused, where that may be what people want of the account. Nothing where it may
# not.
explanation() {
  local asks_for
  asks_for=$(sql <<<"select ssl_type from mysql.user where user = '$1' and host = '%'")
  if (($(count "mysql.user where user in ('', '$1') and host = 'localhost'") > 0)); then
    echo "on this node another account takes precedence, $1@localhost or one without a name"
  elif [[ $asks_for == X509 || $asks_for == SPECIFIED ]]; then
    echo "it requires a client's certificate"
  fi
}

# bring_password NAME PASSWORD DATABASE
bring_password() {
  local reason
  if ! logs_in_here "$@" && ! has_the_password; then
    sql <<<"$(with_password "ALTER USER \`$1\`@\`%\`" "$2")"
    say "accounts: password of $1 set"
    if ! logs_in_here "$@" && ! has_the_password; then
      reason=$(explanation "$1")
      [[ $reason ]] || stop "$1 refused after its password was set ($refusal)" "it accepted" "See /var/log/mysql/error.log."
      say "accounts: whether $1 can use $3 was not tried: $reason"
      return
    fi
  fi
  if [[ $refusal ]]; then
    say "accounts: $1 has its password, and is refused: $refusal"
  else
    say "accounts: $1 can use $3"
  fi
}

# The accounts of databaseAccounts are known by a right on a database that there is not, which no other account has. It is
# kept with the accounts: it moves with them, and comes back with a backup.
readonly marking=azure-mysql-ha

is_marked() { (($(count "mysql.db where user = '$1' and host = '%' and db = '$marking'") > 0)); }
mark_account() { sql <<<"GRANT REFERENCES ON \`$marking\`.* TO '$1'@'%'"; }

# as_granted DATABASE: in a grant, _ stands for any character, unless MySQL's partial_revokes is on.
as_granted() { if [[ $(sql <<<"show global variables like 'partial_revokes'") == *ON ]]; then echo "$1"; else echo "${1//_/\\_}"; fi; }

# may_only PRIVILEGES GRANTED: in databases. A client's batch mode doubles backslashes.
may_only() {
  (($(count "$of_databases") == 1)) &&
    sql <<<"show grants for '$name'@'%'" | tr --delete '`"' | grep --quiet --line-regexp --fixed-strings "GRANT $1 ON ${2//\\/\\\\}.* TO $name@%"
}

# further_account NAME DATABASE RIGHTS PRIVILEGES
further_account() {
  local name=$1 in_database=$2 rights=$3 privileges=$4 password granted found each
  local of_databases="mysql.db where user = '$name' and host = '%' and db <> '$marking'"
  password=$(sed --quiet "s/^$name //p" <<<"$HA_ACCOUNT_PASSWORDS")
  make_database "$in_database"
  if ! has_account "$name"; then
    make_account "$name" "$password"
    mark_account "$name"
  elif ! is_marked "$name"; then
    # Who knows the stack's password is of the stack: an interrupted run has made it.
    logs_in_here "$name" "$password" "" || has_the_password || stop "an account $name that the stack has not made" "none" \
      "Name another in databaseAccounts; or have the stack take it over: GRANT REFERENCES ON \`$marking\`.* TO '$name'@'%';"
    mark_account "$name"
  fi
  granted=$(as_granted "$in_database")
  if ! may_only "$privileges" "$granted"; then
    sql <<<"GRANT $privileges ON \`$granted\`.* TO '$name'@'%'"
    if ! may_only "$privileges" "$granted"; then
      found=$(sql <<<"select db from $of_databases")
      while IFS= read -r each; do revoke_all "$name" "${each//\\\\/\\}"; done <<<"$found"
      sql <<<"GRANT $privileges ON \`$granted\`.* TO '$name'@'%'"
      may_only "$privileges" "$granted" || stop "rights of $name that cannot be revoked" "$rights in $in_database alone" "See SHOW GRANTS FOR $name."
    fi
    say "accounts: $name has the rights $rights in $in_database, and in no other database"
  fi
  bring_password "$name" "$password" "$in_database"
}

# Whoever is logged in as that account goes on until he is sent away.
remove_account() { # NAME
  local kind id objects=0
  for kind in views routines triggers events; do
    objects=$((objects + $(count "information_schema.$kind where definer = '$1@%'")))
  done
  ((objects == 0)) || stop "$objects views, routines, triggers or events that run as $1, which is to be dropped" "none" \
    "Give them another DEFINER, or drop them."
  sql <<<"DROP USER '$1'@'%'"
  say "accounts: $1 dropped; databases stay"
  (($(count "mysql.user where user = '$1'") == 0)) || return 0
  for id in $(sql <<<"show processlist" | awk -F '\t' -v user="$1" '$2 == user { print $1 }'); do
    sql <<<"KILL $id" 2>/dev/null || true
  done
}

# What nobody should have made: accounts that let in whoever comes, root but by the local socket, rights that all have.
open_to_everybody() {
  sql <<'SQL'
select concat(quote(user), '@', host, case when user = '' then ' (no name)' when user = 'root' and host <> 'localhost' then ' (not by the socket)' else ' (no password)' end)
from mysql.user where account_locked = 'N' and (user = '' or (user = 'root' and host <> 'localhost') or (authentication_string = '' and
plugin in ('', 'mysql_native_password', 'mysql_old_password', 'caching_sha2_password', 'sha256_password', 'ed25519', 'parsec')))
SQL
  sql <<<"select concat('rights of everybody in ', db) from mysql.db where user = ''"
}

# In one line.
listed() { paste --serial --delimiters=, | sed 's/,/, /g'; }

accounts_of_people() {
  sql <<'SQL' | listed
select concat(user, '@', host) from mysql.user where account_locked = 'N' and user <> '' and not (host = 'localhost' and user in ('root', 'hacluster', 'prometheus')) and not (host = '%' and user in ('app'))
order by 1
SQL
}

left_alone() { say "left alone: $*"; }
main() {
  local serving held refusal found name
  if is_held_back; then stop "no server that answers, and $held" "one that does" "End that, then run pulumi up again."; fi
  wait_for 600 "serving node" somebody_serves
  if [[ $serving != mysql-lab-1 ]]; then
    say "accounts: made on $serving, which serves"
    return
  fi
  # Pacemaker names the node already while the server starts there.
  wait_for 600 "answer of the server" server_answers

  found=$(open_to_everybody | listed)
  [[ ! $found ]] || stop "accounts or rights that are open to everybody: $found" "none" \
    "Drop such an account (DROP USER) or give it a password (ALTER USER), and take such rights away (DELETE FROM mysql.db WHERE user = ''; FLUSH PRIVILEGES;)."

  make_socket_account hacluster "Pacemaker's monitor"
  make_database app
  has_account app || make_account app "$HA_DATABASE_PASSWORD"

  # What a person has allowed the account besides, or taken from it, stays.
  local granted=app own_grant="'app'"
  local of_application=(app "$HA_DATABASE_PASSWORD" app)
  if ! logs_in_here "${of_application[@]}" && ! has_the_password && ! has_grant "$own_grant"; then
    sql <<<"GRANT ALL PRIVILEGES ON \`$granted\`.* TO 'app'@'%'"
    say "accounts: app has all rights in app"
  fi
  bring_password "${of_application[@]}"

  # It may have been one of those before, and is none that goes with their list.
  if is_marked app; then sql <<<"REVOKE REFERENCES ON \`$marking\`.* FROM 'app'@'%'"; fi
  for name in $(sql <<<"select user from mysql.db where db = '$marking' and host = '%' and user not in ('app')"); do
    remove_account "$name"
  done

  found=$(accounts_of_people)
  [[ ! $found ]] || left_alone "accounts that the stack has not made: $found"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
