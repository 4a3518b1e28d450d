# What the running server was started with is kept beside it, since its option file may be newer.
readonly in_force=/run/azure-mysql-ha/options-in-force

# This start of the server and no other, such as that of a backup's proof: its process, and when that began. Nothing where
# none runs.
running_server() {
  local pid
  pid=$(pgrep --exact --full '/usr/sbin/mysqld .*--pid-file=/run/mysqld/mysqld.pid .*' | head -n 1) && cut --delimiter=' ' --fields=1,22 "/proc/$pid/stat" 2>/dev/null || true
}

# What a server that starts now would take from all option files: name=value, a line each, the names spelt with _.
options_on_disk() {
  local line name value
  while IFS= read -r line; do
    name=${line%%=*} value=${line#"${line%%=*}"}
    printf '%s%s\n' "${name//-/_}" "$value"
  done < <(/usr/sbin/mysqld --defaults-file=/etc/mysql/my.cnf --print-defaults | sed '1d; s/^--//; s/ --/\n/g; s/ *$//')
}

# note_options_in_force OPTIONS: whole or not at all, and gone with the machine's memory as the server is.
note_options_in_force() {
  local server
  server=$(running_server)
  [[ $server ]] || return 0
  install --directory --mode=0700 ${in_force%/*}
  printf '%s\n%s\n' "$server" "$1" >$in_force.new
  mv $in_force.new $in_force
}

are_noted() { [[ -e $in_force && $(head -n 1 $in_force) == "$(running_server)" ]]; }
