"""What the nodes of a cluster say of themselves, read; asking.py asks them; alarms/ judges whether all is well.

A node reads what it says itself too, to tell a person's monitoring: collector.py.
"""

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from configs.backup.documents import Verified
from operations.backup import state
from operations.backup.state import Backup
from operations.status import drbd, quorum
from operations.status.drbd import Drbd, Verify
from operations.status.quorum import WitnessStatus

_WANTED = (
    *("host", "has_left", "peer_in_turn", "crm_mon", "moves", "stays_off", "saved", "drbd", "file_systems", "listens"),
    *("watchdog", "cannot_ask", "tunnels", "kernel", "kernels", "time", "backup", "proof", "verify", "certificates"),
)
_WANTED_WITH_WITNESS = ("quorum", "qdevice")


@dataclass(frozen=True)
class FileSystem:
    """One file system.

    Args:
        percent, inodes_percent: how full it is, in bytes and in files.
        read_only: whether it takes no writes at all.
    """

    place: str
    percent: int
    inodes_percent: int
    read_only: bool


@dataclass(frozen=True)
class NodeFacts:
    """One node, in its own words.

    Args:
        name: the cluster's name for it.
        reached: whether it has answered; all else is empty where it has not.
        asked: whether it was to answer: a node that tells of itself asks no other one.
        host: its host name.
        has_left: whether it has left the cluster for its turn.
        peer_in_turn: whether it knows that the other one has.
        crm_mon: what its Pacemaker sees; None where that does not run.
        moves: names of the constraints that `crm resource move` has left.
        stays_off: the nodes that a person wants to stay off, and since when, as its Pacemaker has it on disk.
        saved: of when the configuration is that its Pacemaker has on disk.
        drbd: its DRBD; None where that is down.
        tunnels: seconds since the peer last answered in each tunnel that DRBD's traffic goes through, or may; infinite
            where it never has, None where the tunnel is down.
        file_systems: those that are mounted.
        listens: whether something listens at the database's port.
        watchdog: whether sbd runs, which holds its watchdog.
        cannot_ask: why the server could not be asked at the last monitor; empty where it could.
        kernels_without_drbd: releases of the kernels that are newer than the one that runs, and lack DRBD's module.
        backup: what has been noted of the backups where the data is; None where that is not, or there are none.
        proof: the last proof of a base that ran on it; None where none has.
        certificates_end: days until the first ends of the server's certificate and those that it rests on; None where
            there is none.
        verify: the last comparison of the two disks that ran on it; None where none has.
        votes: what Corosync's tools say of quorum and witness; empty where they were not asked.
    """

    name: str
    reached: bool = False
    asked: bool = True
    host: str = ""
    has_left: bool = False
    peer_in_turn: bool = False
    crm_mon: ElementTree.Element | None = None
    moves: tuple[str, ...] = ()
    stays_off: Mapping[str, str] = field(default_factory=dict[str, str])
    saved: str = ""
    drbd: Drbd | None = None
    tunnels: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    file_systems: tuple[FileSystem, ...] = ()
    listens: bool = False
    watchdog: bool = False
    cannot_ask: str = ""
    kernels_without_drbd: tuple[str, ...] = ()
    backup: Backup | None = None
    proof: Verified | None = None
    certificates_end: float | None = None
    verify: Verify | None = None
    votes: str = ""


@dataclass(frozen=True)
class ResourceStatus:
    """One running instance of a resource: where it is and in which role."""

    name: str
    node: str
    state: str


