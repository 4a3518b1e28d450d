#!/usr/bin/env bash
# Database and account of the application
# Node mysql-lab-2 of cluster mysql-lab. Safe to run again at any time: changes only what differs,
# destroys nothing, and stops with one line where it finds what it does not expect.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# Secrets and addresses come in HA_* variables; they are not passed on to other programs.
for variable in ${!HA_@}; do export -n "${variable?}"; done

say() { printf '%s\n' "$*"; }

# stop FOUND EXPECTED REMEDY
stop() {
  printf 'STOPPED on mysql-lab-2: found %s; expected %s. %s\n' "$1" "$2" "$3" >&2
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
      stop "no $what after $limit s" "it sooner" "See journalctl on mysql-lab-2, then run pulumi up again."
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
flock --wait 900 9 || stop "another script at work for 900 s" "its end" "See ps on mysql-lab-2."

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
  if somebody_serves && { [[ $serving != mysql-lab-2 ]] || server_answers; }; then return 1; fi
  held=$(set_by_hand service) && [[ $held ]]
}

as_application() {
  /usr/bin/mariadb --defaults-extra-file=<(printf '[client]\nuser=%s\npassword="%s"\n' app "$HA_DATABASE_PASSWORD") \
    "$@" --execute='select 1' app
}

# application_works OPTIONS...: by TLS where the server has it, since an account may ask for that. Sets refusal.
application_works() {
  if refusal=$(as_application --ssl --skip-ssl-verify-server-cert "$@" 2>&1 >/dev/null) ||
    { [[ $refusal == *"ERROR 2026 "* ]] && refusal=$(as_application "$@" 2>&1 >/dev/null); }; then
    refusal=""
  else
    return 1
  fi
}

works() { application_works --socket=/run/mysqld/mysqld.sock; }

# What the server says of who has the right password, and may not enter all the same: that is for a person to change.
has_the_password() { [[ $refusal =~ ERROR\ (1203|1226|3118|4151)\  ]]; }

count() { sql <<<"select count(*) from $1"; }

has_grant() { (($(count "mysql.db where user = 'app' and host = '%' and db = $1") > 0)); }

# Why a new password is refused, where that may be what people want of the account. Nothing where it may not.
explanation() {
  local asks_for
  asks_for=$(sql <<<"select ssl_type from mysql.user where user = 'app' and host = '%'")
  if (($(count "mysql.user where user in ('', 'app') and host = 'localhost'") > 0)); then
    echo "on this node another account comes first, app@localhost or one without a name"
  elif [[ $asks_for == X509 || $asks_for == SPECIFIED ]]; then
    echo "it asks for a client's certificate"
  elif [[ $asks_for == ANY ]]; then
    echo "it asks for TLS, which this server has not"
  fi
}
main() {
  local serving held grants refusal reason
  if is_held_back; then stop "no server that answers, and $held" "one" "End that, then run pulumi up again."; fi
  wait_for 600 "serving node" somebody_serves
  if [[ $serving != mysql-lab-2 ]]; then
    say "accounts: $serving serves and has made them"
    return
  fi
  # Pacemaker names the node already while the server starts there.
  wait_for 600 "answer of the server" server_answers

  grants=$(count "mysql.user where user = 'root' and host not in ('localhost', '127.0.0.1', '::1')")
  ((grants == 0)) || stop "$grants account(s) root that may log in from outside" "none" "Drop them: DROP USER root@...;"

  if (($(count "mysql.user where user = 'hacluster' and host = 'localhost'") == 0)); then
    sql <<<"CREATE USER hacluster@localhost IDENTIFIED VIA unix_socket"
    say "accounts: hacluster made, which may do nothing, for Pacemaker's monitor"
  fi
  if (($(count "information_schema.schemata where schema_name = 'app'") == 0)); then
    sql <<<"CREATE DATABASE IF NOT EXISTS \`app\`"
    say "accounts: database app made"
  fi
  if (($(count "mysql.user where user = 'app' and host = '%'") == 0)); then
    sql <<<"CREATE USER 'app'@'%' IDENTIFIED BY '$HA_DATABASE_PASSWORD'"
    say "accounts: app made"
  fi

  # What a person has allowed the account besides, or taken from it, stays.
  local granted=app own_grant="'app'"
  if ! works && ! has_the_password && ! has_grant "$own_grant"; then
    sql <<<"GRANT ALL PRIVILEGES ON \`$granted\`.* TO 'app'@'%'"
    say "accounts: app may do all in app"
  fi

  if ! works && ! has_the_password; then
    sql <<<"ALTER USER 'app'@'%' IDENTIFIED BY '$HA_DATABASE_PASSWORD'"
    say "accounts: password of app set"
    if ! works && ! has_the_password; then
      reason=$(explanation)
      [[ $reason ]] || stop "app refused after its password was set ($refusal)" "it accepted" "See /var/log/mysql/error.log."
      say "accounts: whether app can use app was not tried: $reason"
      return
    fi
  fi
  if [[ $refusal ]]; then
    say "accounts: app has its password, and is refused: $refusal"
  else
    say "accounts: app can use app"
  fi
}

# The whole script has been read by now: nothing it runs can eat the rest of it from standard input.
main </dev/null
