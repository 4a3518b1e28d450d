"""All that can be wrong with a cluster, and the page of docs/operations that says what to do.

`KINDS` is the list, the worst first. A kind is a function from the nodes' facts to lines; it keeps silent about what
another kind tells as the cause. docs/operations/README.md has the list too, held against this one by a unit test.
"""

import html
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from components.remote import MOUNT_POINT
from operations.status.drbd import Drbd
from operations.status.facts import Facts, FileSystem, NodeFacts, has_quorum

FULL_PERCENT = 90
"""From where on somebody should see to a file system: a server that has no byte left may not start again."""

# Each node notes a time of its own for the same change, when it comes to it.
_SAVED_WITHIN_SECONDS = 30

# DRBD's fence-peer handler, and what looks at blocks that differ, bar a node from promotion by it.
_BARRED = "drbd-fence-by-handler"


@dataclass(frozen=True)
class Alarm:
    """One thing that is not as it should be.

    Args:
        text: what, in a line without a full stop.
        page: the page that says what to do: a file of docs/operations, without .md.
    """

    text: str
    page: str

    def __str__(self) -> str:
        """Return it for a person."""
        return f"{self.text}. docs/operations/{self.page}.md"


@dataclass(frozen=True)
class Kind:
    """One kind of alarm.

    Args:
        what: what is wrong, for the list in docs/operations/README.md.
        page: as an alarm's.
        find: tells a line for each case of it.
    """

    what: str
    page: str
    find: Callable[[Facts], Iterator[str]]


def find(facts: Facts) -> list[Alarm]:
    """Return all that is not as it should be, the worst first."""
    return [Alarm(text, kind.page) for kind in KINDS for text in kind.find(facts)]


# Who serves


def _both_serve(facts: Facts) -> Iterator[str]:
    if len(facts.started) > 1:
        yield f"{_all(facts.started)} both serve: their data parts ways"


def _nobody_serves(facts: Facts) -> Iterator[str]:
    if facts.serving:
        return
    if facts.cluster is None:
        yield "nobody serves that can be seen: Pacemaker answers on no node"
    elif facts.started:
        yield (
            f"nobody serves: Pacemaker takes the server on {_all(facts.started)} for started, and nothing listens at"
            " its port 3306"
        )
    else:
        states = [f"the server is {r.state} on {r.node}" for r in facts.resources if r.name == "mysql-server"]
        failures = [
            f"{failure.get('op_key', '').rpartition('_')[0].replace('_', ' ')} failed on {failure.get('node')}"
            f" ({_reason(failure)})"
            for failure in _failures(facts)
            if failure.get("op_key", "").startswith(("mysql-", "drbd-"))
        ]
        yield ": ".join(["nobody serves", *filter(None, ["; ".join(dict.fromkeys([*states, *failures]))])])


def _no_quorum(facts: Facts) -> Iterator[str]:
    without = [node.name for node in facts.nodes if node.crm_mon is not None and not has_quorum(node.crm_mon)]
    if without and len(without) == len(facts.views):
        coordinated = facts.everything("summary/current_dc[@present='true']")
        yield (
            "there is no quorum, so nothing is served"
            if coordinated
            else ("the cluster has no coordinator, so nothing is started or moved")
        )
    elif without:
        yield f"{_all(without)} has no quorum, and so serves nothing"


# Fencing


def _fencing_fails(facts: Facts) -> Iterator[str]:
    latest: dict[str, ElementTree.Element] = {}
    for event in facts.everything("fence_history/fence_event"):  # the newest first
        latest.setdefault(event.get("target", ""), event)
    for target, event in sorted(latest.items()):
        if not facts.is_in(target) and event.get("status") != "success":
            yield (
                f"fencing of {target} is {event.get('status')}{_because(event.get('exit-reason'))}: what it may still"
                " serve is served by nobody else"
            )


def _cannot_fence(facts: Facts) -> Iterator[str]:
    devices = {device.get("id") for device in facts.fence_devices}
    failed = [failure for failure in _failures(facts) if _resource_of(failure) in devices]
    for failure in failed:
        place = f"{failure.get('node')} ({_reason(failure)})"
        yield f"the fence device has failed on {place}: a node that fails may not be fenced"
    if not failed and facts.fencing.startswith("NOT") and any(has_quorum(view) for view in facts.views):
        yield "no fence device is started: a node that fails is not fenced, and nobody takes over from it"


