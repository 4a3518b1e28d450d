"""Blocks that differ between the two disks: found by DRBD's verify, never copied over good ones."""

import re

import pytest

from lab import service
from lab.lab import Lab, wait_until
from operations.ssh import Node

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_FIRST_SECTOR, _SECTORS = 160_000, 128
"""Somewhere in the file system: 64 KiB."""


def test_blocks_that_differ_are_never_the_source(lab: Lab) -> None:
    serving, idle = service.serving(lab), service.idle(lab)
    good = _sum(serving)
    idle.run(
        f"dd if=/dev/urandom of={_partition(idle)} bs=512 seek={_FIRST_SECTOR} count={_SECTORS}"
        " oflag=direct conv=notrunc"
    )
    _verify(idle)
    assert _kib_that_differ(idle) == _SECTORS / 2
    wait_until("the bar", lambda: _is_barred(serving), 60)

    # Somebody wants the other node to serve: nobody does, rather than that one.
    serving.run(f"crm node standby {serving.name}")
    wait_until("the end of the service", lambda: not _is_running(idle, "mysql-fs"), 120)
    idle.run("crm_resource --wait --timeout=60s", timeout=90)
    assert idle.run("drbdadm role r0").startswith("Secondary/")
    assert lab.status().serving is None
    serving.run(f"crm node online {serving.name}")
    service.wait_until_well(lab, 180)
    assert service.serving(lab) == serving
    assert _kib_that_differ(idle) == _SECTORS / 2
    assert _sum(serving) == good

    # The way back: docs/operations/blocks-differ.md.
    idle.run("drbdadm disconnect r0; drbdadm connect r0")
    wait_until("the copy", lambda: _kib_that_differ(idle) == 0, 60)
    wait_until("the end of the bar", lambda: not _is_barred(serving), 60)
    _verify(serving)
    assert _kib_that_differ(serving) == 0
    serving.run(f"crm node standby {serving.name}")
    wait_until("the other node serves", lambda: lab.status().serving == idle.name, 120)
    assert _sum(idle) == good
    serving.run(f"crm node online {serving.name}")
    service.wait_until_well(lab, 180)


def _partition(node: Node) -> str:
    return node.run("readlink --canonicalize /dev/disk/by-partlabel/*-r0").strip()


def _sum(node: Node) -> str:
    """Return what the disk of a node has there, behind DRBD's back."""
    read = f"dd if={_partition(node)} bs=512 skip={_FIRST_SECTOR} count={_SECTORS} iflag=direct status=none"
    return node.run(f"{read} | sha256sum")


def _verify(node: Node) -> None:
    """Compare that part of the disks, and wait for the end."""
    node.run(f"drbdsetup verify 1 --start={_FIRST_SECTOR - 8000}s --stop={_FIRST_SECTOR + 8000}s")
    wait_until("the end of the verify", lambda: node.run("drbdadm cstate r0").strip() == "Connected", 60)


def _kib_that_differ(node: Node) -> int:
    found = re.search(r"\boos:(\d+)", node.run("cat /proc/drbd"))
    assert found
    return int(found[1])


def _is_barred(node: Node) -> bool:
    return "drbd-fence-by-handler-r0" in node.run("cibadmin --query --scope constraints")


def _is_running(node: Node, resource: str) -> bool:
    return "is running on" in node.run(f"crm_resource --resource {resource} --locate 2>&1", check=False)