@dataclass(frozen=True)
class Facts:
    """The nodes, and what of their Pacemakers' views is believed."""

    nodes: tuple[NodeFacts, ...]
    witness: WitnessStatus | None = None

    @cached_property
    def views(self) -> list[ElementTree.Element]:
        """What each Pacemaker that answers sees."""
        return [node.crm_mon for node in self.nodes if node.crm_mon is not None]

    @cached_property
    def cluster(self) -> ElementTree.Element | None:
        """The view that is believed: the first with quorum, else the first."""
        return max(self.views, key=has_quorum, default=None)

    def everything(self, path: str) -> list[ElementTree.Element]:
        """Return what there is of something in the view that is believed."""
        return [] if self.cluster is None else self.cluster.findall(path)

    @cached_property
    def members(self) -> dict[str, dict[str, str]]:
        """What Pacemaker has of each node that it sees online, by name."""
        return {
            node.get("name", ""): dict(node.attrib)
            for node in self.everything("nodes/node")
            if node.get("online") == "true"
        }

    @cached_property
    def able(self) -> set[str]:
        """The members that may run what Pacemaker has, and so should have their copy of the data."""
        no = ("standby", "standby_onfail", "pending", "unclean", "shutdown")
        return {
            name
            for name, member in self.members.items()
            if "true" not in [member.get(key) for key in no] and member.get("health") != "red"
        }

    def is_in(self, name: str) -> bool:
        """Tell whether a node is in the cluster."""
        return name in self.members

    @cached_property
    def stays_off(self) -> Mapping[str, str]:
        """The nodes that a person wants to stay off, and since when: in the view that is believed, else in any."""
        believed = [node for node in self.nodes if node.crm_mon is not None and node.crm_mon is self.cluster]
        return next((node.stays_off for node in believed or self.nodes if node.reached), dict[str, str]())

    @cached_property
    def in_turn(self) -> set[str]:
        """The nodes that have left the cluster so that Azure can change their machines."""
        known = {other.name for node in self.nodes for other in self.nodes if node.peer_in_turn and other != node}
        return {node.name for node in self.nodes if node.has_left} | (known - self.members.keys())

    @cached_property
    def fenced_at(self) -> Mapping[str, float]:
        """When each node was last fenced, in seconds of the epoch, as far as Pacemaker remembers."""
        found: dict[str, float] = {}
        for event in self.everything("fence_history/fence_event[@status='success'][@completed]"):
            at = datetime.fromisoformat(event.get("completed", "").replace(" +", "+").replace(" -", "-")).timestamp()
            found[event.get("target", "")] = max(at, found.get(event.get("target", ""), at))
        return found

    @cached_property
    def resources(self) -> list[ResourceStatus]:
        """All instances that are somewhere."""
        return [] if self.cluster is None else _resources(self.cluster)

    @cached_property
    def started(self) -> list[str]:
        """Where the server is started.  In a split, both may say that they serve, each in its own view.

        On a node that is lost it is "Started" until that one has been fenced.
        """
        found: set[str] = set()
        for view in self.views:
            known = {node.get("name") for node in view.findall("nodes/node") if node.get("online") == "true"}
            found |= {
                resource.node
                for resource in _resources(view)
                if resource.name == "mysql-server" and resource.state == "Started" and resource.node in known
            }
        return sorted(found)

    @cached_property
    def serving(self) -> list[str]:
        """Where the server is started and, as far as the node can be asked, listens: Pacemaker may look away."""
        dumb = {node.name for node in self.nodes if node.reached and not node.listens}
        return [name for name in self.started if name not in dumb]

    @cached_property
    def backup(self) -> Backup | None:
        """What there is of the backups, as the node that has the data tells; None where there are none."""
        return next((node.backup for node in self.nodes if node.backup), None)

    @cached_property
    def proof(self) -> Verified | None:
        """The last proof of a base: it runs on the node that does not serve, and that changes."""
        found = [node.proof for node in self.nodes if node.proof]
        return max(found, key=lambda proof: proof.at, default=None)

    @cached_property
    def fence_devices(self) -> list[ElementTree.Element]:
        resources = self.everything("resources/resource")
        return [resource for resource in resources if resource.get("resource_agent", "").startswith("stonith:")]

    @cached_property
    def fence_device_ids(self) -> set[str]:
        return {device.get("id", "") for device in self.fence_devices}

    @property
    def counts_on_watchdogs(self) -> bool:
        """Whether a node counts as fenced by its watchdog where the fence agent has failed."""
        return any(_is_watchdog(device) for device in self.fence_devices)

    @cached_property
    def fencing(self) -> str:
        """Whether a node that fails will be fenced, in a few words."""
        options = next(iter(self.everything("summary/cluster_options")), None)
        if options is None:
            return "unknown: no node answers"
        if options.get("stonith-enabled") != "true":
            return "OFF: in a network split both nodes can serve"
        for device in self.fence_devices:
            for node in device.findall("node"):
                if not _is_watchdog(device) and device.get("role") == "Started" and device.get("failed") != "true":
                    agent = device.get("resource_agent", "").removeprefix("stonith:")
                    then = "; without Azure's API, the nodes' watchdogs" if self.counts_on_watchdogs else ""
                    return f"on, {agent} watched by {node.get('name')}{then}"
        return "NOT WORKING: no fence device is started"


