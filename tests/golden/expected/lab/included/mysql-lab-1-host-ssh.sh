over_ssh() { # SECONDS ADDRESS [COMMAND]: among the machines, by the nodes' own key
  timeout "$1" ssh -i ~azureuser/.ssh/id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 \
    azureuser@"$2" "${@:3}"
}
