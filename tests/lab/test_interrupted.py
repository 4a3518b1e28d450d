"""What a node must not have, and updates that are interrupted: one lab, whose cluster is made with many interruptions.

First the machines alone are made. What is wrong is then put on one of them, seen to stop the script that finds it,
and taken away again. After that every `pulumi up` but the last is interrupted at another point: a script is killed or,
in the nightly run in labs of their own, its connection is, or the power of its machine fails.
"""

import dataclasses
import difflib
import hashlib
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from lab import application, service
from lab.engine import EngineError
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from operations import drift
from operations.resume import resume
from operations.ssh import Node, by_name
from tests.support import trial
from tests.support.interruption import Kind, end_engine, interrupt, up_in_background
from tests.support.recording import record
from tests.support.scripts import Script, scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

DISK = "/dev/disk/azure/scsi1/lun0"
LABEL = "mysql-lab-r0"


@pytest.fixture(
    scope="module",
    params=["script", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("connection", "power", "engine"))],
)
def kind(request: pytest.FixtureRequest) -> Kind:
    """What is interrupted."""
    return request.param


@pytest.fixture(scope="module")
def lab(kind: Kind) -> Iterator[Lab]:
    yield from trial.own_lab(Lab(LabPaths("tkill")))


@pytest.fixture(scope="module")
def machines(lab: Lab) -> Lab:
    """Make all that is Azure's, and run no script."""
    reader = lab.up(options=["--exclude", "**command:remote:Command::**", "--exclude-dependents"])
    # (A turn does nothing when it is made.)
    assert all(step.kind != "Command" or step.name.endswith("-turn") for step in reader.steps.values())
    for node in lab.nodes():
        wait_until(f"{node.name} to let in", node.lets_in, 120)
        node.run("cloud-init status --wait >/dev/null", timeout=120, check=False)
    return lab


@pytest.fixture(scope="module")
def scripts() -> dict[str, Script]:
    """The scripts as the program renders them; their secrets are throw-away ones."""
    found: dict[str, Script] = {}
    for resource in record("lab"):
        if resource.type == "command:remote:Command":
            text = resource.inputs["stdin"]
            environment = _clear(resource.inputs.get("environment", {}))
            variables = {key: _clear(value) for key, value in environment.items()}
            node = next(line.split()[2] for line in text.splitlines() if line.startswith("# Node "))
            found[resource.name] = Script(resource.name, node, resource.inputs["create"], text, variables)
    return found


def _clear(value: Any) -> Any:
    """Return a recorded input without the mark of a secret."""
    if not isinstance(value, dict):
        return value
    inputs = cast(dict[str, Any], value)
    return inputs.get("secret", inputs)


def stops(script: Script, node: Node, found: str) -> None:
    """Run a script that must stop with one clear line.

    Args:
        script: the script.
        node: where.
        found: what the line says that was found; a part of it.
    """
    run = script.run(node)
    assert run.returncode == 1, (run.returncode, run.stdout, run.stderr)
    lines = [line for line in run.stderr.strip().splitlines() if not line.startswith("debconf:")]
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith(f"STOPPED on {node.name}: found "), lines
    assert found in lines[0], lines
    print(lines[0])


@pytest.mark.long
def test_a_look_at_blank_machines_changes_nothing(machines: Lab, scripts: dict[str, Script]) -> None:
    """There, every script would change something; looking, each tells so, and none does."""

    def state(node: Node) -> list[str]:
        text = node.run(
            "find /etc /usr/local /root /home /var/lib/azure-mysql-ha /var/lib/mysql /run/azure-mysql-ha -xdev -type f"
            r" -printf '%p %m %u %g %T@ ' -exec sha256sum {} \; 2>/dev/null | sort; ls -A /run /var/lib /var/log;"
            # Sessions come and go.
            "systemctl list-unit-files --no-legend | grep --invert-match ' transient '; dpkg-query --show; lsmod;"
            "findmnt --list --output TARGET,OPTIONS | grep --invert-match /run/user/",
            timeout=120,
        )
        return text.splitlines()

    def look(node: Node) -> dict[str, str]:
        told: dict[str, str] = {}
        for script in scripts.values():
            if script.node == node.name:
                looking = dataclasses.replace(script, line=drift.LOOKING_LINE, text=drift.looking(script.text))
                run = looking.run(node)
                assert run.returncode == 0, (script.name, run.stdout, run.stderr)
                told[script.name] = run.stdout
        return told

    nodes = machines.nodes()
    with ThreadPoolExecutor() as pool:
        list(pool.map(look, nodes))  # makes the lock's file
        before = list(pool.map(state, nodes))
        disks = [backing(machines, node) for node in nodes]
        told = {name: text for each in pool.map(look, nodes) for name, text in each.items()}
        after = list(pool.map(state, nodes))
    for name, text in told.items():
        print(f"{name}: {text}")
    assert [name for name, text in told.items() if not text] == []
    assert "would run: sfdisk" in told["mysql-lab-1-disk"]
    assert "is missing: /etc/drbd.d/global_common.conf" in told["mysql-lab-1-drbd"]
    assert "is missing: the program drbdadm" in told["mysql-lab-1-drbd"], "it ends there"
    changed = [
        line for one, two in zip(before, after, strict=True) for line in difflib.ndiff(one, two) if line[0] in "+-"
    ]
    assert changed == []
    assert [backing(machines, node) for node in nodes] == disks


