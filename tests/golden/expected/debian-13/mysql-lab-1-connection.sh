#!/usr/bin/env bash
# Connection of DRBD r0
# Node mysql-lab-1 of cluster mysql-lab. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-lab-1: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
  exit 1
}

# diagnose: what a script can tell when it has waited in vain.
# shellcheck disable=SC2329 # some scripts have their own
diagnose() { :; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; says what is awaited, and gives up with a clear line.
wait_for() {
  local limit=$1 what=$2 begin=$SECONDS told=$SECONDS
  shift 2
  until "$@"; do
    if ((SECONDS - begin >= limit)); then
      diagnose >&2
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-lab-1, then run pulumi up again."
    fi
    if ((SECONDS - told >= 10)); then
      say "waiting for $what ($((SECONDS - begin)) of $limit s)"
      told=$SECONDS
    fi
    sleep 1
  done
}

# install_file PATH MODE [OWNER:GROUP] <CONTENT: writes the file if it differs (its content, its mode, whose it is), whole
# or not at all. Sets changed=yes if so.
# shellcheck disable=SC2034 # for the scripts that want to know
install_file() {
  local path=$1 mode=$2 owner=${3:-root:root} content new=$1.new
  changed=no
  IFS= read -rd '' content || true
  if [[ -f $path && $(stat --dereference --format='%a %U:%G' "$path") == "${mode#0} $owner" ]] &&
    cmp --quiet "$path" <(printf '%s' "$content"); then return; fi
  mkdir -p "${path%/*}"
  (umask 077 && printf '%s' "$content" >"$new")
  chmod "$mode" "$new"
  chown "$owner" "$new"
  sync "$new"
  mv "$new" "$path"
  changed=yes
  say "wrote $path"
}

# One script of ours at a time on a node. A child that outlived its interrupted script still holds the lock.
exec 9>/run/azure-mysql-ha.lock
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-lab-1."

over_ssh() { # SECONDS ADDRESS [COMMAND]: among the machines, by the nodes' own key
  timeout "$1" ssh -i ~azureuser/.ssh/id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 \
    azureuser@"$2" "${@:3}"
}

# Once Pacemaker knows the DRBD resource, only Pacemaker brings it up, promotes it and takes it down. Its file tells
# also while it does not run. A machine that was made anew has no such file yet: there the peer's tells.
pacemaker_has_drbd() {
  [[ ${cluster:-} ]] || wait_for 300 "answer of mysql-lab-2 over SSH" ask_for_the_cluster
  [[ $cluster == there ]]
}

ask_for_the_cluster() { # sets cluster
  local look='grep --quiet --no-messages type=.drbd. /var/lib/pacemaker/cib/cib.xml' code=0
  if $look; then
    cluster=there
    return
  fi
  over_ssh 30 10.32.0.5 "sudo $look" 2>/dev/null || code=$?
  case $code in
    0) cluster=there ;;
    1 | 2) cluster=none ;; # 2: there is no such file
    *) return 1 ;;
  esac
}

connected() { [[ $(drbdadm cstate r0 2>/dev/null) == Connected ]]; }

# A step that a kill may leave half-way is announced on disk first: what such a step was at may be made again, since it
# was seen blank before. begin_once NAME; end_once NAME; is_half_done NAME.
readonly steps=/var/lib/azure-mysql-ha
begin_once() { mkdir -p $steps && : >"$steps/$1.begun" && sync --file-system $steps; }
end_once() { # also of a run that ended just before it, or whose end was lost with the machine's power
  is_half_done "$1" || return 0
  sync && rm "$steps/$1.begun" && sync --file-system $steps
}
is_half_done() { [[ -e $steps/$1.begun ]]; }

is_blank() { # DEVICE: no signature, and nothing but zeros in its first MiB
  [[ -z $(wipefs --noheadings --output TYPE "$1") && $(head --bytes=1M "$1" | tr --delete '\0' | head --bytes=1 | wc --bytes) == 0 ]]
}

is_stand_alone() { [[ $(drbdadm cstate r0) == StandAlone ]]; }

has_decided() { connected || is_stand_alone || ((SECONDS > patience)); }
main() {
  local patience
  if ! pacemaker_has_drbd || [[ $(drbdadm cstate r0 2>/dev/null || echo Unconfigured) == Unconfigured ]]; then
    say "DRBD r0: not running"
    return
  fi
  [[ $(</etc/drbd.d/r0.res) == *"shared-secret \"$HA_DRBD_SECRET\";"* ]] ||
    stop "another secret in /etc/drbd.d/r0.res" "the one that mysql-lab-1-drbd writes" "Run that script again."
  # A link that broke while the nodes had different secrets was refused, and is not tried again by itself. Both have the new
  # one by now. After a split brain DRBD refuses again, and keeps what either has.
  if is_stand_alone; then
    drbdadm connect r0
    say "DRBD r0: connected anew"
    patience=$((SECONDS + 20)) # a peer that is there answers after connect-int, 3 s
    wait_for 30 "answer of mysql-lab-2" has_decided
  fi
  if is_stand_alone; then
    stop "DRBD r0 StandAlone (it refuses its peer: another history of the data, or another secret)" "it connected" \
      "See journalctl -k on both nodes, and docs/operations/split-brain.md."
  fi
  say "DRBD r0: $(drbdadm cstate r0)"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
