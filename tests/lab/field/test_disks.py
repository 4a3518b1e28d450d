"""Blocks that differ between the two disks: found by DRBD's verify, never copied over good ones."""

import pytest

from lab import service
from lab.lab import Lab, wait_until
from operations.ssh import Node
from tests.support import differing_blocks

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_blocks_that_differ_are_never_the_source(lab: Lab) -> None:
    serving, idle = service.serving(lab), service.idle(lab)
    good = differing_blocks.checksum(serving)
    differing_blocks.make(idle)
    differing_blocks.verify(idle)
    assert differing_blocks.known_kib(idle) == differing_blocks.KIB
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
    assert differing_blocks.known_kib(idle) == differing_blocks.KIB
    assert differing_blocks.checksum(serving) == good

    _take_the_way_back(serving, idle)
    differing_blocks.verify(serving)
    assert differing_blocks.known_kib(serving) == 0
    serving.run(f"crm node standby {serving.name}")
    wait_until("the other node serves", lambda: lab.status().serving == idle.name, 120)
    assert differing_blocks.checksum(idle) == good
    serving.run(f"crm node online {serving.name}")
    service.wait_until_well(lab, 180)


def test_the_bar_does_not_wait_for_the_end_of_a_verify(lab: Lab) -> None:
    serving, idle = service.serving(lab), service.idle(lab)
    differing_blocks.make(idle)
    differing_blocks.begin_to_verify(serving, "verify-differing")
    wait_until("the bar", lambda: _is_barred(serving), 30)
    assert serving.run("drbdadm cstate r0").startswith("Verify")
    _take_the_way_back(serving, idle)
    service.wait_until_well(lab, 60)


def test_a_verify_that_is_cut_has_found_nothing(lab: Lab) -> None:
    """Neither that blocks differ, where the server writes on alone, nor that all are the same."""
    serving, idle = service.serving(lab), service.idle(lab)
    before = serving.run("cat /var/lib/azure-mysql-ha/verify.json 2>/dev/null", check=False)
    differing_blocks.begin_to_verify(serving, "verify-cut")
    wait_until("the verify", lambda: serving.run("drbdadm cstate r0").startswith("Verify"), 30)
    _reconnect(idle)
    wait_until("its end", lambda: not _is_active(serving, "verify-cut"), 30)
    assert "did not finish" in serving.run("journalctl --unit=verify-cut --output=cat")
    assert serving.run("cat /var/lib/azure-mysql-ha/verify.json 2>/dev/null", check=False) == before
    assert not _is_barred(serving)
    service.wait_until_well(lab, 60)


def _is_active(node: Node, unit: str) -> bool:
    return node.run(f"systemctl is-active {unit}", check=False).strip() in ("active", "activating")


def _take_the_way_back(serving: Node, idle: Node) -> None:
    """See docs/operations/blocks-differ.md."""
    _reconnect(idle)
    wait_until("the copy", lambda: differing_blocks.known_kib(idle) == 0, 60)
    wait_until("the end of the bar", lambda: not _is_barred(serving), 60)


def _reconnect(node: Node) -> None:
    """Break DRBD's connection, and have it back: as long as the broken one is going, DRBD takes no new one."""
    node.run("drbdadm disconnect r0")
    wait_until("a new connection", lambda: _connects(node), 10)


def _connects(node: Node) -> bool:
    return not node.run("drbdadm connect r0; drbdadm cstate r0", check=False).startswith("StandAlone")


def _is_barred(node: Node) -> bool:
    return "drbd-fence-by-handler-r0" in node.run("cibadmin --query --scope constraints")


def _is_running(node: Node, resource: str) -> bool:
    return "is running on" in node.run(f"crm_resource --resource {resource} --locate 2>&1", check=False)