def test_no_space(machines: Lab, scripts: dict[str, Script]) -> None:
    node = machines.nodes()[1]
    free = int(node.run("df --output=avail --block-size=1M /var | tail -n 1"))
    node.run(f"fallocate -l {free - 600}M /var/full")
    stops(scripts[f"{node.name}-packages"], node, "MiB free below /var")
    assert node.run("command -v drbdadm", check=False) == ""
    node.run("rm /var/full")


def test_no_kernel_module(machines: Lab, scripts: dict[str, Script]) -> None:
    node = machines.nodes()[1]
    node.run("echo 'install drbd /bin/false' >/etc/modprobe.d/none.conf")
    try:
        stops(scripts[f"{node.name}-packages"], node, "no kernel module drbd")
    finally:
        node.run("rm /etc/modprobe.d/none.conf")
    run = scripts[f"{node.name}-packages"].run(node)
    assert run.returncode == 0, run.stderr


def backing(lab: Lab, node: Node) -> str:
    """Return a digest of all that is written on a node's data disk, as seen from outside."""
    node.run(f"sync; blockdev --flushbufs {DISK}")
    file = next(path for path in (lab.paths.state / "disks").iterdir() if node.name in path.name)
    digest = hashlib.sha256()
    with file.open("rb") as disk:
        end, position = disk.seek(0, os.SEEK_END), 0
        while position < end:
            try:
                data = disk.seek(position, os.SEEK_DATA)
            except OSError:
                break
            hole = disk.seek(data, os.SEEK_HOLE)
            # By pages, since an area grows and shrinks as the file system likes; zeros are like what was never written.
            data -= data % 4096
            disk.seek(data)
            while data < hole:
                page = disk.read(4096)
                if page.strip(b"\0"):
                    digest.update(f"{data} ".encode() + page)
                data += 4096
            position = hole
    return digest.hexdigest()


WRONG_DISKS = {
    "file system": (f"mkfs.ext4 -q -F -E nodiscard {DISK}", "ext4 on"),
    "partition of somebody else": (f"echo , | sfdisk --quiet {DISK}", "a dos partition table"),
    "partition of another cluster": (
        f"printf 'label: gpt\\nname=other-r0\\n' | sfdisk --quiet {DISK}",
        "first partition is named 'other-r0'",
    ),
    "one partition too many": (
        f"printf 'label: gpt\\nsize=1G,name={LABEL}\\nsize=1G\\n' | sfdisk --quiet {DISK}",
        "a gpt partition table",
    ),
    "DRBD metadata": (f"drbdmeta --force 7 v08 {DISK} internal create-md >/dev/null", "drbd on"),
    "swap space": (f"mkswap {DISK} >/dev/null", "swap on"),
    "unknown data": (f"echo data | dd of={DISK} bs=4096 seek=3 conv=notrunc status=none", "unknown data"),
}


@pytest.mark.parametrize("wrong", WRONG_DISKS)
def test_wrong_disk(machines: Lab, scripts: dict[str, Script], wrong: str) -> None:
    node = machines.nodes()[1]
    make, found = WRONG_DISKS[wrong]
    node.run(f"{make}; udevadm settle")
    before = backing(machines, node)
    try:
        stops(scripts[f"{node.name}-disk"], node, found)
        assert backing(machines, node) == before
    finally:
        blank(node)


