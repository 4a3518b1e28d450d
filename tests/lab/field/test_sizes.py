"""What the server and DRBD take of their machine, asked of those that run. Tests in the order of the file."""

import re
from collections.abc import Mapping

import pytest

from components.settings.load import load
from lab import application, service
from lab.lab import Lab
from operations.ssh import Node
from tests.lab.field import OPTIONS
from tests.support import trial
from tests.support.bystander import nobody_notices
from tests.support.stack_configuration import use_stack

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_UNITS = {"K": 10, "M": 20, "G": 30}


def in_force(lab: Lab, wanted: Mapping[str, str]) -> dict[str, float]:
    """Return what the server that serves has for these options."""
    (row,) = application.query(lab, f"select {', '.join(f'@@global.{name}' for name in wanted)}")
    return dict(zip(wanted, map(float, row), strict=True))


def number(value: str) -> float:
    """Return the number that an option file's value is."""
    return float(int(value[:-1]) << _UNITS[value[-1]]) if value[-1] in _UNITS else float(value)


def pool_mib(lab: Lab) -> int:
    return int(application.query(lab, "select @@global.innodb_buffer_pool_size div 1048576")[0][0])


def drbd_shows(node: Node, name: str) -> int:
    found = re.search(rf"\b{name}\s+(\d+)", node.run("drbdsetup show r0 --show-defaults"))
    assert found, name
    return int(found[1])


def test_the_server_has_the_size_of_its_machine(lab: Lab) -> None:
    size = load(use_stack("lab")).server_size
    wanted = {name: value for name, value in size.options.items() if name not in OPTIONS}
    assert len(wanted) == 6, "connections, log, two for the disk's operations, two for changed pages"
    assert in_force(lab, wanted) == {name: number(value) for name, value in wanted.items()}
    for node in lab.nodes():
        assert node.run("systemctl show --property=LimitNOFILE --value azure-mysql-ha-server") == f"{size.open_files}\n"


@pytest.mark.long
def test_options_that_bound_each_other(lab: Lab) -> None:
    """A faster disk's: the server would cut the one to the other of before."""
    size = load(use_stack("lab")).server_size
    low = {"innodb_io_capacity": "100", "innodb_io_capacity_max": "120"}
    with nobody_notices(lab):
        lab.up({"mysqlOptions": {**OPTIONS, **low}})
        assert in_force(lab, low) == {name: number(value) for name, value in low.items()}
        lab.up({"mysqlOptions": OPTIONS})
        assert in_force(lab, low) == {name: number(size.options[name]) for name in low}


def test_drbd_has_the_size_of_the_machine_and_the_disk(lab: Lab) -> None:
    for node in lab.nodes():
        found = {
            name: drbd_shows(node, name) for name in ("al-extents", "max-buffers", "max-epoch-size", "sndbuf-size")
        }
        assert found == {"al-extents": 6433, "max-buffers": 20000, "max-epoch-size": 20000, "sndbuf-size": 0}
        assert not node.run("drbdadm --dry-run adjust r0")


@pytest.mark.long
def test_a_machine_with_less_memory_than_its_size_says(lab: Lab) -> None:
    """As each of the lab has: without a pool of the stack's own, a quarter of what there is, set while it runs."""
    serving = service.serving(lab)
    memory = int(serving.run("awk '/^MemTotal:/ { print $2 }' /proc/meminfo")) // 1024
    pid = trial.server_pid(serving)
    with nobody_notices(lab):
        lab.up({"mysqlOptions": {name: value for name, value in OPTIONS.items() if name != "innodb_buffer_pool_size"}})
        # The server rounds up to pieces of 128 MiB.
        assert memory // 4 <= pool_mib(lab) <= memory // 4 + 128
        assert trial.server_pid(serving) == pid
    for node in lab.nodes():
        assert f"innodb_buffer_pool_size = {memory // 4}M" in node.run(
            "cat /etc/mysql/*/*azure-mysql-ha.small-machine.cnf"
        )
    with nobody_notices(lab):
        lab.up({"mysqlOptions": OPTIONS})
        assert pool_mib(lab) == 128
        assert not serving.run("ls /etc/mysql/*/*azure-mysql-ha.small-machine.cnf", check=False)


@pytest.mark.long
def test_a_start_looks_at_the_machine(lab: Lab) -> None:
    """What is left of a machine that was smaller goes with the next start of the server."""
    serving = service.serving(lab)
    file = trial.DATABASE.config_file.removesuffix(".cnf") + ".small-machine.cnf"
    serving.run(f"printf '[mysqld]\\ninnodb_buffer_pool_size = 192M\\n' >{file}; kill {trial.server_pid(serving)}")
    service.wait_until_well(lab, trial.bar(120))
    assert pool_mib(lab) == 128
    assert not serving.run(f"ls {file}", check=False)
