serving_node() { crm_resource --resource mysql-server --locate 2>/dev/null | sed --quiet 's/.*is running on: *\([^ ]*\).*/\1/p'; }

somebody_serves() { serving=$(serving_node) && [[ $serving ]]; }

# What the cluster is like, and what a client was told last.
diagnose() {
  crm_mon --one-shot --inactive
  printf '%s\n' "${refusal:-}"
}

# The local root account needs no password: the server knows who is at the other end of the socket.
sql() { /usr/bin/mysql --no-defaults --socket=/run/mysqld/mysqld.sock --user=root --batch --skip-column-names; }

# Who may log in is what waiting does not change.
server_answers() {
  local said
  said=$(sql <<<"select 1" 2>&1 >/dev/null) && return
  [[ ! $said =~ ERROR\ (1045|1698|1820|1862|3118|4151)\  ]] || stop "root@localhost that cannot log in ($said)" "it to log in through the local socket" \
    "Allow it again: ALTER USER root@localhost IDENTIFIED WITH auth_socket; with an account that may do so."
  false
}

<<< included/mysql-lab-1-pacemaker-functions.sh >>>

# Whether no server answers, and a person wants it so: then nothing is waited for. Sets held: what it is, and what ends it.
is_held_back() {
  if somebody_serves && { [[ $serving != mysql-lab-1 ]] || server_answers; }; then return 1; fi
  held=$(set_by_hand service) && [[ $held ]]
}