def blank(node: Node) -> None:
    """Make a data disk as good as new."""
    node.run(f"wipefs --quiet --all {DISK}-part* {DISK} 2>/dev/null; wipefs --quiet --all {DISK}", check=False)
    size = "$(( $(blockdev --getsz " + DISK + ") / 2048 - 1 ))"
    node.run(
        f"head -c 2M /dev/zero >{DISK}; dd if=/dev/zero of={DISK} bs=1M seek={size} count=1 status=none conv=notrunc;"
        f"sync; blockdev --rereadpt {DISK}; udevadm settle"
    )


def test_wrong_partition(machines: Lab, scripts: dict[str, Script]) -> None:
    """Our partition's name, with something else's data in it."""
    node = machines.nodes()[1]
    node.run(f"printf 'label: gpt\\nname={LABEL}\\n' | sfdisk --quiet {DISK}; udevadm settle")
    node.run(f"mkfs.ext4 -q -F -E nodiscard /dev/disk/by-partlabel/{LABEL}")
    for peer in ("host", "disk"):
        run = scripts[f"{node.name}-{peer}"].run(node)
        assert run.returncode == 0, run.stderr
    before = backing(machines, node)
    try:
        stops(scripts[f"{node.name}-drbd"], node, f"ext4 on /dev/disk/by-partlabel/{LABEL}")
        assert backing(machines, node) == before
    finally:
        blank(node)


def test_partition_smaller_than_its_table(machines: Lab, scripts: dict[str, Script]) -> None:
    """A growth that ended between table and kernel: udev has no name. A disk made anew is as large as one grown."""
    node, partition = machines.nodes()[1], f"/dev/disk/by-partlabel/{LABEL}"
    node.run(f"printf 'label: gpt\\nsize=1G,name={LABEL}\\n' | sfdisk --quiet {DISK}; udevadm settle")
    try:
        # By another name of the disk: udev watches the usual one, and would have the kernel read the table at once.
        node.run(
            f"mknod /dev/unwatched b $(lsblk --nodeps --noheadings --output MAJ:MIN {DISK} | tr : ' ');"
            "echo ', +' | sfdisk --quiet --no-reread --no-tell-kernel --partno 1 /dev/unwatched; rm /dev/unwatched;"
            f"udevadm trigger --settle $(realpath {partition}); ! test -b {partition}"
        )
        run = scripts[f"{node.name}-disk"].run(node)
        assert run.returncode == 0, run.stderr
        grown = int(node.run(f"blockdev --getsize64 {partition}"))
    finally:
        blank(node)
    try:
        # DRBD would refuse a peer with less of its 4 KiB blocks.
        run = scripts[f"{node.name}-disk"].run(node)
        assert run.returncode == 0, run.stderr
        assert int(node.run(f"blockdev --getsize64 {partition}")) // 4096 == grown // 4096
    finally:
        blank(node)


def test_killed_while_packages_are_installed(machines: Lab, kind: Kind) -> None:
    node = machines.nodes()[0]
    interrupt(machines, kind, node, "/usr/bin/apt-get", "*install*", "[[ -e /var/lib/dpkg/info/corosync.list ]]")
    print(node.run("dpkg --audit | head", check=False))


def test_killed_while_metadata_are_made(machines: Lab, kind: Kind) -> None:
    node = machines.nodes()[0]
    interrupt(machines, kind, node, "/usr/sbin/drbdadm", "create-md*", '[[ $(writes ubdb1) != "$before" ]]', "ubdb1")


def test_killed_while_the_file_system_is_made(machines: Lab, kind: Kind) -> None:
    node = machines.nodes()[0]
    interrupt(machines, kind, node, "/usr/sbin/mkfs.ext4", "*", '[[ $(writes drbd1) != "$before" ]]', "drbd1")


def test_killed_while_the_data_directory_is_made(machines: Lab, kind: Kind) -> None:
    node = machines.nodes()[0]
    half = 'compgen -G "/var/lib/mysql/data.incomplete/*" >/dev/null'
    interrupt(machines, kind, node, trial.DATABASE.program, "*--initialize-insecure*", half)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        ("mkdir data; echo precious >data/ibdata1", "a data directory /var/lib/mysql/data that is not this cluster's"),
        ("echo precious >dump.sql", "dump.sql in /var/lib/mysql"),
    ],
)
def test_wrong_data_directory(machines: Lab, scripts: dict[str, Script], make: str, found: str) -> None:
    node = machines.nodes()[0]
    # What outlives its script's connection comes to its end first: there is a data directory then.
    node.run("flock --wait 50 /run/azure-mysql-ha.lock true")
    node.run(
        "umount /var/lib/mysql 2>/dev/null; drbdadm primary r0 && mount /dev/drbd1 /var/lib/mysql &&"
        f"(cd /var/lib/mysql && rm -rf data && {make}) && umount /var/lib/mysql && drbdadm secondary r0"
    )
    stops(scripts["server-data-directory"], node, found)
    assert node.run("drbdadm role r0").startswith("Secondary/"), "it must leave the node as it was"
    kept = node.run(
        "drbdadm primary r0 && mount /dev/drbd1 /var/lib/mysql && cd /var/lib/mysql && cat data/ibdata1 dump.sql"
        " 2>/dev/null; rm -r data dump.sql 2>/dev/null; cd /; umount /var/lib/mysql; drbdadm secondary r0"
    )
    assert kept == "precious\n"


