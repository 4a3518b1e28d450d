# shellcheck shell=bash
# What operations/drift.py puts before the last line of a script of the stack, which then looks and changes nothing.
#
# That does not rest on the scripts' care. The file system is read-only, in a mount namespace of the script's own; and no
# program can be called but those that are named here, most of them to ask only. A command that nobody has thought of is
# told and not run, and ends the look, since what follows may rest on it. What differs is told on descriptor 8.
exec 8>&1 >/dev/null

if [[ $(readlink /proc/self/ns/mnt) == "$(readlink /proc/1/ns/mnt)" ]]; then
  echo "not in a mount namespace of its own" >&2
  exit 3
fi

# What is open for writing keeps its file system from being read-only.
exec 9>&- 9</run/azure-mysql-ha.lock
flock --wait 900 9 || stop "another script still running after 900 s" "it to be finished" "See ps on this machine."

# Scripts prepare their files here. What an earlier one has marked as not done yet is still to be seen.
readonly scratch=/run/azure-mysql-ha
mkdir -p $scratch
marks=$(find $scratch -maxdepth 1 -name '*.changed')
mount -t tmpfs -o mode=0700 tmpfs $scratch
# (A script's own variables are set by now: none here is called like one of theirs.)
for look_mark in $marks; do : >"$look_mark"; done
# What only reads writes all the same: a server opens files of its data directory, crmsh its log.
mount -t tmpfs -o mode=1777 tmpfs /mnt
# (Its log belongs to hacluster: in a folder that anybody may write to, root could not open it. fs.protected_regular)
if [[ -d /var/log/crmsh ]]; then mount -t tmpfs -o mode=0755 tmpfs /var/log/crmsh; fi
export HOME=$scratch TMPDIR=$scratch
# Left out are devices, the kernel's own tables, DRBD's locks and the shared memory by which Corosync and Pacemaker answer.
for look_mount in $(findmnt --list --noheadings --output TARGET); do
  case $look_mount in
    /dev | /dev/* | /proc | /proc/* | /run/lock | "$scratch" | /mnt | /var/log/crmsh) ;;
    *) mount -o remount,bind,ro "$look_mount" ;;
  esac
done

readonly asking_path=$PATH asking="awk base64 basename blkid cat cmp crm_diff crm_mon crm_verify corosync-qdevice-tool cut df \
diff dpkg-query dumpe2fs find findmnt getent grep head mountpoint paste perl pgrep promtool python3 readlink sed sha256sum sleep \
sort ss stat tail tr uname wc"
for program in $asking; do
  eval "$program() { call $program \"\$@\"; }"
done
for program in /usr/bin/mariadb /usr/bin/mysql; do
  eval "$program() { ask_server $program \"\$@\"; }"
done
for program in /usr/sbin/mariadbd /usr/sbin/mysqld; do
  eval "$program() { have_configuration_read $program \"\$@\"; }"
done
# shellcheck disable=SC2123 # on purpose: what is not named here is not found
PATH=/nowhere

told() { printf '%s\n' "$*" >&8; }

# end: of the whole script, from a part of it too.
trap 'exit 0' USR1
end() {
  kill -s USR1 $$
  if ((BASH_SUBSHELL > 0)); then exit 1; fi
}

call() {
  if ! PATH=$asking_path type -P "$1" >/dev/null; then
    told "is missing: the program $1"
    end
  fi
  PATH=$asking_path command "$@"
}

not_asking() {
  told "would run: $*"
  end
}

command_not_found_handle() { not_asking "$@"; }

# --- in place of the functions that all scripts have

say() { :; }

stop() {
  told "would stop: found $1; expected $2. $3"
  exit 0
}

left_alone() { told "left alone: $*"; }

wait_for() { # SECONDS WHAT COMMAND...: three looks
  local what=$2 look
  shift 2
  for look in 1 2 3; do
    if "$@"; then return; fi
    call sleep "$((look / 2))"
  done
  told "not found: $what"
  diagnose >&8 2>&1 || true
  exit 0
}

# shellcheck disable=SC2034 # for the scripts that want to know
install_file() {
  local path=$1 mode=$2 owner=${3:-root:root} content found wanted=$scratch/wanted$1
  changed=no
  IFS= read -rd '' content || true
  call mkdir -p "${wanted%/*}"
  printf '%s' "$content" >"$wanted"
  if [[ ! -f $path ]]; then
    changed=yes
    told "is missing: $path"
    return
  fi
  found=$(stat --dereference --format='%a %U:%G' "$path")
  [[ $found == "${mode#0} $owner" ]] || told "$path: is $found, should be ${mode#0} $owner"
  if cmp --quiet "$path" "$wanted"; then return; fi
  changed=yes
  case $mode in
    0600 | 0400 | 0640) show_difference_without_secrets "$path" "$wanted" ;;
    *) show_difference "$path" "$path" "$wanted" ;;
  esac
}

show_difference() { # NAME IS SHOULD_BE
  diff --unified --label "$1 (is)" --label "$1 (should be)" "$2" "$3" >&8 || true
}

# A secret may also be what somebody has put in its place.
show_difference_without_secrets() {
  case $1 in
    *.res) show_difference "$1" <(without_drbd_secret <"$1") <(without_drbd_secret <"$2") ;;
    *) told "$1: differs (it is a secret, and not shown)" ;;
  esac
}

# In a file to the end of its line, on a command line to the next option.
without_drbd_secret() { sed -E 's/(shared-secret ).*/\1(not shown)/; s/(--shared-secret=)([^ ]| [^-]| -[^-])*/\1(not shown)/'; }

