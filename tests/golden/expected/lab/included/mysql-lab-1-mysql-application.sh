as_application() {
  /usr/bin/mysql --defaults-extra-file=<(printf '[client]\nuser=%s\npassword="%s"\n' app "$HA_DATABASE_PASSWORD") \
    --ssl-mode=REQUIRED "$@" --execute='select 1' app
}

# application_works OPTIONS...: by TLS, since an account may ask for that at the local socket too. Sets refusal.
application_works() {
  if refusal=$(as_application "$@" 2>&1 >/dev/null); then
    refusal=""
  else
    return 1
  fi
}
