"""What the cluster says of itself: reading, and printing. What is wrong, alarms/ says."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from components.places import MOUNT_POINT
from operations.command import Command
from operations.stack import Stack
from operations.status import alarms, asking
from operations.status.facts import Facts, NodeFacts, ResourceStatus
from operations.status.quorum import WitnessStatus


@dataclass(frozen=True)
class NodeStatus:
    """One node: `online` in Pacemaker's eyes, None where nobody can be asked; DRBD in its own, "unknown" likewise.

    `used_percent` is of the database's file system, None where that is not mounted.
    """

    name: str
    online: bool | None
    standby: bool
    drbd_role: str
    drbd_connection: str
    drbd_disk: str
    used_percent: int | None = None


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
        return asdict(self)

    def as_text(self) -> str:
        nobody = "NOBODY" if any(node.online is not None for node in self.nodes) else "UNKNOWN"
        lines = [f"endpoint  {self.endpoint['host']}:{self.endpoint['port']}, served by {self.serving or nobody}"]
        if self.loopback:
            lines.append(f"          on this machine at {self.loopback['host']}:{self.loopback['port']}")
        for node in self.nodes:
            state = {None: "UNKNOWN", False: "OFFLINE", True: "standby" if node.standby else "online"}[node.online]
            drbd = f"{node.drbd_role}, {node.drbd_connection}, {node.drbd_disk}"
            lines.append(f"node      {node.name:16} {state:8} DRBD {drbd}")
        lines += [f"resource  {r.name:16} {r.state:12} on {r.node}" for r in self.resources]
        if self.witness:
            lines.append(self.witness.as_text())
        lines.append(f"fencing   {self.fencing}")
        lines += [f"ALARM     {alarm}" for alarm in self.alarms]
        return "\n".join(lines)


def ask(stack: Stack) -> Status:
    """Ask every node.

    Raises:
        OperationError: there is no cluster, or it is not known how it is reached.
    """
    return of(asking.ask_stack(stack), stack.outputs["endpoint"], stack.loopback)


def of(seen: Facts, endpoint: dict[str, Any], loopback: Mapping[str, Any] | None = None) -> Status:
    """Return the status that follows from the nodes' facts.

    Args:
        loopback: host and port by which the endpoint answers on this machine, if it does.
    """
    return Status(
        endpoint=endpoint,
        loopback=loopback,
        nodes=[_node(seen, node) for node in seen.nodes],
        resources=seen.resources,
        serving=seen.serving[0] if len(seen.serving) == 1 else None,
        fencing=seen.fencing,
        witness=seen.witness,
        alarms=[str(alarm) for alarm in alarms.find(seen)],
    )


def _node(seen: Facts, node: NodeFacts) -> NodeStatus:
    down = "Unconfigured" if node.reached else "unknown"  # DRBD's own word
    used = [each.percent for each in node.file_systems if each.place == MOUNT_POINT]
    return NodeStatus(
        name=node.name,
        online=None if seen.cluster is None and not node.reached else seen.is_in(node.name),
        standby=seen.members.get(node.name, {}).get("standby") == "true",
        drbd_role=node.drbd.role if node.drbd else down,
        drbd_connection=node.drbd.connection if node.drbd else down,
        drbd_disk=node.drbd.disks[0] if node.drbd else down,
        used_percent=used[0] if used else None,
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _run(stack: Stack, options: argparse.Namespace) -> int:
    found = ask(stack)
    print(json.dumps(found.as_json(), indent=2) if options.json else found.as_text())
    return 0 if found.serving and not found.alarms else 1


COMMAND = Command(
    "status", "Show the cluster; exit code 0 if, and only if, a node serves and there is no alarm.", _run, _add_options
)