# --- programs that ask, or change, as they are called

ask_server() { # PROGRAM ARGUMENTS...
  local program=$1 statements
  shift
  statements=$(cat)
  if [[ " $*" == *" --execute="* ]]; then
    for statements; do [[ $statements != --execute=* ]] || break; done
    statements=${statements#--execute=}
  fi
  case ${statements,,} in
    select\ * | show\ *) call "$program" "$@" <<<"$statements" ;;
    # Of the password nothing, whichever it is.
    set\ *) told "would run in the server: $statements" ;;
    *) not_asking "in the server: $(sed -E "s/ IDENTIFIED BY .*/ …/" <<<"$statements")" ;;
  esac
}

have_configuration_read() { # PROGRAM ARGUMENTS...
  case " $* " in
    *" --help "* | *" --validate-config "*) call "$@" --datadir=/mnt ;;
    *" --print-defaults "*) call "$@" ;;
    *) not_asking "$*" ;;
  esac
}

systemctl() {
  case " $* " in
    *" is-active "* | *" is-enabled "* | *" show "*) call systemctl "$@" ;;
    *) told "would run: systemctl $*" ;;
  esac
}

drbdadm() {
  local file=() wanted=$scratch/wanted/etc/azure-mysql-ha/r0.res
  # What runs is compared with what should be, also where the file is another.
  if [[ -e $wanted ]]; then file=(--config-file "$wanted"); fi
  case " $* " in
    " --dry-run adjust "*) call drbdadm "${file[@]}" "$@" ;;
    " adjust "*) told "would adjust DRBD: $(call drbdadm "${file[@]}" --dry-run "$@" | without_drbd_secret)" ;;
    " role "* | " cstate "* | " dstate "* | " get-gi "* | " dump-md "* | *" dump "*) call drbdadm "$@" ;;
    *) not_asking "drbdadm $*" ;;
  esac
}

cibadmin() {
  local side
  case " $* " in
    *" --query "* | *" --empty "*) call cibadmin "$@" ;;
    *" --patch "*)
      for side in current new; do
        CIB_file=$scratch/cib/$side.xml call crm configure show >$scratch/cib/$side.crm
      done
      if cmp --quiet $scratch/cib/current.crm $scratch/cib/new.crm; then
        told "the cluster's configuration differs: $(cat $scratch/cib/patch.xml)"
      else
        show_difference "the cluster's configuration" $scratch/cib/current.crm $scratch/cib/new.crm
      fi
      ;;
    *) not_asking "cibadmin $*" ;;
  esac
}

