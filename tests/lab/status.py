"""What the cluster says of itself, asked over SSH."""

import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from tests.lab.nodes import Node

_ASK = "crm_mon --output-as=xml; echo; echo drbd: $(drbdadm role r0) $(drbdadm cstate r0) $(drbdadm dstate r0)"


@dataclass(frozen=True)
class NodeStatus:
    """One node: `online` in Pacemaker's eyes, the rest in DRBD's own; "unknown" where it cannot be asked."""

    name: str
    online: bool
    standby: bool
    drbd_role: str
    drbd_connection: str
    drbd_disk: str


@dataclass(frozen=True)
class ResourceStatus:
    """One running instance of a resource: where it is and in which role."""

    name: str
    node: str
    state: str


@dataclass(frozen=True)
class Status:
    """The cluster as a whole. `serving` is the one node that serves, None where it is not exactly one."""

    endpoint: dict[str, Any]
    loopback: Mapping[str, Any] | None
    nodes: list[NodeStatus]
    resources: list[ResourceStatus]
    serving: str | None
    fencing: str
    alarms: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return it in the form of `status --json`."""
        return asdict(self)

    def as_text(self) -> str:
        """Return it for a person."""
        lines = [f"endpoint  {self.endpoint['host']}:{self.endpoint['port']}, served by {self.serving or 'NOBODY'}"]
        if self.loopback:
            lines.append(f"          on this machine at {self.loopback['host']}:{self.loopback['port']}")
        for node in self.nodes:
            state = ("standby" if node.standby else "online") if node.online else "OFFLINE"
            drbd = f"{node.drbd_role}, {node.drbd_connection}, {node.drbd_disk}"
            lines.append(f"node      {node.name:16} {state:8} DRBD {drbd}")
        lines += [f"resource  {r.name:16} {r.state:12} on {r.node}" for r in self.resources]
        lines.append(f"fencing   {self.fencing}")
        lines += [f"ALARM     {alarm}" for alarm in self.alarms]
        return "\n".join(lines)


def read(nodes: Sequence[Node], endpoint: dict[str, Any], loopback: Mapping[str, Any] | None = None) -> Status:
    """Ask every node, and believe Pacemaker where any of them runs it.

    Args:
        nodes: the nodes to ask.
        endpoint: host and port of the endpoint.
        loopback: host and port by which the endpoint answers on this machine, if it does.
    """
    with ThreadPoolExecutor() as pool:
        answers = dict(zip((node.name for node in nodes), pool.map(_ask, nodes), strict=True))
    views = [root for root, _ in answers.values() if root is not None]
    cluster = next(iter(views), None)
    members = {} if cluster is None else {n.get("name"): n for n in cluster.findall("nodes/node")}
    node_statuses: list[NodeStatus] = []
    for node in nodes:
        member = members.get(node.name)
        role, connection, disk = answers[node.name][1]
        node_statuses.append(
            NodeStatus(
                name=node.name,
                online=member is not None and member.get("online") == "true",
                standby=member is not None and member.get("standby") == "true",
                drbd_role=role,
                drbd_connection=connection,
                drbd_disk=disk,
            )
        )
    resources = [] if cluster is None else _resources(cluster)
    # Each node's own view: in a split, both may say that they serve.
    serving = sorted(
        {r.node for view in views for r in _resources(view) if r.name == "mysql-probe" and r.state == "Started"}
    )
    return Status(
        endpoint=endpoint,
        loopback=loopback,
        nodes=node_statuses,
        resources=resources,
        serving=serving[0] if len(serving) == 1 else None,
        alarms=_alarms(node_statuses, serving),
        fencing=_fencing(cluster),
    )


def _ask(node: Node) -> tuple[ElementTree.Element | None, tuple[str, str, str]]:
    try:
        text = node.run(_ASK, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        text = ""
    document, _, drbd = text.partition("\ndrbd: ")
    try:
        root = ElementTree.fromstring(document) if document.strip() else None
    except ElementTree.ParseError:
        root = None
    words = drbd.split()
    if len(words) != 3:
        return root, ("unknown", "unknown", "unknown")
    return root, (words[0].split("/")[0], words[1], words[2].split("/")[0])


def _resources(cluster: ElementTree.Element) -> list[ResourceStatus]:
    found: list[ResourceStatus] = []
    for resource in cluster.findall("resources//resource"):
        for node in resource.findall("node"):
            state = resource.get("role", "unknown")
            if resource.get("failed") == "true":
                state += " (failed)"
            found.append(ResourceStatus(resource.get("id", ""), node.get("name", ""), state))
    return sorted(found, key=lambda r: (r.name, r.node))


def _alarms(nodes: Sequence[NodeStatus], serving: Sequence[str]) -> list[str]:
    alarms: list[str] = []
    if len(serving) > 1:
        alarms.append(f"{' and '.join(serving)} both serve: their data parts ways. docs/operations.md, split brain")
    alone = [node.name for node in nodes if node.drbd_connection == "StandAlone"]
    if alone:
        alarms.append(f"DRBD is StandAlone on {' and '.join(alone)}: no copy is kept. docs/operations.md, split brain")
    return alarms


def _fencing(cluster: ElementTree.Element | None) -> str:
    options = None if cluster is None else cluster.find("summary/cluster_options")
    if options is None:
        return "unknown: no node answers"
    if options.get("stonith-enabled") == "true":
        return "on"
    return "OFF: a network split can let both nodes serve"