def test_killed_while_the_document_is_applied(machines: Lab, kind: Kind) -> None:
    node = machines.nodes()[0]
    interrupt(machines, kind, node, "/usr/sbin/cibadmin", "--patch*", "false")


def test_the_engine_is_killed(machines: Lab) -> None:
    """Its lock in the back end and its unfinished operations stop nobody."""
    lab = machines
    state = lab.engine().state_file

    def is_under_way() -> bool:
        try:
            latest: dict[str, Any] = json.loads(state.read_text())["checkpoint"]["latest"]
        except ValueError:  # it is being written
            return False
        begun: list[dict[str, Any]] = latest.get("pending_operations") or []
        return any(each["resource"]["urn"].endswith("-options") for each in begun)

    with up_in_background(lab) as outcome:
        wait_until("a script that the state calls begun", is_under_way, 300, every=0.2)
        end_engine(lab, signal.SIGKILL)
    assert isinstance(outcome[0], EngineError)
    assert list((lab.paths.pulumi / "backend/.pulumi/locks").rglob("*.json")), "it has left no lock"
    assert lab.engine().export().get("pending_operations"), "nothing was under way"


def test_up_at_last(machines: Lab) -> None:
    """The cluster is there; nothing of the interruptions is left; and an interruption loses no data."""
    lab = machines
    # What docs/operations/failed-update.md says; for scripts alone, `pulumi up` would do.
    lab.engine().cancel()
    told = resume(lab.engine())
    assert told and all("Command" in line and line.endswith("left to the next update") for line in told), told
    lab.up()
    service.wait_until_well(lab)
    assert not lab.engine().export().get("pending_operations")
    application.query(lab, "create table kept (id int primary key)", "insert into kept values (1)")
    for node in lab.nodes():
        assert node.run("ls /var/lib/azure-mysql-ha 2>/dev/null", check=False) == ""
        assert node.run("dpkg --audit; ls /usr/sbin/policy-rc.d 2>/dev/null", check=False) == ""

    # What made the data, once more: the data are where they were.
    node = by_name(lab.nodes(), "mysql-lab-1")
    names = ("resources-document", "server-data-directory", "replication-first-generation", f"{node.name}-drbd")
    for script in (script for script in scripts_of(lab.engine()) if script.name in names):
        assert script.run(node).returncode == 0
    assert application.query(lab, "select id from kept") == [(1,)]
    reader = lab.up()
    assert set(reader.changes) == {"same"}


def test_a_mark_that_was_left(machines: Lab) -> None:
    """A step's mark that a power failure has brought back does not have metadata with data made anew."""
    node = service.idle(machines)
    node.run(f"crm node standby {node.name}", timeout=120)
    wait_until("the end of DRBD", lambda: not node.run("drbdadm role r0 2>/dev/null", check=False), 60)
    try:
        dump = "drbdadm dump-md r0 | grep --invert-match '^#'"  # without its own time
        before = node.run(f"drbdadm apply-al r0; {dump}")
        mark = f"create-md-$(lsblk --nodeps --noheadings --output PARTUUID /dev/disk/by-partlabel/{LABEL}).begun"
        node.run(f"mkdir -p /var/lib/azure-mysql-ha && touch /var/lib/azure-mysql-ha/{mark}")
        (script,) = [each for each in scripts_of(machines.engine()) if each.name == f"{node.name}-drbd"]
        run = script.run(node)
        assert (run.returncode, run.stdout) == (0, "DRBD r0: left to Pacemaker\n"), run.stderr
        assert node.run(dump) == before
        assert node.run("ls /var/lib/azure-mysql-ha") == ""
    finally:
        node.run(f"crm node online {node.name}", timeout=120)
    service.wait_until_well(machines)
