as_application() {
  /usr/bin/mysql --defaults-extra-file=<(printf '[client]\nuser=%s\npassword="%s"\n' app "$HA_DATABASE_PASSWORD") \
    "$@" --execute='select 1' app
}

# application_works OPTIONS...: by TLS where the server has it, since an account may ask for that. Sets refusal.
application_works() {
  if refusal=$(as_application --ssl-mode=REQUIRED "$@" 2>&1 >/dev/null) ||
    { [[ $refusal == *"ERROR 2026 "* ]] && refusal=$(as_application "$@" 2>&1 >/dev/null); }; then
    refusal=""
  else
    return 1
  fi
}
