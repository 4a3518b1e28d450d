#!/usr/bin/env bash
# Options of the server that runs
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

serving_node() { crm_resource --resource mysql-server --locate 2>/dev/null | sed --quiet 's/.*is running on: *\([^ ]*\).*/\1/p'; }

somebody_serves() { serving=$(serving_node) && [[ $serving ]]; }

diagnose() { crm_mon --one-shot --inactive; }

# The local root account needs no password: the server knows who is at the other end of the socket.
sql() { /usr/bin/mariadb --no-defaults --socket=/run/mysqld/mysqld.sock --user=root --batch --skip-column-names; }

# Who may log in is what waiting does not change.
server_answers() {
  local said
  said=$(sql <<<"select 1" 2>&1 >/dev/null) && return
  [[ ! $said =~ ERROR\ (1045|1698|1820|1862|3118|4151)\  ]] || stop "root@localhost that cannot log in ($said)" "its login by the local socket" \
    "Give it back: ALTER USER root@localhost IDENTIFIED VIA unix_socket; with an account that may."
  false
}

# set_by_hand service|copy: what a person has set in the cluster for a time, and what ends it, as far as it can be why nobody
# serves, or why DRBD does not run on both nodes. Nothing where there is nothing, or no Pacemaker.
set_by_hand() {
  local cib
  cib=$(cibadmin --query 2>/dev/null) || return 0
  python3 - <(printf '%s' "$cib") "$1" <<'PYTHON'
"""What a person has set in the cluster for a time, as the CIB has it.

Usage: by_hand.py CIB all|service|copy. Prints a line that says what there is and what ends it: all of it, or what can
be why nobody serves, or why DRBD does not run on both nodes. Prints nothing where there is nothing.
"""

import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

PROPERTIES = ("maintenance-mode", "stop-all-resources")
META_ATTRIBUTES = ("is-managed", "maintenance", "target-role")
CONSTRAINTS = ("cli-ban-", "cli-prefer-")
"""How the ids of those begin that `crm resource ban` and `move` make."""

_TRUE = ("true", "on", "yes", "y", "1")  # of Pacemaker's crm_is_true
_FALSE = ("false", "off", "no", "n", "0")

_SERVING = ("drbd-r0-clone", "drbd-r0", "mysql", "mysql-fs", "mysql-server", "rsc_defaults")
"""Resources without which nobody serves."""


@dataclass(frozen=True)
class Setting:
    """One thing.

    Args:
        what: in words.
        end: the command that ends it.
        keeps_away: whether it alone can keep the service from being there.
        bars: the node that may not serve because of it; empty for none.
    """

    what: str
    end: str
    keeps_away: bool = False
    bars: str = ""


def of_property(name: str, value: str) -> "Setting | None":
    """Return what a property of the cluster says."""
    if value.lower() not in _TRUE:
        return None
    if name == "maintenance-mode":
        return Setting("the cluster in maintenance mode", "crm maintenance off", keeps_away=True)
    if name == "stop-all-resources":
        return Setting("stop-all-resources", f"crm configure property {name}=false", keeps_away=True)
    return None


def of_meta_attribute(owner: str, name: str, value: str) -> "Setting | None":
    """Return what a meta attribute of a resource says, or of `rsc_defaults`."""
    value = value.lower()
    if name == "is-managed" and value in _FALSE:
        what, end = "not managed", f"crm resource manage {owner}"
    elif name == "maintenance" and value in _TRUE:
        what, end = "in maintenance", f"crm resource maintenance {owner} off"
    elif name == "target-role" and value in ("stopped", "slave", "unpromoted"):
        what = "stopped" if value == "stopped" else "not to be promoted"
        end = f"crm resource {'start' if value == 'stopped' else 'promote'} {owner}"
    else:
        return None
    if owner == "rsc_defaults":
        end = f"crm_attribute --type rsc_defaults --name {name} --delete"
    return Setting(f"{owner} {what}", end, keeps_away=owner in _SERVING)


def of_constraint(constraint: ElementTree.Element) -> Setting:
    """Return what a ban or a move says."""
    resource, node = constraint.get("rsc", ""), constraint.get("node", "")
    rule = constraint.find(".//expression[@attribute='#uname']")
    if rule is not None:
        node = rule.get("value", "")
    score = constraint.get("score") or next((r.get("score", "") for r in constraint.iter("rule")), "")
    banned = score.startswith("-")
    what = f"{resource} {'banned from' if banned else 'moved to'} {node}"
    bars = node if score.upper() == "-INFINITY" and resource in _SERVING else ""
    return Setting(what, f"crm resource clear {resource}", bars=bars)


def find(cib: ElementTree.Element) -> "list[Setting]":
    """Return all of it.

    Args:
        cib: the whole document, status included: a standby until the next restart of a node is there.
    """
    found: list[Setting | None] = []
    for nvpair in cib.findall("configuration/crm_config/cluster_property_set/nvpair"):
        found.append(of_property(nvpair.get("name", ""), nvpair.get("value", "")))
    names: dict[str, str] = {}
    for node in (*cib.findall("configuration/nodes/node"), *cib.findall("status/node_state")):
        name = names.setdefault(node.get("id", ""), node.get("uname", ""))
        for nvpair in node.iter("nvpair"):
            if nvpair.get("value", "").lower() in _TRUE:
                if nvpair.get("name") == "standby":
                    found.append(Setting(f"{name} in standby", f"crm node online {name}", bars=name))
                elif nvpair.get("name") == "maintenance":
                    found.append(Setting(f"{name} in maintenance", f"crm node ready {name}", keeps_away=True))
    for owner in (*cib.findall("configuration/resources//"), *cib.findall("configuration/rsc_defaults")):
        for nvpair in owner.findall("meta_attributes/nvpair"):
            found.append(of_meta_attribute(owner.get("id", owner.tag), nvpair.get("name", ""), nvpair.get("value", "")))
    for constraint in cib.findall("configuration/constraints/*"):
        if constraint.get("id", "").startswith(CONSTRAINTS):
            found.append(of_constraint(constraint))
    return [setting for setting in dict.fromkeys(found) if setting]


def keeping_away(cib: ElementTree.Element) -> "list[Setting]":
    """Return what can be why nobody serves: of standbys and bans only those of all nodes together."""
    found = find(cib)
    nodes = {node.get("uname") for node in cib.findall("configuration/nodes/node")}
    nobody_may = nodes <= {setting.bars for setting in found}
    return [setting for setting in found if setting.keeps_away or (setting.bars and nobody_may)]


def keeping_a_copy_away(cib: ElementTree.Element) -> "list[Setting]":
    """Return what can be why DRBD does not run on both nodes."""
    return [setting for setting in find(cib) if setting.keeps_away or setting.bars]


def told(settings: "list[Setting]") -> str:
    """Return them as a line."""
    return ", ".join(f"{setting.what} ({setting.end} ends it)" for setting in settings)


if __name__ == "__main__":
    document = ElementTree.parse(sys.argv[1]).getroot()
    look = {"all": find, "service": keeping_away, "copy": keeping_a_copy_away}[sys.argv[2]]
    if line := told(look(document)):
        print(line)
PYTHON
}

