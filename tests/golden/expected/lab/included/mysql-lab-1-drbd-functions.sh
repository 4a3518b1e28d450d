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

# run_drbdadm ARGUMENTS: of a command of its own that fails, it shows the arguments, and one of them may be the secret.
run_drbdadm() { drbdadm "$@" 2> >(sed --regexp-extended 's/(--shared-secret=)[^ ]+/\1…/g' >&2); }

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
