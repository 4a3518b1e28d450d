"""Changes of a running cluster whose `pulumi up` is interrupted, and run again. Tests in the order of the file.

Each change is interrupted in the program that brings it into force. The next update ends it with no hand, whatever was
interrupted, and no acknowledged row is missing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from lab import service
from lab.lab import Lab
from lab.paths import LabPaths
from operations.resume import resume
from operations.ssh import Node
from tests.support import trial
from tests.support.bystander import nothing_is_lost
from tests.support.interruption import Kind, interrupt

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900), pytest.mark.long]

KINDS: list[Kind] = ["engine", "connection", "power"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Lab]:
    for lab in trial.own_lab(Lab(LabPaths("tkillc"))):
        lab.up()
        service.wait_until_well(lab)
        yield lab


@dataclass(frozen=True)
class Change:
    """A change of a setting, with a value for each kind of interruption.

    Args:
        setting: its name.
        values: by the kind.
        serving: whether it comes into force where the cluster serves; else on the idle node too.
        program, arguments: what brings it into force there.
        in_force: returns what is so on a node.
        shown: what that is, by the kind.
    """

    setting: str
    values: dict[Kind, object]
    serving: bool
    program: str
    arguments: str
    in_force: Callable[[Node], str]
    shown: dict[Kind, str]


CHANGES = {
    "a time-out of Corosync": Change(
        "corosyncTokenMs",
        {"engine": 2100, "connection": 2200, "power": 2300},
        False,
        "/usr/sbin/corosync-cfgtool",
        "-R",
        lambda node: node.run("corosync-cmapctl -g runtime.config.totem.token").split()[-1],
        {"engine": "2100", "connection": "2200", "power": "2300"},
    ),
    "an option that needs a restart": Change(
        "mysqlOptions",
        {
            "engine": {"innodb_buffer_pool_size": "128M", "performance_schema": True},
            "connection": {"innodb_buffer_pool_size": "128M", "performance_schema": False},
            "power": {"innodb_buffer_pool_size": "128M", "performance_schema": True},
        },
        True,
        "/usr/bin/systemctl",
        "restart?azure-mysql-ha-server*",
        lambda node: node.run(f"{trial.ROOT} --execute 'select @@performance_schema'").strip(),
        {"engine": "1", "connection": "0", "power": "1"},
    ),
    "the rate of DRBD": Change(
        "drbdResyncMaxRate",
        {"engine": "40M", "connection": "50M", "power": "60M"},
        False,
        "/usr/sbin/drbdadm",
        # DRBD tells its peer of a new rate: who comes second finds nothing to adjust.
        "*adjust*",
        lambda node: node.run(
            r"drbdsetup show r0 | sed --quiet 's/.*c-max-rate[[:space:]]*\([0-9]*k\).*/\1/p'"
        ).strip(),
        {"engine": "40960k", "connection": "51200k", "power": "61440k"},
    ),
}


def go_on(cluster: Lab, kind: Kind, seconds: float) -> None:
    """Bring to its end what was interrupted."""
    if kind == "engine":
        # What docs/operations/failed-update.md says.
        cluster.engine().cancel()
        resume(cluster.engine())
    cluster.up()
    service.wait_until_well(cluster, trial.bar(seconds))


def assert_nothing_is_left(cluster: Lab) -> None:
    assert set(cluster.up().changes) == {"same"}
    assert not cluster.engine().export().get("pending_operations")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_interrupted(cluster: Lab, name: str, kind: Kind) -> None:
    change = CHANGES[name]
    serving = service.serving(cluster)
    idle = service.peer(cluster, serving)
    with nothing_is_lost(cluster):
        interrupt(
            cluster,
            kind,
            serving if change.serving else idle,
            change.program,
            change.arguments,
            changes={change.setting: change.values[kind]},
        )
        go_on(cluster, kind, 240)
    places = [service.serving(cluster)] if change.serving else cluster.nodes()
    assert {change.in_force(node) for node in places} == {change.shown[kind]}
    assert_nothing_is_left(cluster)


# The machines' size, and that of their data disks in GiB.
GROWTHS: dict[Kind, tuple[str, int]] = {
    "engine": ("Standard_B2as_v2", 5),
    "connection": ("Standard_B2s", 6),
    "power": ("Standard_B2as_v2", 7),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_growth_is_interrupted(cluster: Lab, kind: Kind) -> None:
    """When the table has grown; kernel and DRBD do not know yet. (The lab's kernels want a restart first.)"""
    size, gib = GROWTHS[kind]
    idle = service.idle(cluster)
    with nothing_is_lost(cluster):
        # It serves after that restart.
        interrupt(
            cluster,
            kind,
            idle,
            "/usr/sbin/sfdisk",
            "*--no-tell-kernel*",
            changes={"vmSize": size, "dataDiskSizeGb": gib},
        )
        go_on(cluster, kind, 300)
    for node in cluster.nodes():
        # (In sectors; what GPT and DRBD keep for themselves is less than 4 MiB.)
        assert int(node.run("cat /sys/block/drbd1/size")) > gib * 2**21 - 2**13
    assert_nothing_is_left(cluster)