# Whether no server answers, and a person wants it so: then nothing is waited for. Sets held: what it is, and what ends it.
is_held_back() {
  if somebody_serves && { [[ $serving != mysql-lab-1 ]] || server_answers; }; then return 1; fi
  held=$(set_by_hand service) && [[ $held ]]
}

# What the running server was started with is kept beside it, since its option file may be newer.
readonly in_force=/run/azure-mysql-ha/options-in-force

# This start of the server and no other: its process, and when that began. Nothing where none runs.
running_server() {
  local pid
  pid=$(pgrep --exact --full '/usr/sbin/mariadbd.*' | head -n 1) && cut --delimiter=' ' --fields=1,22 "/proc/$pid/stat" 2>/dev/null || true
}

# What a server that starts now would take from all option files: name=value, a line each, the names spelt with _.
options_on_disk() {
  local line name value
  while IFS= read -r line; do
    name=${line%%=*} value=${line#"${line%%=*}"}
    printf '%s%s\n' "${name//-/_}" "$value"
  done < <(/usr/sbin/mariadbd --defaults-file=/etc/mysql/my.cnf --print-defaults | sed '1d; s/^--//; s/ --/\n/g; s/ *$//')
}

# note_options_in_force OPTIONS: whole or not at all, and gone with the machine's memory as the server is.
note_options_in_force() {
  local server
  server=$(running_server)
  [[ $server ]] || return 0
  install --directory --mode=0700 ${in_force%/*}
  printf '%s\n%s\n' "$server" "$1" >$in_force.new
  mv $in_force.new $in_force
}

are_noted() { [[ -e $in_force && $(head -n 1 $in_force) == "$(running_server)" ]]; }

# SQL's way to write an option file's value: 128M is 134217728, true is TRUE, and all that is no number is a text.
literal() {
  local quoted
  local -A shift_of=([K]=10 [M]=20 [G]=30 [T]=40 [P]=50 [E]=60)
  case ${1^^} in
    TRUE | FALSE) printf '%s' "${1^^}" ;;
    *)
      if [[ ${1^^} =~ ^([0-9]+)([KMGTPE])$ ]]; then
        printf '%s' $((BASH_REMATCH[1] << shift_of[${BASH_REMATCH[2]}]))
      elif [[ $1 =~ ^-?[0-9]+(\.[0-9]+)?$ ]]; then
        printf '%s' "$1"
      else
        quoted=${1//\\/\\\\}
        printf "'%s'" "${quoted//\'/\\\'}"
      fi
      ;;
  esac
}

value_of() { sql <<<"select @@global.$1" 2>/dev/null || echo unknown; }

# set_running NAME LITERAL: succeeds where the server takes the value while it runs.
set_running() {
  local before
  before=$(value_of "$1")
  sql <<<"set global $1 = $2" >/dev/null 2>&1 || return
  say "option $1: $before, now $(value_of "$1"), without a restart"
}

is_managed() { crm_mon --output-as=xml 2>/dev/null | grep '<resource id="mysql-server"' | grep --quiet 'managed="true"'; }

# The server ends by itself, so its data is whole and its start has nothing to recover. systemd does both, whether or not this
# script lives to see it; Pacemaker's monitor waits for that. DRBD, file system and probe stay as they are.
restart_server() {
  is_managed || stop "mysql-server not managed by Pacemaker: $(set_by_hand service)" "it managed, for a restart for ${restart_for[*]}" \
    "End that, then run pulumi up again."
  systemctl restart azure-mysql-ha-server.service 2>/dev/null ||
    stop "a server that does not start with ${restart_for[*]} ($(grep --ignore-case error /var/log/mysql/error.log | grep --invert-match Aborting | tail -n 1))" "one that does" \
      "Take that out of mysqlOptions, then run pulumi up again."
}
main() {
  local serving held new line name restart_for=()
  local -A was=() is=()
  # A file that is not the stack's must not be what a server starts with.
  cmp --quiet /etc/mysql/mariadb.conf.d/99-azure-mysql-ha.cnf - <<'FILE' || stop "another /etc/mysql/mariadb.conf.d/99-azure-mysql-ha.cnf" "the one that mysql-lab-1-server writes" "Run that script again."
# Written by Pulumi. Read last: what stands here wins.
[mysqld]
datadir      = /var/lib/mysql/data
bind_address = 0.0.0.0
port         = 3306
log_error    = /var/log/mysql/error.log

# A commit is on disk, on both nodes, before it is acknowledged.
innodb_flush_log_at_trx_commit = 1
sync_binlog                    = 1

# The balancer's client addresses have no names; waiting for DNS would be all there is to it.
skip_name_resolve = ON
innodb_buffer_pool_size = 128M
performance_schema = false
FILE
  if is_held_back; then
    [[ ! $(running_server) ]] || stop "a server that does not answer, and $held" "it answering" "End that, then run pulumi up again."
    say "options: the server is to start with them; it is left as a person has set it: $held"
    return
  fi
  # A start that has failed with the options before is tried anew with those of now.
  somebody_serves || crm_resource --cleanup --resource mysql-server >/dev/null 2>&1 || true
  wait_for 600 "serving node" somebody_serves
  if [[ $serving != mysql-lab-1 ]]; then
    say "options: $serving serves, and has them"
    return
  fi
  wait_for 600 "answer of the server" server_answers
  if ! are_noted; then
    say "options: the server has started with them"
    return
  fi

  # What stands later in the files wins.
  new=$(options_on_disk)
  while IFS= read -r line; do was[${line%%=*}]=${line#"${line%%=*}"}; done < <(tail -n +2 $in_force)
  while IFS= read -r line; do is[${line%%=*}]=${line#"${line%%=*}"}; done <<<"$new"
  for name in $(printf '%s\n' "${!was[@]}" "${!is[@]}" | sort --unique); do
    if [[ ! ${is[$name]+there} ]]; then
      set_running "$name" DEFAULT || restart_for+=("$name")
    elif [[ ! ${was[$name]+there} || ${was[$name]} != "${is[$name]}" ]]; then
      set_running "$name" "$(literal "${is[$name]#=}")" || restart_for+=("$name")
    fi
  done
  if ((${#restart_for[@]})); then
    say "restart of the server, for ${restart_for[*]}"
    restart_server
    say "options: the server has started with them"
  else
    note_options_in_force "$new"
    say "options: in force"
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
