"""What the cluster says of itself, asked over SSH."""

import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from components.remote import MOUNT_POINT
from tests.lab import quorum
from tests.lab.nodes import Node
from tests.lab.quorum import WitnessStatus

_ASK = (
    "crm_mon --output-as=xml; echo; echo drbd: $(drbdadm role r0) $(drbdadm cstate r0) $(drbdadm dstate r0)"
    f" $(mountpoint --quiet {MOUNT_POINT} && df --output=pcent {MOUNT_POINT} | tail --lines 1)"
)

_FULL_PERCENT = 90
"""From where on somebody should see to the file system: a server that has no byte left may not start again."""


@dataclass(frozen=True)
class NodeStatus:
    """One node: `online` in Pacemaker's eyes, what is of DRBD in its own; "unknown" where it cannot be asked.

    `used_percent` is of the database's file system, None where that is not mounted.
    """

    name: str
    online: bool
    standby: bool
    drbd_role: str
    drbd_connection: str
    drbd_disk: str
    used_percent: int | None = None


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
    witness: WitnessStatus | None
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
        if self.witness:
            lines.append(self.witness.as_text())
        lines.append(f"fencing   {self.fencing}")
        lines += [f"ALARM     {alarm}" for alarm in self.alarms]
        return "\n".join(lines)


def read(
    nodes: Sequence[Node],
    endpoint: dict[str, Any],
    loopback: Mapping[str, Any] | None = None,
    witness: str | None = None,
) -> Status:
    """Ask every node, and believe Pacemaker where any of them runs it.

    Args:
        nodes: the nodes to ask.
        endpoint: host and port of the endpoint.
        loopback: host and port by which the endpoint answers on this machine, if it does.
        witness: the witness's name, if there is one.
    """
    with ThreadPoolExecutor() as pool:
        votes = pool.submit(quorum.read, witness, nodes) if witness else None
        answers = dict(zip((node.name for node in nodes), pool.map(_ask, nodes), strict=True))
    witness_status = votes.result() if votes else None
    views = [root for root, _ in answers.values() if root is not None]
    cluster = next(iter(views), None)
    members = {} if cluster is None else {n.get("name"): n for n in cluster.findall("nodes/node")}
    node_statuses: list[NodeStatus] = []
    for node in nodes:
        member = members.get(node.name)
        role, connection, disk, used = answers[node.name][1]
        node_statuses.append(
            NodeStatus(
                name=node.name,
                online=member is not None and member.get("online") == "true",
                standby=member is not None and member.get("standby") == "true",
                drbd_role=role,
                drbd_connection=connection,
                drbd_disk=disk,
                used_percent=int(used) if used else None,
            )
        )
    resources = [] if cluster is None else _resources(cluster)
    # Each node's own view: in a split, both may say that they serve.
    serving = sorted({node for view in views for node in _serving(view)})
    return Status(
        endpoint=endpoint,
        loopback=loopback,
        nodes=node_statuses,
        resources=resources,
        serving=serving[0] if len(serving) == 1 else None,
        witness=witness_status,
        alarms=[
            *_alarms(node_statuses, serving),
            *_cluster_alarms(cluster),
            *(witness_status.alarms() if witness_status else []),
        ],
        fencing=_fencing(cluster),
    )


def _ask(node: Node) -> tuple[ElementTree.Element | None, tuple[str, str, str, str]]:
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
    if len(words) < 3:
        return root, ("unknown", "unknown", "unknown", "")
    role, connection, disks, *used = words
    return root, (role.split("/")[0], connection, disks.split("/")[0], "".join(used).removesuffix("%"))


def _resources(cluster: ElementTree.Element) -> list[ResourceStatus]:
    found: list[ResourceStatus] = []
    for resource in cluster.findall("resources//resource"):
        for node in resource.findall("node"):
            state = resource.get("role", "unknown")
            if resource.get("failed") == "true":
                state += " (failed)"
            found.append(ResourceStatus(resource.get("id", ""), node.get("name", ""), state))
    return sorted(found, key=lambda r: (r.name, r.node))