# Of a configuration in a file.
crm() { if [[ ${CIB_file:-} == $scratch/* ]]; then call crm "$@"; else not_asking "crm $*"; fi; }

crm_resource() { if [[ $* == *" --locate" ]]; then call crm_resource "$@"; else not_asking "crm_resource $*"; fi; }

corosync() { if [[ $1 == -t ]]; then call corosync "$@"; else not_asking "corosync $*"; fi; }

corosync-cmapctl() { if [[ $1 == -g ]]; then call corosync-cmapctl "$@"; else not_asking "corosync-cmapctl $*"; fi; }

corosync-cfgtool() { told "would run: corosync-cfgtool $*"; }

openssl() { if [[ $1 == s_client ]]; then call openssl "$@"; else not_asking "openssl $*"; fi; }

certutil() { case $1 in -L | -K | -V) call certutil "$@" ;; *) not_asking "certutil $*" ;; esac }

fence_azure_arm() {
  local parameters
  parameters=$(cat)
  if [[ $parameters == *$'\naction=status' ]]; then
    call timeout 60 fence_azure_arm <<<"$parameters"
  else
    not_asking fence_azure_arm
  fi
}

# The other node is asked too: whether it has the cluster, or the same file.
ssh() { case ${!#} in "sudo grep "* | "sudo cmp "* | "sudo dumpe2fs "*) call ssh "$@" ;; *) not_asking "ssh $*" ;; esac }

wg() { if [[ $1 == show ]]; then call wg "$@"; else not_asking "wg $*"; fi; }

ip() {
  case " $* " in
    *" show "*) call ip "$@" ;;
    *) told "would run: ip $*" ;;
  esac
}

timeout() { # only of what is no function here
  local seconds=$1
  shift
  if [[ " $asking " == *" $1 "* ]]; then call timeout "$seconds" "$@"; else "$@"; fi
}

nft() {
  case " $* " in
    " list "* | *" --check "*) call nft "$@" ;;
    *) told "would run: nft $*" ;;
  esac
}

apt-get() {
  case " $* " in
    *" update "*) ;;
    *) not_asking "apt-get $*" ;;
  esac
}

dpkg() { if [[ $(call dpkg --audit) ]]; then not_asking "dpkg $*"; fi; }

dpkg-divert() {
  case $1 in
    --truename) call dpkg-divert "$@" ;;
    *) told "would run: dpkg-divert $*" ;;
  esac
}

modprobe() { [[ -d /sys/module/$1 ]] || told "would run: modprobe $*"; }

sfdisk() {
  case " $* " in
    *" --list "* | " --quiet --part-label "*" 1 ") call sfdisk "$@" ;;
    *) not_asking "sfdisk $*" ;;
  esac
}

blockdev() { if [[ $1 == --getsize64 ]]; then call blockdev "$@"; else not_asking "blockdev $*"; fi; }

wipefs() { if [[ $1 == --noheadings ]]; then call wipefs "$@"; else not_asking "wipefs $*"; fi; }

udevadm() { if [[ $1 == settle ]]; then call udevadm "$@"; else not_asking "udevadm $*"; fi; }

sync() { :; }

# in_scratch WORD...: all of them that are paths
in_scratch() {
  local word
  for word; do [[ $word != /* || $word/ == "$scratch"/* ]] || return 1; done
}

mkdir() {
  local word
  if in_scratch "$@"; then call mkdir "$@"; return; fi
  for word; do [[ $word != /* || -d $word ]] || told "is missing: the folder $word"; done
}

install() {
  if in_scratch "$@"; then call install "$@"; return; fi
  case " $* " in
    *" --directory "*) mkdir "$@" ;;
    *) told "would write ${!#}" ;;
  esac
}

rm() {
  local word
  if in_scratch "$@"; then call rm "$@"; return; fi
  for word; do [[ $word != /* || ! -e $word ]] || told "would remove $word"; done
}

cp() { if in_scratch "${!#}"; then call cp "$@"; else told "would write ${!#}"; fi; }

mv() { if in_scratch "$@"; then call mv "$@"; else told "would move $*"; fi; }

ln() {
  local target=${*: -2:1} path=${*: -1:1}
  [[ -L $path && $(readlink "$path") == "$target" ]] || told "$path: is not a link to $target"
}

chgrp() {
  local group=$1 path
  shift
  for path; do [[ $(stat --format=%G "$path" 2>/dev/null) == "$group" ]] || told "$path: does not belong to group $group"; done
}
