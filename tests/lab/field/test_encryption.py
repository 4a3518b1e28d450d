"""The replication's tunnel: what is on the wire without it and with it, and that nobody notices how it comes and goes.

Tests in the order of the file.
"""

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import ports
from drills import scenario
from drills.__main__ import run as run_drills
from drills.target import LabTarget
from lab import application, service
from lab.lab import Lab, wait_until
from operations.rotate import rotate
from operations.ssh import Node
from tests.lab.field.test_changes import on_both, preview, scripts_run
from tests.support.bystander import nobody_notices
from tests.support.wire import Seen, wire

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1800)]

ON, OFF = {"replicationEncryption": True}, {"replicationEncryption": False}

LINKS = "journalctl --boot --dmesg --output=cat | grep --count 'drbd r0: conn('"
"""How often DRBD's connection has been another."""


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Iterator[Lab]:
    """The shared cluster, without a tunnel at the end."""
    yield lab
    lab.up(OFF)
    service.wait_until_well(lab, 120)


def rows_on_the_wire(lab: Lab) -> Seen:
    """Return what is seen of rows that are written, with a text of their own."""
    text = f"On-the-wire-{secrets.token_hex(16)}"
    with wire(lab, text) as seen:
        application.query(lab, "create table if not exists wire (x varchar(100))")
        for _ in range(20):
            application.query(lab, f"insert into wire values ('{text}')")
    application.query(lab, "drop table wire")
    return seen


def tunnels(node: Node) -> list[str]:
    return node.run("wg show interfaces", check=False).split()


def addresses(node: Node) -> set[str]:
    """Return the addresses by which DRBD is connected, or tries to be."""
    return set(re.findall(r"ipv4 ([\d.]+):7789", node.run("drbdsetup show r0")))


def test_rows_are_on_the_wire_without_a_tunnel(cluster: Lab) -> None:
    """What the other tests do not find can be found."""
    assert "replicationEncryption: off: what DRBD copies from node to node is clear text" in preview(cluster, {})
    seen = rows_on_the_wire(cluster)
    assert seen.texts > 0 and seen.drbd > 0 and seen.wireguard == {}


def test_it_is_switched_on(cluster: Lab) -> None:
    said = preview(cluster, ON)
    assert "replicationEncryption: off" not in said and "mysql-lab-1-tunnel" in said
    with nobody_notices(cluster):
        reader = cluster.up(ON)
        assert on_both("packages", "tunnel", "drbd", "connection") <= scripts_run(reader)
        service.wait_until_well(cluster, 60)
    for node in cluster.nodes():
        assert addresses(node) == {*ports.TUNNEL_ADDRESSES}
    assert cluster.status().alarms == []
    assert set(cluster.up().changes) == {"same"}


def test_no_row_is_on_the_wire_with_it(cluster: Lab) -> None:
    seen = rows_on_the_wire(cluster)
    assert seen.texts == 0 and seen.drbd == 0
    assert sum(seen.wireguard.values()) > 20


def test_its_keys_are_changed(cluster: Lab) -> None:
    """DRBD's connection goes on: from one tunnel into the other."""
    nodes = cluster.nodes()
    [(before, *_)] = {tuple(tunnels(node)) for node in nodes}
    links = [node.run(LINKS, check=False) for node in nodes]
    rotate(cluster.engine(), "replicationKeys")
    with nobody_notices(cluster):
        assert scripts_run(cluster.up()) == on_both("tunnel", "drbd", "connection")
        seen = rows_on_the_wire(cluster)
    assert [node.run(LINKS, check=False) for node in nodes] == links, "the connection was broken"
    [after] = {tuple(tunnels(node)) for node in nodes}
    assert len(after) == 1 and after[0] != before
    assert {*seen.wireguard} == {after[0].removeprefix("drbd-")} and seen.texts == seen.drbd == 0
    keys = json.loads(cluster.engine().settings()["replicationKeys"])
    for node, key in zip(nodes, keys, strict=False):
        assert node.run("wg pubkey", text=key) == node.run(f"wg show {after[0]} public-key")
        assert node.run("ls /etc/wireguard").split() == [f"{after[0]}.conf"]
    assert cluster.status().alarms == []


def test_keys_that_are_changed_twice_stop_before_anything_changes(cluster: Lab) -> None:
    """They have the port of the tunnel that DRBD goes by; changed once more, they do not."""
    for _ in range(2):
        rotate(cluster.engine(), "replicationKeys")
    with nobody_notices(cluster):
        with pytest.raises(Exception, match=r"other keys in the tunnel .*, by which DRBD is connected"):
            cluster.up()
        rotate(cluster.engine(), "replicationKeys")
        cluster.up()
    service.wait_until_well(cluster, 60)


def test_a_tunnel_that_is_down_is_an_alarm(cluster: Lab) -> None:
    """Writes go on with one copy, nobody is fenced, and DRBD is back by itself when the tunnel is."""
    idle = service.idle(cluster)
    [name] = tunnels(idle)
    begin = cluster.status().serving
    idle.run(f"systemctl stop wg-quick@{name}")
    told = f"the tunnel {name} is down on {idle.name}"
    wait_until("the alarm", lambda: any(told in str(alarm) for alarm in cluster.status().alarms), 60)
    application.query(cluster, "create table lonely (x int)", "drop table lonely", timeout=60)
    idle.run(f"systemctl start wg-quick@{name}")
    service.wait_until_well(cluster, 120)
    assert cluster.status().serving == begin


@pytest.mark.parametrize("name", ["power-kill", "network-cut"])
def test_drills_pass_with_it(cluster: Lab, name: str, tmp_path: Path) -> None:
    [result] = run_drills(LabTarget(cluster), scenario.choose([name]), tmp_path, cluster.progress)
    assert result.passed
    service.wait_until_well(cluster, 120)


def test_it_is_switched_off(cluster: Lab) -> None:
    with nobody_notices(cluster):
        cluster.up(OFF)
        service.wait_until_well(cluster, 60)
    for node in cluster.nodes():
        assert tunnels(node) == [] and "169.254.77" not in node.run("ip address; ip route; drbdsetup show r0")
        assert node.run("ls /etc/wireguard; ls -d /etc/systemd/system/wg-quick@*", check=False) == ""
    seen = rows_on_the_wire(cluster)
    assert seen.texts > 0 and seen.wireguard == {}
