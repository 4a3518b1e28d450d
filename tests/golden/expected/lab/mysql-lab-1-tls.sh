#!/usr/bin/env bash
# Certificate of the server that runs
<<< included/mysql-lab-1-host-script.sh >>>

<<< included/mysql-lab-1-mysql-functions.sh >>>

first_certificate() { sed --quiet '/^-----BEGIN CERTIFICATE/,/^-----END CERTIFICATE/ { p; /^-----END/ q }'; }

# What the server shows to who comes over the network; nothing where it shows none.
shown() { timeout 10 openssl s_client -connect 127.0.0.1:3306 -starttls mysql </dev/null 2>/dev/null | first_certificate; }

shows_its_certificate() { [[ $(shown) == "$(first_certificate <<<"$HA_TLS_CERTIFICATE")" ]]; }
main() {
  local serving held
  if is_held_back; then
    say "TLS: the certificate takes effect at the next start of the server, which is left as set by hand: $held"
    return
  fi
  wait_for 600 "serving node" somebody_serves
  if [[ $serving != mysql-lab-1 ]]; then
    say "TLS: $serving serves, with the certificate"
    return
  fi
  wait_for 600 "answer of the server" server_answers
  if shows_its_certificate; then
    say "TLS: the server uses its certificate"
    return
  fi
  # For new connections. Those that there are go on with what they have.
  sql <<<"ALTER INSTANCE RELOAD TLS" || stop "a server that does not accept /etc/mysql/azure-mysql-ha-server.pem (the reason is above)" "one that does" "See /var/log/mysql/error.log."
  if [[ ! $(shown) ]]; then
    say "TLS: the server has loaded its certificate; no account can connect from 127.0.0.1, so what it shows was not tested"
    return
  fi
  shows_its_certificate || stop "a server with a certificate that is not the one in /etc/mysql/azure-mysql-ha-server.pem" "that one" "See /var/log/mysql/error.log."
  say "TLS: the server uses the new certificate, without a restart"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
