#!/usr/bin/env bash
# Waits until the endpoint answers a query
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-mysql-login.sh >>>

<<< included/mysql-lab-1-mysql-functions.sh >>>

# A server that refuses the account has answered as well; what there is against the account, NODE-accounts has told.
# As a client that knows the authority: who answers is the server whose certificate has the endpoint's address.
query() {
  logs_in app "$HA_DATABASE_PASSWORD" app --host="$HA_ENDPOINT" --port=3306 --protocol=tcp --connect-timeout=5 \
    --ssl-mode=VERIFY_IDENTITY --ssl-ca=/etc/mysql/azure-mysql-ha-ca.pem ||
    [[ $refusal =~ ERROR\ (1044|1045|1203|1226|3118|4151)\  ]]
}
main() {
  local refusal="" serving held
  if is_held_back; then stop "no server that answers, and $held" "one that does" "End that, then run pulumi up again."; fi
  wait_for 300 "answer to a query at $HA_ENDPOINT:3306" query
  say "endpoint: $HA_ENDPOINT:3306 answers${refusal:+, but refuses app: $refusal}"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