def _is_watchdog(device: ElementTree.Element) -> bool:
    return device.get("resource_agent") == "stonith:fence_watchdog"


def has_quorum(view: ElementTree.Element) -> bool:
    """Tell whether a node's Pacemaker sees a coordinator and has quorum."""
    return view.find("summary/current_dc[@with_quorum='true']") is not None


def wanted(witness: str | None) -> tuple[str, ...]:
    """Return what configs/pacemaker/look.py is asked for."""
    return (*_WANTED, *(_WANTED_WITH_WITNESS if witness else ()))


def read(answers: Mapping[str, str | None], witness: str | None = None) -> Facts:
    """Read the nodes' answers.

    Args:
        answers: what configs/pacemaker/look.py has printed, by node; empty where it could not be run, and None where
            the node was not asked.
    """
    nodes = tuple(_read_node(name, answer) for name, answer in answers.items())
    votes = quorum.read(witness, {node.name: node.votes for node in nodes}) if witness else None
    return Facts(nodes, votes)


def _read_node(name: str, answer: str | None) -> NodeFacts:
    if answer is None:
        return NodeFacts(name, asked=False)
    try:
        seen: dict[str, Any] = json.loads(answer)
        crm_mon = ElementTree.fromstring(seen["crm_mon"]) if seen["crm_mon"] else None
    except (ValueError, ElementTree.ParseError):
        return NodeFacts(name)
    return NodeFacts(
        name=name,
        reached=True,
        host=seen["host"],
        has_left=seen["has_left"],
        peer_in_turn=seen["peer_in_turn"],
        crm_mon=crm_mon,
        moves=tuple(seen["moves"]),
        stays_off=seen["stays_off"] or {},
        saved=seen["saved"] or "",
        drbd=drbd.read(seen["drbd"]),
        tunnels=_tunnels(seen["tunnels"] or {}, seen["time"]),
        file_systems=tuple(FileSystem(**each) for each in seen["file_systems"]),
        listens=seen["listens"],
        watchdog=seen["watchdog"],
        cannot_ask=(seen["cannot_ask"] or "").strip(),
        kernels_without_drbd=tuple(
            release
            for release, has_drbd in sorted(seen["kernels"].items())
            if not has_drbd and _age(release) > _age(seen["kernel"])
        ),
        backup=state.read(seen["backup"], seen["time"]),
        proof=state.read_proof(seen["proof"]),
        certificates_end=_days_left(seen["certificates"], seen["time"]),
        verify=drbd.read_verify(seen["verify"]),
        votes="".join(seen.get(key) or "" for key in _WANTED_WITH_WITNESS),
    )


def _tunnels(told: Mapping[str, str | None], now: float) -> dict[str, float | None]:
    """Return the seconds since each tunnel's last handshake, of what `wg show NAME latest-handshakes` tells."""
    found: dict[str, float | None] = {}
    for name, handshakes in sorted(told.items()):
        last = max((int(line.split()[-1]) for line in (handshakes or "").splitlines()), default=0)
        found[name] = None if handshakes is None else now - last if last else math.inf
    return found


def _days_left(certificates: str | None, now: float) -> float | None:
    """Return the days from a time, in seconds of the epoch, until the first of some certificates ends."""
    if not certificates:
        return None
    # Where there are some: on a node the package that it needs comes with python3-azure.
    from components.certificates import CertificateError, first_end

    try:
        end = first_end(certificates)
    except CertificateError:  # of it `make drift` tells
        return None
    return None if end is None else (end.timestamp() - now) / 86400


def _age(release: str) -> list[int]:
    """Return what orders a kernel's release among others: 6.8.0-1021-azure is older than 6.11.0-1-azure."""
    return [int(number) for number in re.findall(r"\d+", release)]


def _resources(view: ElementTree.Element) -> list[ResourceStatus]:
    found: list[ResourceStatus] = []
    for resource in view.findall("resources//resource"):
        for node in resource.findall("node"):
            state = resource.get("role", "unknown")
            if resource.get("failed") == "true":
                state += " (failed)"
            found.append(ResourceStatus(resource.get("id", ""), node.get("name", ""), state))
    return sorted(found, key=lambda r: (r.name, r.node))
