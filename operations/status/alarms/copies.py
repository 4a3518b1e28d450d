"""The two copies of the data.

A function for each kind of alarm, which tells a line for each case of it.
"""

import math
from collections.abc import Iterator

from operations.status.alarms.pacemaker import BARRED
from operations.status.drbd import Drbd
from operations.status.facts import Facts, NodeFacts
from operations.words import listed

# What one session of WireGuard's lasts at most (REJECT_AFTER_TIME of its paper); a peer that answers makes a new one
# after two minutes.
_SILENT_SECONDS = 180


def drbd_standalone(facts: Facts) -> Iterator[str]:
    alone = [node.name for node in facts.nodes if node.drbd and node.drbd.connection == "StandAlone"]
    if alone:
        yield f"DRBD is StandAlone on {listed(alone)}: the data is not copied"


def newest_data_unknown(facts: Facts) -> Iterator[str]:
    unsure = _unsure(facts)
    if unsure:
        yield (
            f"{listed(unsure)} may have old data, since it has not met the other node since it started: nobody serves"
            " until they meet"
        )


def data_disk_fails(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if _has_lost_its_disk(node):
            yield f"the data disk of {node.name} has failed: DRBD has detached it, so only one copy is left"


def blocks_differ(facts: Facts) -> Iterator[str]:
    differing = max((node.drbd.differing for node in facts.nodes if node.drbd), default=0)
    if differing:
        yield f"{differing} KiB differ on the two data disks, though both count as up to date: one of them is wrong"


def tunnel_fails(facts: Facts) -> Iterator[str]:
    alone = any(node.drbd and not node.drbd.has_peer for node in facts.nodes)
    kept = ": only one copy of the data is kept" if alone else ""
    down = [(node.name, name) for node in facts.nodes for name, silence in node.tunnels.items() if silence is None]
    for node, name in down:
        yield f"the tunnel {name} is down on {node}{kept}"
    for node in facts.nodes:
        others = [other for other in facts.nodes if other.name != node.name]
        if down or node.name not in facts.able or any(_explains_its_absence(facts, other) for other in others):
            continue
        for name, silence in node.tunnels.items():
            if silence is not None and silence > _SILENT_SECONDS:
                since = "never answered" if silence == math.inf else f"not answered for {int(silence)} s"
                names = listed([other.name for other in others])
                yield f"{names} has {since}, as {node.name} sees it, through the tunnel {name}{kept}"


def one_copy(facts: Facts) -> Iterator[str]:
    copies = [node for node in facts.nodes if node.drbd and node.drbd.synced]
    for node in sorted(copies, key=lambda node: node.drbd is not None and "Target" not in node.drbd.connection)[:1]:
        yield _copying(facts, node)
    waiting: list[NodeFacts] = []
    for node in facts.nodes:
        if copies or node.name not in facts.able or not node.reached or node.name in facts.in_turn:
            continue
        others = [other for other in facts.nodes if other.name != node.name]
        if node.drbd is None:
            seen = any(other.drbd or not other.asked for other in others)
            kept = f": the data is kept only on {listed([other.name for other in others])}"
            yield f"DRBD is down on {node.name}{kept if seen else ', and no other copy can be seen'}"
        elif node.drbd.connection == "StandAlone" or _has_lost_its_disk(node) or node.name in _unsure(facts):
            continue
        elif not node.drbd.has_peer:
            if not any(_explains_its_absence(facts, other) for other in others):
                waiting.append(node)
        elif node.drbd.disks[0] != "UpToDate":
            yield f"the copy on {node.name} is {node.drbd.disks[0]}: the data is kept only on the other node"
    if waiting and not any(tunnel_fails(facts)):
        states = "/".join(dict.fromkeys(node.drbd.connection for node in waiting if node.drbd))
        names = listed([node.name for node in waiting])
        yield f"DRBD on {names} has no connection ({states}): only one copy of the data is kept"


def barred_from_promotion(facts: Facts) -> Iterator[str]:
    disks = [node.drbd for node in facts.nodes if node.reached]
    if all(disk and disk.has_peer and disk.disks == ("UpToDate", "UpToDate") and not disk.differing for disk in disks):
        for ban in facts.everything("bans/ban"):
            name = ban.get("id", "")
            if name.startswith(BARRED):
                yield f"{ban.get('node')} is barred from promotion by the constraint {name}, although its copy is whole"


def _copying(facts: Facts, node: NodeFacts) -> str:
    assert node.drbd is not None
    others = listed([other.name for other in facts.nodes if other.name != node.name])
    target, source = (node.name, others) if "Target" in node.drbd.connection else (others, node.name)
    speed = f", at {node.drbd.speed / 1024:.1f} MiB/s" if node.drbd.speed else ""
    left = "it makes no progress" if node.drbd.stalled else f"{node.drbd.finish or 'an unknown time'} to go{speed}"
    return (
        f"{target} copies from {source} what it has missed, {node.drbd.synced} % done, {left}: until then the data is"
        f" kept only on {source}"
    )


def _has_lost_its_disk(node: NodeFacts) -> bool:
    return node.drbd is not None and node.drbd.disks[0] in ("Diskless", "Failed", "Detaching")


def _unsure(facts: Facts) -> list[str]:
    """Return the nodes that do not know whether theirs is the newest data, where nobody serves."""
    if facts.started:
        return []
    return [node.name for node in facts.nodes if node.drbd and node.drbd.disks[0] == "Consistent"]


def _explains_its_absence(facts: Facts, node: NodeFacts) -> bool:
    """Tell whether another alarm says why this node's DRBD is not there."""
    disk: Drbd | None = node.drbd
    if not node.asked:
        return node.name not in facts.able
    return (
        node.name not in facts.able
        or not node.reached
        or node.name in facts.in_turn
        or disk is None
        or disk.connection == "StandAlone"
    )
