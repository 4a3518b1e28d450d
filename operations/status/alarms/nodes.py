"""The nodes, and what a person has set for a time.

A function for each kind of alarm, which tells a line for each case of it.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from operations.status.alarms.pacemaker import BARRED, is_switched_off
from operations.status.facts import Facts, NodeFacts
from operations.words import listed


def node_lost(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        state = _how_gone(facts, node)
        if state and node.name not in facts.stays_off:
            yield state + _kept_alone(facts, node)


def node_stays_off(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if since := facts.stays_off.get(node.name):
            told = f"{node.name} is to stay off since {since} (make start NODE={node.name})"
            yield told + (_kept_alone(facts, node) if _how_gone(facts, node) else ", and is on")


def _kept_alone(facts: Facts, node: NodeFacts) -> str:
    others = [other for other in facts.nodes if other.name != node.name and other.drbd]
    alone = [other.name for other in others if other.drbd and not other.drbd.has_peer]
    return f": the data is kept only on {listed(alone)}" if alone else ""


def _how_gone(facts: Facts, node: NodeFacts) -> str:
    if node.name in facts.in_turn:
        return ""
    seen = next((each for each in facts.everything("nodes/node") if each.get("name") == node.name), None)
    unclean = ", and is to be fenced" if seen is not None and seen.get("unclean") == "true" else ""
    if facts.is_in(node.name):
        silent = node.asked and not node.reached
        return f"{node.name} cannot be reached by SSH, though the cluster has it" if silent else ""
    if not node.asked:
        return f"{node.name} is not in the cluster{unclean}" if facts.cluster is not None else ""
    if not node.reached and facts.cluster is None:
        return f"{node.name} cannot be reached by SSH (make ssh NODE={node.name} shows why)"
    if not node.reached:
        return f"{node.name} is not in the cluster{unclean}, and cannot be reached by SSH"
    if node.crm_mon is None:
        return f"{node.name} is not in the cluster: its Pacemaker does not run"
    return f"{node.name} is not in the cluster{unclean}: its Pacemaker runs, but does not see the other node's"


def node_joining(facts: Facts) -> Iterator[str]:
    for name, member in facts.members.items():
        if member.get("pending") == "true":
            yield f"{name} is just joining the cluster (pending)"


def node_in_turn(facts: Facts) -> Iterator[str]:
    for name in sorted(facts.in_turn):
        yield f"{name} has left the cluster for its machine's turn, and is not back"


def host_event_announced(facts: Facts) -> Iterator[str]:
    for name, member in facts.members.items():
        if member.get("health") == "red":
            yield f"{name} runs no resources until the event that Azure has announced for its host is over"


def host_name_differs(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        # In a domain it may have the domain's name behind its own (docs/architecture.md, "Names").
        if node.reached and node.host.partition(".")[0] != node.name:
            yield f"the host name of {node.name} is {node.host}, which is not the cluster's name for it"


def next_kernel_without_drbd(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        for release in node.kernels_without_drbd:
            yield (
                f"{node.name} has a newer kernel, {release}, without DRBD: after its next restart it would have no copy"
                " of the data"
            )


def set_by_hand(facts: Facts) -> Iterator[str]:
    options = next(iter(facts.everything("summary/cluster_options")), ElementTree.Element("none"))
    for_all = options.get("maintenance-mode") == "true"
    if for_all:
        yield "the cluster is in maintenance: Pacemaker monitors, starts, moves and fences nothing"
    if options.get("stop-all-resources") == "true":
        yield "all resources are stopped by the property stop-all-resources"
    resting = {name for name, member in facts.members.items() if member.get("maintenance") == "true"}
    for name in sorted(resting):
        yield f"{name} is in maintenance: Pacemaker monitors, starts and moves nothing there"
    for name, member in facts.members.items():
        if member.get("standby") == "true" and name not in facts.in_turn:
            yield f"{name} is in standby: it runs nothing, and keeps no copy of the data"
        elif member.get("standby_onfail") == "true":
            yield f"{name} is in standby after a failure: it runs nothing, and keeps no copy of the data"
    left: list[str] = []
    off: list[str] = []
    for resource in facts.everything("resources//resource"):
        places = {node.get("name", "") for node in resource.findall("node")}
        if resource.get("managed") == "false" and not for_all and not places & resting and (places or not resting):
            left.append(resource.get("id", ""))
        if is_switched_off(resource):
            off.append(resource.get("id", ""))
    if left:
        yield f"{listed(left)} unmanaged: Pacemaker does not start, stop or move it"
    if off:
        yield f"{listed(off)} switched off (target-role)"
    for ban in facts.everything("bans/ban"):
        if not ban.get("id", "").startswith(BARRED):
            yield f"{ban.get('resource')} is barred from {ban.get('node')} by the constraint {ban.get('id')}"
    believed = [node for node in facts.nodes if node.crm_mon is not None and node.crm_mon is facts.cluster]
    for move in [move for node in believed for move in node.moves]:
        yield f"the constraint {move} of `crm resource move` still decides where something runs"
