#!/usr/bin/env bash
# First generation of data of DRBD r0, once
# Node mysql-dev-1 of cluster mysql-dev. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-dev-1: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
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
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-dev-1, then run pulumi up again."
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-dev-1."

over_ssh() { # SECONDS ADDRESS [COMMAND]: among the machines, by the nodes' own key
  timeout "$1" ssh -i ~azureuser/.ssh/id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 \
    azureuser@"$2" "${@:3}"
}

# Once Pacemaker knows the DRBD resource, only Pacemaker brings it up, promotes it and takes it down. Its file tells
# also while it does not run. A machine that was made anew has no such file yet: there the peer's tells.
pacemaker_has_drbd() {
  [[ ${cluster:-} ]] || wait_for 300 "answer of mysql-dev-2 over SSH" ask_for_the_cluster
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
main() {
  local states
  if pacemaker_has_drbd; then
    say "DRBD r0: Pacemaker's"
    return
  fi
  if [[ $(drbdadm cstate r0) == StandAlone ]]; then
    stop "DRBD r0 StandAlone (it refuses its peer: another history of the data, or another secret)" "it connected" \
      "See journalctl -k on both nodes, and docs/operations/split-brain.md."
  fi
  wait_for 120 "connection of DRBD r0 with mysql-dev-2" connected

  states=$(drbdadm dstate r0)
  case $states in
    UpToDate/UpToDate) ;;
    Inconsistent/Inconsistent)
      # 4 is what create-md begins with, and what no disk has that ever held data.
      [[ $(drbdadm get-gi r0) == 0000000000000004:* ]] || stop "DRBD r0 with both disks Inconsistent, and data on this one" \
        "new disks" "Which side has the better data is for a person to say: docs/operations/failed-update.md."
      # Both are declared equal, which saves copying nothing over nothing.
      drbdadm new-current-uuid --clear-bitmap r0/0
      say "DRBD r0: first generation of data begun"
      ;;
    UpToDate/Inconsistent | Inconsistent/UpToDate)
      say "DRBD r0: $states, copying from the side that has the data"
      ;;
    *)
      stop "DRBD r0 with disks $states" "UpToDate/UpToDate, or both Inconsistent on new disks" "See docs/operations/failed-update.md."
      ;;
  esac
  say "DRBD r0: $(drbdadm dstate r0)"
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
