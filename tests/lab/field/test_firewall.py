"""The nodes' own firewall, for whoever comes past the network's security group."""

import socket
from contextlib import closing

import pytest

from lab import fabric, service
from lab.cloud import namespace
from lab.lab import Lab, wait_until
from operations.ssh import Node
from tests.support import trial
from tests.support.bystander import nobody_notices
from tests.support.scripts import scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

TABLE = "nft list table inet azure_mysql_ha"
BOOT = "cat /proc/sys/kernel/random/boot_id"
PORTS = (22, 3306, 5403, 7789, 9100, 61500)


def open_ports(lab: Lab, node: Node, source: str) -> set[int]:
    """Return the ports at which something answers who comes straight to the node, past the lab's security group."""
    address = node.run("hostname --all-ip-addresses").split()[0]
    found: set[int] = set()
    for port in PORTS:
        with namespace.inside(lab.paths.namespace), closing(socket.socket()) as one:
            one.settimeout(trial.bar(2))
            one.bind((source, 0))
            try:
                one.connect((address, port))
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                pass  # nobody listens, and the packet has come in
            found.add(port)
    return found


def test_who_comes_past_the_security_group(lab: Lab) -> None:
    node = service.serving(lab)
    assert "drop" in node.run(TABLE)
    assert open_ports(lab, node, fabric.ARM_ADDRESS) == {22}
    assert open_ports(lab, node, fabric.CLIENT_ADDRESS) == {22, 3306}
    assert open_ports(lab, node, fabric.PLATFORM_ADDRESS) == {*PORTS}


def test_it_comes_back(lab: Lab) -> None:
    """After a restart of the machine, and where somebody has taken it away; and nobody notices that."""
    idle = service.idle(lab)
    before, boot = idle.run(TABLE), idle.run(BOOT)
    idle.run("systemctl reboot", check=False)
    wait_until("the reboot", lambda: idle.lets_in() and idle.run(BOOT) != boot, 120)
    service.wait_until_well(lab)
    assert idle.run(TABLE) == before
    script = next(each for each in scripts_of(lab.engine()) if each.name == f"{idle.name}-firewall")
    assert script.run(idle).stdout == ""
    with nobody_notices(lab):
        idle.run("nft delete table inet azure_mysql_ha")
        assert script.run(idle).stdout == "firewall: these rules are in force\n"
    assert idle.run(TABLE) == before


def test_off_and_on(lab: Lab) -> None:
    with nobody_notices(lab):
        lab.up({"hostFirewall": False})
        assert [node.run(TABLE, check=False) for node in lab.nodes()] == ["", ""]
        lab.up({"hostFirewall": True})
    assert all("drop" in node.run(TABLE) for node in lab.nodes())
