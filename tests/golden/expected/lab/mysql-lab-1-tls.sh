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
    say "TLS: the server is to start with its certificate; it is left as a person has set it: $held"
    return
  fi
  wait_for 600 "serving node" somebody_serves
  if [[ $serving != mysql-lab-1 ]]; then
    say "TLS: $serving serves, and shows the certificate"
    return
  fi
  wait_for 600 "answer of the server" server_answers
  if shows_its_certificate; then
    say "TLS: the server shows its certificate"
    return
  fi
  # For new connections. Those that there are go on with what they have.
  sql <<<"ALTER INSTANCE RELOAD TLS" || stop "a server that does not take /etc/mysql/azure-mysql-ha-server.pem (above)" "one that does" "See /var/log/mysql/error.log."
  if [[ ! $(shown) ]]; then
    say "TLS: the server has read its certificate; to 127.0.0.1 it shows none, for which no account may be"
    return
  fi
  shows_its_certificate || stop "a server that shows another certificate than /etc/mysql/azure-mysql-ha-server.pem has" "that one" "See /var/log/mysql/error.log."
  say "TLS: the server shows another certificate, without a restart"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
run </dev/null
