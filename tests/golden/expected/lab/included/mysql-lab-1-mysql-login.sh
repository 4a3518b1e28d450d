# logs_in USER PASSWORD DATABASE OPTIONS...: by TLS, since an account may ask for that at the local socket too. Without a
# DATABASE it uses none. Sets refusal.
logs_in() {
  local user=$1 password=$2 name=$3
  shift 3
  if refusal=$(/usr/bin/mysql --defaults-extra-file=<(printf '[client]\nuser=%s\npassword="%s"\n' "$user" "$password") \
    --ssl-mode=REQUIRED "$@" --execute='select 1' ${name:+"$name"} 2>&1 >/dev/null); then
    refusal=""
  else
    return 1
  fi
}
