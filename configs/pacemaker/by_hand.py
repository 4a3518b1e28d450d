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
    nodes = [(node, "") for node in cib.findall("configuration/nodes/node")]
    until_restart = [(state, " --lifetime reboot") for state in cib.findall("status/node_state")]
    for node, lifetime in nodes + until_restart:
        name = names.setdefault(node.get("id", ""), node.get("uname", ""))
        for nvpair in node.iter("nvpair"):
            if nvpair.get("value", "").lower() in _TRUE:
                if nvpair.get("name") == "standby":
                    # crmsh 5's `crm node online` ends another node's standby by root's SSH, which is closed.
                    end = f"crm_standby --node {name} --delete{lifetime}"
                    found.append(Setting(f"{name} in standby", end, bars=name))
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