def _serving(cluster: ElementTree.Element) -> set[str]:
    """Return where the server runs.  On a node that is lost it is "Started" until that one has been fenced."""
    known = {node.get("name") for node in cluster.findall("nodes/node") if node.get("online") == "true"}
    return {
        resource.node
        for resource in _resources(cluster)
        if resource.name == "mysql-server" and resource.state == "Started" and resource.node in known
    }


def _alarms(nodes: Sequence[NodeStatus], serving: Sequence[str]) -> list[str]:
    alarms: list[str] = []
    if len(serving) > 1:
        alarms.append(f"{' and '.join(serving)} both serve: their data parts ways. docs/operations/split-brain.md")
    alone = [node.name for node in nodes if node.drbd_connection == "StandAlone"]
    if alone:
        alarms.append(f"DRBD is StandAlone on {' and '.join(alone)}: no copy is kept. docs/operations/split-brain.md")
    unsure = [node.name for node in nodes if node.drbd_disk == "Consistent"]
    if unsure and not serving:
        alarms.append(
            f"{' and '.join(unsure)} may have old data, not having met the other node since its start: nobody serves"
            " before they meet. docs/operations/both-off.md"
        )
    alarms += [
        f"the database's file system on {node.name} is {node.used_percent} % full. docs/operations/full-disk.md"
        for node in nodes
        if (node.used_percent or 0) >= _FULL_PERCENT
    ]
    return alarms


def _fencing(cluster: ElementTree.Element | None) -> str:
    options = None if cluster is None else cluster.find("summary/cluster_options")
    if cluster is None or options is None:
        return "unknown: no node answers"
    if options.get("stonith-enabled") != "true":
        return "OFF: a network split can let both nodes serve"
    for device in _fence_devices(cluster):
        for node in device.findall("node"):
            if device.get("role") == "Started" and device.get("failed") != "true":
                return f"on, {device.get('resource_agent', '').removeprefix('stonith:')} watched by {node.get('name')}"
    return "NOT WORKING: no fence device is started"


def _cluster_alarms(cluster: ElementTree.Element | None) -> list[str]:
    """Tell what Pacemaker cannot do, and what follows from it."""
    if cluster is None:
        return []
    alarms: list[str] = []
    if cluster.find("summary/current_dc[@with_quorum='false']") is not None:
        alarms.append("there is no quorum, so nothing is served. docs/operations/reading-crm-mon.md")
    devices = {device.get("id") for device in _fence_devices(cluster)}
    for failure in cluster.findall("failures/failure"):
        if failure.get("op_key", "").rpartition("_")[0].rpartition("_")[0] in devices:
            why = failure.get("exitreason") or "no reason given"
            alarms.append(
                f"the fence device has failed on {failure.get('node')} ({why}): a node that fails may not be fenced. "
                "docs/operations/fencing.md"
            )
    alarms += [
        f"{node.get('name')} is kept free of resources until the event that Azure has announced for its host is over"
        for node in cluster.findall("nodes/node")
        if node.get("health") == "red"
    ]
    online = {node.get("name") for node in cluster.findall("nodes/node") if node.get("online") == "true"}
    latest: dict[str, ElementTree.Element] = {}
    for event in cluster.findall("fence_history/fence_event"):  # the newest first
        latest.setdefault(event.get("target", ""), event)
    for target, event in sorted(latest.items()):
        if target not in online and event.get("status") != "success":
            why = f" ({event.get('exit-reason')})" if event.get("exit-reason") else ""
            alarms.append(
                f"fencing of {target} is {event.get('status')}{why}: what it may still serve is served by nobody else. "
                "docs/operations/fencing.md"
            )
    return alarms


def _fence_devices(cluster: ElementTree.Element) -> list[ElementTree.Element]:
    agents = cluster.findall("resources/resource")
    return [resource for resource in agents if resource.get("resource_agent", "").startswith("stonith:")]
