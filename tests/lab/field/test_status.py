"""What is not as it should be is an alarm: each state is made, told with its page, and undone as the page says."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drills import network
from lab import application, power, service
from lab.lab import Lab, wait_until
from operations.ssh import Node
from tests.support import differing_blocks, trial
from tests.support.pages import Runner

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600), pytest.mark.long]


@pytest.fixture(autouse=True)
def _well_afterwards(lab: Lab) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    told(lab, seconds=180)


@pytest.fixture
def serving(lab: Lab) -> Node:
    return service.serving(lab)


@pytest.fixture
def idle(lab: Lab, serving: Node) -> Node:
    return service.peer(lab, serving)


@pytest.fixture
def page(lab: Lab, serving: Node, idle: Node, tmp_path: Path) -> Callable[[str], None]:
    """Run the commands of a page of docs/operations."""
    return Runner(lab, {"SERVING": serving.name, "OTHER": idle.name}, tmp_path, dict(os.environ)).run


def told(lab: Lab, *expected: tuple[str, str], seconds: float = 90) -> None:
    """Wait until status has these alarms and no other: the beginning of each, and its page."""
    alarms: list[str] = []

    def fits() -> bool:
        alarms[:] = lab.status().alarms
        return len(alarms) == len(expected) and all(
            alarm.startswith(text) and alarm.endswith(f" docs/operations/{page}.md")
            for alarm, (text, page) in zip(alarms, expected, strict=True)
        )

    try:
        wait_until("the alarms", fits, seconds)
    except TimeoutError as late:
        late.add_note("at last: " + "\n".join(alarms))
        raise


def test_maintenance_with_the_server_ended_by_hand(lab: Lab, serving: Node) -> None:
    serving.run("crm_attribute --quiet --name maintenance-mode --update true")
    told(lab, ("the cluster is in maintenance", "planned-maintenance"))
    serving.run("systemctl stop azure-mysql-ha-server")
    told(
        lab,
        (f"nobody serves: Pacemaker believes that the server on {serving.name} is started", "nobody-serves"),
        ("the cluster is in maintenance", "planned-maintenance"),
    )
    assert trial.command_line(lab, "status").returncode == 1
    serving.run("systemctl start azure-mysql-ha-server; crm_attribute --quiet --name maintenance-mode --delete")


def test_what_is_set_by_hand(lab: Lab, serving: Node, idle: Node) -> None:
    fenced_from = next(r.node for r in lab.status().resources if r.name == "fence-device")
    elsewhere = next(node.name for node in lab.nodes() if node.name != fenced_from)
    serving.run(
        f"crm_attribute --quiet --node {idle.name} --name maintenance --update true --lifetime forever"
        f" && crm_resource --ban --resource mysql --node {idle.name}"
        f" && crm_resource --move --resource fence-device --node {elsewhere}"
        " && crm_resource --resource mysql-probe --meta --set-parameter is-managed --parameter-value false"
        " && crm_resource --resource azure-events-clone --meta --set-parameter target-role --parameter-value Stopped"
    )
    by_hand = "planned-maintenance"
    told(
        lab,
        (f"{idle.name} is in maintenance", by_hand),
        ("mysql-probe unmanaged", by_hand),
        ("azure-events switched off", by_hand),
        (f"mysql is barred from {idle.name} by the constraint cli-ban-mysql-on-{idle.name}", by_hand),
        ("the constraint cli-prefer-fence-device", by_hand),
    )
    serving.run(
        "crm_resource --resource azure-events-clone --meta --delete-parameter target-role"
        " && crm_resource --resource mysql-probe --meta --delete-parameter is-managed"
        " && crm_resource --clear --resource fence-device && crm_resource --clear --resource mysql"
        f" && crm_attribute --quiet --node {idle.name} --name maintenance --delete"
    )


def test_no_fence_device(lab: Lab, serving: Node) -> None:
    of_device = "crm_resource --resource fence-device --meta"
    serving.run(f"{of_device} --set-parameter target-role --parameter-value Stopped")
    told(lab, ("no fence device is started", "fencing"), ("fence-device switched off", "planned-maintenance"))
    serving.run(f"{of_device} --delete-parameter target-role")


def test_standby(lab: Lab, serving: Node, idle: Node) -> None:
    """What follows from it is no alarm of its own: DRBD that is down there, and waits here."""
    serving.run(f"crm_standby --quiet --node {idle.name} --update on")
    wait_until("its end there", lambda: "cs:" not in idle.run("cat /proc/drbd"), 60)
    told(lab, (f"{idle.name} is in standby", "planned-maintenance"))
    serving.run(f"crm_standby --quiet --node {idle.name} --delete")


def test_drbd_is_disconnected(lab: Lab, idle: Node) -> None:
    idle.run("drbdadm disconnect r0")
    told(lab, (f"DRBD is StandAlone on {idle.name}", "split-brain"))
    idle.run("drbdadm connect r0")


def test_drbd_waits(lab: Lab, serving: Node, idle: Node) -> None:
    """Something between the nodes drops DRBD's packets, and nothing else's."""
    network.drop_drbd(idle, serving)
    told(lab, (f"DRBD on {lab.nodes()[0].name} and {lab.nodes()[1].name} has no connection", "one-copy"))
    network.clear(idle)
    wait_until("the copy", lambda: "cs:Connected" in serving.run("cat /proc/drbd"), 60)


def test_drbd_is_down(lab: Lab, idle: Node, page: Callable[[str], None]) -> None:
    idle.run("drbdadm down r0")
    told(lab, (f"DRBD is down on {idle.name}", "one-copy"))
    page("one-copy")


def test_blocks_that_differ(lab: Lab, idle: Node, page: Callable[[str], None]) -> None:
    differing_blocks.make(idle)
    differing_blocks.verify(idle)
    told(lab, (f"{differing_blocks.KIB} KiB differ on the two data disks", "blocks-differ"))
    page("blocks-differ")


def test_the_server_cannot_be_asked(lab: Lab, serving: Node, page: Callable[[str], None]) -> None:
    serving.run(f"{trial.ROOT} --execute 'drop user hacluster@localhost'")
    try:
        told(lab, (f"the server on {serving.name} could not be asked how it is, and is left as it is (", "cannot-ask"))
        page("cannot-ask")
    finally:
        serving.run(f"{trial.ROOT} --execute 'create user hacluster@localhost identified via unix_socket'")


def test_the_systems_disk_is_full(lab: Lab, serving: Node, page: Callable[[str], None]) -> None:
    """To the last byte, root's too: it serves, and Pacemaker stops saving its configuration until it is told to."""
    full = (f"the file system / on {serving.name} is 100 % full", "full-system-disk")
    unsaved = (f"Pacemaker on {serving.name} has stopped saving the cluster's configuration", "full-system-disk")
    touch = f"crm_attribute --quiet --node {serving.name} --name field"
    try:
        serving.run(
            'fallocate --length $(( $(stat --file-system --format "%f * %S" /) - (4 << 20) )) /var/tmp/filler;'
            " dd if=/dev/zero of=/var/tmp/filler2 bs=64k status=none",
            check=False,
        )
        told(lab, full)
        assert application.answers(lab)
        changes = itertools.count(1)

        def is_told_after_a_change() -> bool:
            """One soon after what was saved is not enough: each node notes a time of its own."""
            serving.run(f"{touch} --update {next(changes)}")
            return any(alarm.startswith(unsaved[0]) for alarm in lab.status().alarms)

        wait_until("the alarm", is_told_after_a_change, 90)
        told(lab, full, unsaved)
        serving.run("rm /var/tmp/filler /var/tmp/filler2")
        told(lab, unsaved)
        page("full-system-disk")
    finally:
        serving.run(f"rm --force /var/tmp/filler /var/tmp/filler2; {touch} --delete")


