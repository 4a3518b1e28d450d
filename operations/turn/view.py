"""How a node is, and what it sees: what configs/pacemaker/look.py says there."""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import Any

from operations.status import drbd

# The resources that serve: the last to start on a node that takes over, and what clients see.
_SERVING = ("mysql-server", "mysql-probe")


@dataclass(frozen=True)
class Wanted:
    """What a machine is to be.

    Args:
        size: Azure's name of the size.
        image: publisher, offer, SKU and version with colons between, as the Azure CLI writes an image.
        os_disk_sku: SKU of the operating system's disk.
    """

    size: str
    image: str
    os_disk_sku: str


@dataclass(frozen=True)
class View:
    """How a node is, and what it sees.

    Args:
        machine: what Azure says that it is; None where Azure's metadata service did not answer.
        has_cluster: whether its Pacemaker has ever had the DRBD resource.
        has_left: whether it has left for a restart that has not come yet.
        members: nodes that Pacemaker sees online and able to take over; None where Pacemaker does not run here.
        away: nodes that Pacemaker sees as cleanly away: off without need for fencing, or in standby.
        serving: the node on which everything runs; empty where it does on none.
        connected: whether DRBD has its peer.
        disks: DRBD's own states, this node's first, such as ("UpToDate", "Inconsistent"); empty where it is down.
        synced: percents of a resynchronisation that are done; empty where there is none.
        differing: KiB that differ on two disks that both count as whole, as a verify has found.
        votes_missing: how many of the expected votes Corosync does not have.
        by_hand: what a person has taken out of Pacemaker's hands, and what ends that; empty for nothing.
    """

    machine: Wanted | None
    has_cluster: bool
    has_left: bool
    members: frozenset[str] | None
    away: frozenset[str]
    serving: str
    connected: bool
    disks: tuple[str, ...]
    synced: str
    differing: int
    votes_missing: int
    by_hand: str = ""


def read_view(text: str) -> View:
    """Read what configs/pacemaker/look.py prints.

    Args:
        text: its standard output.

    Raises:
        ValueError: it is something else.
    """
    seen: dict[str, Any] = json.loads(text)
    members, away, serving = _read_cluster(seen["crm_mon"])
    quorum = seen["quorum"] or ""
    disk = drbd.read(seen["drbd"])
    found = {key: int(number) for key, number in re.findall(r"^(Expected|Total) votes:\s+(\d+)", quorum, re.MULTILINE)}
    return View(
        machine=_read_machine(seen["compute"]),
        has_cluster=seen["has_cluster"],
        has_left=seen["has_left"],
        members=members,
        away=away,
        serving=serving,
        connected=disk is not None and disk.connection == "Connected",
        disks=disk.disks if disk else (),
        synced=disk.synced if disk else "",
        differing=disk.differing if disk else 0,
        votes_missing=found["Expected"] - found["Total"] if len(found) == 2 else 1,
        by_hand=_read_by_hand(seen["crm_mon"]),
    )


def _read_machine(compute: dict[str, Any] | None) -> Wanted | None:
    if not compute:
        return None
    profile = compute["storageProfile"]
    image = profile["imageReference"]
    return Wanted(
        size=compute["vmSize"],
        image=":".join(image[part] for part in ("publisher", "offer", "sku", "version")),
        os_disk_sku=profile["osDisk"]["managedDisk"]["storageAccountType"],
    )


def _read_cluster(document: str | None) -> tuple[frozenset[str] | None, frozenset[str], str]:
    """Return members, those that are away, and who serves."""
    if document is None:
        return None, frozenset(), ""
    root = ElementTree.fromstring(document)
    members: set[str] = set()
    away: set[str] = set()
    for node in root.findall("nodes/node"):
        name, is_so = node.get("name", ""), {key for key, value in node.attrib.items() if value == "true"}
        if is_so & {"pending", "unclean", "maintenance"}:
            continue
        if "online" not in is_so or "standby" in is_so:
            away.add(name)
        elif "standby_onfail" not in is_so and node.get("health") != "red":
            members.add(name)
    # A node whose fencing is under way may still do anything.
    for event in root.findall("fence_history/fence_event"):
        if event.get("status") == "pending":
            away.discard(event.get("target", ""))
    places = [
        {
            node.get("name", "")
            for resource in root.findall(f"resources//resource[@id='{wanted}']")
            if resource.get("role") == "Started" and resource.get("failed") != "true" and not resource.get("pending")
            for node in resource.findall("node")
        }
        for wanted in _SERVING
    ]
    serving = places[0] & places[1] if len(places[0] | places[1]) == 1 else set[str]()
    return frozenset(members), frozenset(away), next(iter(serving), "")


def _read_by_hand(document: str | None) -> str:
    if document is None:
        return ""
    root = ElementTree.fromstring(document)
    if root.find("summary/cluster_options[@maintenance-mode='true']") is not None:
        return "the cluster is in maintenance mode (crm maintenance off ends it)"
    for node in root.findall("nodes/node[@maintenance='true']"):
        return f"{node.get('name')} is in maintenance (crm node ready {node.get('name')} ends it)"
    for resource in root.findall("resources//*[@managed='false']"):
        name = resource.get("id")
        if resource.get("blocked") != "true":  # which is a failure, and nobody's wish
            return (
                f"{name} is not managed (crm resource manage {name}, or crm resource maintenance {name} off, ends it)"
            )
    return ""
