"""Blocks that differ between the two data disks: made behind DRBD's back, and found by its verify."""

import re

from operations.ssh import Node

_FIRST_SECTOR, _SECTORS = 160_000, 128
"""Somewhere in the file system."""

_AROUND = 8000
"""Sectors before and behind that are compared too."""

KIB = _SECTORS // 2
"""How much of them there is."""


def make(node: Node) -> None:
    """Write at random on a node's disk; the other node's has what was there."""
    node.run(
        f"dd if=/dev/urandom of={_partition(node)} bs=512 seek={_FIRST_SECTOR} count={_SECTORS}"
        " oflag=direct conv=notrunc"
    )


def verify(node: Node) -> None:
    """Compare that part of the disks, and wait for the end."""
    part = f"--start={_FIRST_SECTOR - _AROUND}s --stop={_FIRST_SECTOR + _AROUND}s"
    node.run(f"/usr/local/sbin/azure-mysql-ha-verify {part}", timeout=60, check=False)


def begin_to_verify(node: Node, unit: str) -> None:
    """Compare from that part on to the end of the disks, and do not wait.

    Args:
        unit: the name of systemd's unit that does it.
    """
    command = f"/usr/local/sbin/azure-mysql-ha-verify --start={_FIRST_SECTOR - _AROUND}s"
    node.run(f"systemd-run --quiet --unit={unit} {command}")


def known_kib(node: Node) -> int:
    """Return how much DRBD on a node knows to differ, in KiB."""
    found = re.search(r"\boos:(\d+)", node.run("cat /proc/drbd"))
    assert found
    return int(found[1])


def checksum(node: Node) -> str:
    """Return that of what the disk of a node has there, behind DRBD's back."""
    read = f"dd if={_partition(node)} bs=512 skip={_FIRST_SECTOR} count={_SECTORS} iflag=direct status=none"
    return node.run(f"{read} | sha256sum")


def _partition(node: Node) -> str:
    return node.run("readlink --canonicalize /dev/disk/by-partlabel/*-r0").strip()