def test_the_systems_disk_has_no_inodes(lab: Lab, idle: Node) -> None:
    """On a small file system of its own, since the system's has room for hundreds of thousands of files."""
    idle.run(
        "mkdir /run/small && mount -t tmpfs -o nr_inodes=100 tmpfs /run/small && (cd /run/small && touch $(seq 95))"
    )
    told(lab, (f"the file system /run/small on {idle.name} has 96 % of its inodes in use", "full-system-disk"))
    idle.run("umount /run/small && rmdir /run/small")


def test_another_host_name(lab: Lab, idle: Node, page: Callable[[str], None]) -> None:
    idle.run("hostname somebody.example.com")
    told(lab, (f"the host name of {idle.name} is somebody.example.com", "host-name"))
    page("host-name")


def test_a_node_is_lost(lab: Lab, serving: Node, idle: Node) -> None:
    """One alarm, also for what follows from it; fenced, it starts and comes back."""
    gone = f"{idle.name} is not in the cluster, and cannot be reached by SSH: the data is kept only on {serving.name}"
    power.kill(lab, idle.name)
    told(lab, (gone, "lost-node"))


def test_the_server_starts_nowhere(lab: Lab, serving: Node, idle: Node, page: Callable[[str], None]) -> None:
    option = Path(trial.DATABASE.config_file).with_name("zz-field.cnf")
    failed = [f"mysql-server has failed on {node.name}, and may not run there" for node in lab.nodes()]
    try:
        for node in (serving, idle):
            node.run(f"printf '[mysqld]\\nno-such-option=1\\n' >{option}")
        serving.run(f"kill -KILL $(pgrep --exact {trial.SERVER})")
        told(
            lab,
            ("nobody serves: mysql-server start failed on ", "nobody-serves"),
            *((text, "failed-resource") for text in failed),
            seconds=180,
        )
        page("nobody-serves")
    finally:
        for node in (serving, idle):
            node.run(f"rm --force {option}")
        serving.run("crm_resource --cleanup")