def _writes_stand_still(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if node.drbd and node.drbd.suspended:
            yield f"writes on {node.name} stand still until the other node has been fenced or is back"


# The two copies of the data


def _parted(facts: Facts) -> Iterator[str]:
    alone = [node.name for node in facts.nodes if node.drbd and node.drbd.connection == "StandAlone"]
    if alone:
        yield f"DRBD is StandAlone on {_all(alone)}: no copy is kept"


def _old_data(facts: Facts) -> Iterator[str]:
    unsure = _unsure(facts)
    if unsure:
        yield (
            f"{_all(unsure)} may have old data, not having met the other node since its start: nobody serves before"
            " they meet"
        )


def _disk_fails(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if _has_lost_its_disk(node):
            yield f"the data disk of {node.name} has failed: DRBD has let go of it, and one copy of the data is left"


def _blocks_differ(facts: Facts) -> Iterator[str]:
    differing = max((node.drbd.differing for node in facts.nodes if node.drbd), default=0)
    if differing:
        yield f"{differing} KiB differ on the two data disks, both of which count as whole: one of them is wrong there"


def _one_copy(facts: Facts) -> Iterator[str]:
    copies = [node for node in facts.nodes if node.drbd and node.drbd.synced]
    for node in sorted(copies, key=lambda node: node.drbd is not None and "Target" not in node.drbd.connection)[:1]:
        yield _copying(facts, node)
    waiting: list[NodeFacts] = []
    for node in facts.nodes:
        if copies or node.name not in facts.able or not node.reached or node.has_left:
            continue
        others = [other for other in facts.nodes if other.name != node.name]
        if node.drbd is None:
            yield f"DRBD is down on {node.name}: the data is kept on {_all([other.name for other in others])} alone"
        elif node.drbd.connection == "StandAlone" or _has_lost_its_disk(node) or node.name in _unsure(facts):
            continue
        elif not node.drbd.has_peer:
            if not any(_explains_its_absence(facts, other) for other in others):
                waiting.append(node)
        elif node.drbd.disks[0] != "UpToDate":
            yield f"the copy on {node.name} is {node.drbd.disks[0]}: the data is kept on the other node alone"
    if waiting:
        states = "/".join(dict.fromkeys(node.drbd.connection for node in waiting if node.drbd))
        names = _all([node.name for node in waiting])
        yield f"DRBD on {names} has no connection ({states}): one copy of the data is kept"


def _barred(facts: Facts) -> Iterator[str]:
    disks = [node.drbd for node in facts.nodes if node.reached]
    if all(disk and disk.has_peer and disk.disks == ("UpToDate", "UpToDate") and not disk.differing for disk in disks):
        for ban in facts.everything("bans/ban"):
            name = ban.get("id", "")
            if name.startswith(_BARRED):
                yield f"{ban.get('node')} is barred from promotion though its copy is whole: the constraint {name}"


def _copying(facts: Facts, node: NodeFacts) -> str:
    assert node.drbd is not None
    others = _all([other.name for other in facts.nodes if other.name != node.name])
    target, source = (node.name, others) if "Target" in node.drbd.connection else (others, node.name)
    speed = f", at {node.drbd.speed / 1024:.1f} MiB/s" if node.drbd.speed else ""
    left = "it does not get on" if node.drbd.stalled else f"{node.drbd.finish or 'an unknown time'} to go{speed}"
    return (
        f"{target} copies from {source} what it has missed, {node.drbd.synced} % done, {left}: until then the data is"
        f" kept on {source} alone"
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
    return (
        node.name not in facts.able
        or not node.reached
        or node.has_left
        or disk is None
        or disk.connection == "StandAlone"
    )


# The nodes


def _gone(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        state = _how_gone(facts, node)
        if not state:
            continue
        others = [other for other in facts.nodes if other.name != node.name and other.drbd]
        alone = [other.name for other in others if other.drbd and not other.drbd.has_peer]
        yield state + (f": the data is kept on {_all(alone)} alone" if alone else "")


def _how_gone(facts: Facts, node: NodeFacts) -> str:
    if node.has_left:
        return ""
    seen = next((each for each in facts.everything("nodes/node") if each.get("name") == node.name), None)
    unclean = ", and is to be fenced" if seen is not None and seen.get("unclean") == "true" else ""
    if facts.is_in(node.name):
        return "" if node.reached else f"{node.name} cannot be reached by SSH, though the cluster has it"
    if not node.reached:
        return f"{node.name} is not in the cluster{unclean}, and cannot be reached by SSH"
    if node.crm_mon is None:
        return f"{node.name} is not in the cluster: its Pacemaker does not run"
    return f"{node.name} is not in the cluster{unclean}: its Pacemaker runs, and does not see the other's"


def _joining(facts: Facts) -> Iterator[str]:
    for name, member in facts.members.items():
        if member.get("pending") == "true":
            yield f"{name} is only just joining the cluster (pending)"


def _in_its_turn(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if node.has_left:
            yield f"{node.name} has left the cluster for its machine's turn, and is not back"


def _announced(facts: Facts) -> Iterator[str]:
    for name, member in facts.members.items():
        if member.get("health") == "red":
            yield f"{name} is kept free of resources until the event that Azure has announced for its host is over"


def _host_name(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        # In a domain it may have the domain's name behind its own (docs/architecture.md, "Names").
        if node.reached and node.host.partition(".")[0] != node.name:
            yield f"the host name of {node.name} is {node.host}, which is not the cluster's name for it"


# What a person has set for a time


def _by_hand(facts: Facts) -> Iterator[str]:
    options = next(iter(facts.everything("summary/cluster_options")), ElementTree.Element("none"))
    for_all = options.get("maintenance-mode") == "true"
    if for_all:
        yield "the cluster is in maintenance: Pacemaker looks at nothing, and starts, moves and fences nothing"
    if options.get("stop-all-resources") == "true":
        yield "all resources are stopped by the property stop-all-resources"
    resting = {name for name, member in facts.members.items() if member.get("maintenance") == "true"}
    for name in sorted(resting):
        yield f"{name} is in maintenance: Pacemaker looks at nothing there, and starts and moves nothing"
    for name, member in facts.members.items():
        if member.get("standby") == "true" and name not in [node.name for node in facts.nodes if node.has_left]:
            yield f"{name} is in standby: it runs nothing, and no copy of the data is kept there"
        elif member.get("standby_onfail") == "true":
            yield f"{name} is in standby after a failure: it runs nothing, and no copy of the data is kept there"
    left: list[str] = []
    off: list[str] = []
    for resource in facts.everything("resources//resource"):
        places = {node.get("name", "") for node in resource.findall("node")}
        if resource.get("managed") == "false" and not for_all and not places & resting and (places or not resting):
            left.append(resource.get("id", ""))
        if _is_switched_off(resource):
            off.append(resource.get("id", ""))
    if left:
        yield f"{_all(left)} unmanaged: Pacemaker neither starts nor stops nor moves that"
    if off:
        yield f"{_all(off)} switched off (target-role)"
    for ban in facts.everything("bans/ban"):
        if not ban.get("id", "").startswith(_BARRED):
            yield f"{ban.get('resource')} is barred from {ban.get('node')} by the constraint {ban.get('id')}"
    believed = [node for node in facts.nodes if node.crm_mon is not None and node.crm_mon is facts.cluster]
    for move in [move for node in believed for move in node.moves]:
        yield f"the constraint {move} of `crm resource move` still says where something is to run"


# The resources


def _cannot_ask(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if node.cannot_ask:
            yield f"the server on {node.name} could not be asked how it is, and is left as it is ({node.cannot_ask})"


def _resource_fails(facts: Facts) -> Iterator[str]:
    devices = {device.get("id") for device in facts.fence_devices}
    resources = facts.everything("resources//resource")
    ignored = {resource.get("id") for resource in resources if resource.get("failure_ignored") == "true"}
    for node in sorted(facts.everything("node_history/node"), key=lambda node: node.get("name", "")):
        for history in node.findall("resource_history"):
            resource, count = history.get("id", "").partition(":")[0], _number(history.get("fail-count"))
            if resource not in devices | ignored and count >= _number(history.get("migration-threshold")) > 0:
                yield f"{resource} has failed on {node.get('name')}, and may not run there until that is forgotten"
    for resource in resources:
        name, place = resource.get("id"), _all([node.get("name", "") for node in resource.findall("node")])
        if resource.get("blocked") == "true":
            yield f"{name} is blocked on {place}: it could not be stopped, and Pacemaker does nothing more with it"
        elif resource.get("failed") == "true" and name not in devices | ignored:
            yield f"{name} has failed on {place}"
    # Where nobody serves, another alarm says so; and with a standby or a ban it is somebody's will.
    if facts.serving and not facts.everything("bans/ban"):
        yield from _stopped(facts, devices)


def _stopped(facts: Facts, devices: set[str | None]) -> Iterator[str]:
    running = {(resource.name, resource.node) for resource in facts.resources}
    for clone in facts.everything("resources/clone"):
        # Of DRBD's, the kernel says more.
        names = {resource.get("id", "") for resource in clone.findall("resource")} - {"drbd-r0"}
        for name, node in sorted((name, node) for name in names for node in facts.able if (name, node) not in running):
            yield f"{name} does not run on {node}"
    for resource in [*facts.everything("resources/resource"), *facts.everything("resources/group/resource")]:
        is_off = resource.get("role") == "Stopped" and not resource.get("pending")
        if is_off and not _is_switched_off(resource) and resource.get("id") not in devices:
            yield f"{resource.get('id')} runs nowhere"


def _is_switched_off(resource: ElementTree.Element) -> bool:
    return resource.get("target_role", "").lower() in ("stopped", "slave", "unpromoted")


# The file systems


def _data_full(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        for each in node.file_systems:
            if each.place == MOUNT_POINT:
                yield from _full(f"the database's file system on {node.name}", each)


def _system_full(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        for each in node.file_systems:
            # Others are read-only by nature.
            if each.place == "/" or (each.place != MOUNT_POINT and not each.read_only):
                yield from _full(f"the file system {each.place} on {node.name}", each)


def _not_saved(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        changed = None if node.crm_mon is None else node.crm_mon.find("summary/last_change")
        if changed is not None and _seconds_from(node.saved, changed.get("time", "")) > _SAVED_WITHIN_SECONDS:
            yield (
                f"Pacemaker on {node.name} has stopped saving the cluster's configuration: that on its disk is of"
                f" {node.saved}"
            )


def _seconds_from(before: str, after: str) -> float:
    """Return the seconds between two times as Pacemaker writes them; 0 where it writes otherwise."""
    try:
        begin, end = (datetime.strptime(time, "%a %b %d %H:%M:%S %Y") for time in (before, after))
    except ValueError:
        return 0
    return (end - begin).total_seconds()


def _full(what: str, each: FileSystem) -> Iterator[str]:
    if each.read_only:
        yield f"{what} takes no writes (read-only)"
    elif each.percent >= FULL_PERCENT:
        yield f"{what} is {each.percent} % full"
    elif each.inodes_percent >= FULL_PERCENT:
        yield f"{what} has {each.inodes_percent} % of its inodes in use: it will take no further file"


# The witness


def _witness(facts: Facts) -> Iterator[str]:
    witness = facts.witness
    if witness is None or not witness.votes:
        return
    if witness.unreached_by:
        yield (
            f"the witness {witness.name} is not reached by {_all(witness.unreached_by)}: the loss of a node may stop"
            " the service"
        )
    elif witness.votes < witness.expected_votes and all(facts.is_in(node.name) for node in facts.nodes):
        yield f"{witness.votes} of {witness.expected_votes} votes are there: the loss of a node may stop the service"


KINDS: Sequence[Kind] = (
    Kind("both nodes serve", "split-brain", _both_serve),
    Kind("nobody serves", "nobody-serves", _nobody_serves),
    Kind("there is no quorum, or no coordinator", "reading-crm-mon", _no_quorum),
    Kind("the fencing of a node is pending or has failed", "fencing", _fencing_fails),
    Kind("the fence device has failed, or is not started", "fencing", _cannot_fence),
    Kind("writes stand still until a node has been fenced", "fencing", _writes_stand_still),
    Kind("DRBD is StandAlone", "split-brain", _parted),
    Kind("nobody serves since nobody knows whose data is the newest", "both-off", _old_data),
    Kind("a data disk has failed", "failed-disk", _disk_fails),
    Kind("blocks of the two data disks differ", "blocks-differ", _blocks_differ),
    Kind("a node is not in the cluster, or cannot be reached by SSH", "lost-node", _gone),
    Kind("a node has left for its machine's turn", "machines-in-turn", _in_its_turn),
    Kind("a node is just joining", "reading-crm-mon", _joining),
    Kind("one copy of the data is kept, or copied", "one-copy", _one_copy),
    Kind("a node with a whole copy is barred from promotion", "one-copy", _barred),
    Kind("the server could not be asked how it is", "cannot-ask", _cannot_ask),
    Kind("a resource has failed, is blocked, or runs nowhere", "failed-resource", _resource_fails),
    Kind("the database's file system is full, or read-only", "full-disk", _data_full),
    Kind("another file system of a node is full, or read-only", "full-system-disk", _system_full),
    Kind("a node does not save the cluster's configuration", "full-system-disk", _not_saved),
    Kind("maintenance, standby, unmanaged, switched off, banned, moved", "planned-maintenance", _by_hand),
    Kind("Azure has announced an event for a node's host", "host-reboot", _announced),
    Kind("a node's host name is not the cluster's name for it", "host-name", _host_name),
    Kind("the witness is not reached, or a vote is missing", "lost-witness", _witness),
)


def _failures(facts: Facts) -> list[ElementTree.Element]:
    return facts.everything("failures/failure")


def _resource_of(failure: ElementTree.Element) -> str:
    """Return the resource that has failed; its key is such as "mysql-server_monitor_5000"."""
    return failure.get("op_key", "").rpartition("_")[0].rpartition("_")[0]


def _reason(failure: ElementTree.Element) -> str:
    """Return why something has failed; crm_mon escapes an agent's words twice."""
    return html.unescape(failure.get("exitreason") or failure.get("exitstatus") or "no reason given")


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _all(names: Sequence[str]) -> str:
    """Return names in a sentence, each once."""
    return " and ".join(dict.fromkeys(names))


def _number(text: str | None) -> int:
    """Return a count of Pacemaker's, which calls endless INFINITY or 1000000."""
    return 1_000_000 if text == "INFINITY" else int(text or 0)
