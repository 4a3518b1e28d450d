"""The nodes' own firewall comes back, and goes with its setting. What it lets in: test_doors.py."""

import pytest

from lab import service
from lab.lab import Lab, wait_until
from tests.support.bystander import nobody_notices
from tests.support.scripts import scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

TABLE = "nft list table inet azure_mysql_ha"
BOOT = "cat /proc/sys/kernel/random/boot_id"


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
