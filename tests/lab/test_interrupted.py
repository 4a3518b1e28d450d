"""What a node must not have, and scripts that are killed: one lab, whose cluster is made with many interruptions.

First the machines alone are made. What is wrong is then put on one of them, seen to stop the script that finds it,
and taken away again. After that every `pulumi up` but the last is killed at another point.
"""

import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.golden.recording import record
from tests.lab import fabric, trial
from tests.lab.engine import EngineError
from tests.lab.lab import Lab, wait_until
from tests.lab.nodes import Node, by_name
from tests.lab.paths import LabPaths

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

DISK = "/dev/disk/azure/scsi1/lun0"
LABEL = "mysql-lab-r0"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    yield from trial.own_lab(Lab(LabPaths("tkill")))


@pytest.fixture(scope="module")
def machines(lab: Lab) -> Lab:
    """Make all that is Azure's, and run no script."""
    reader = lab.up(options=["--exclude", "**command:remote:Command::**", "--exclude-dependents"])
    assert not any(step.kind == "Command" for step in reader.steps.values())
    for node in lab.nodes():
        wait_until(f"{node.name} to let in", lambda node=node: node.run("id", timeout=20, check=False), 120)
        node.run("cloud-init status --wait >/dev/null", timeout=120, check=False)
    return lab


@pytest.fixture(scope="module")
def scripts() -> dict[str, trial.Script]:
    """The scripts as the program renders them; their secrets are throw-away ones."""
    found: dict[str, trial.Script] = {}
    for resource in record("lab"):
        if resource.type == "command:remote:Command":
            text = resource.inputs["stdin"]
            environment = _clear(resource.inputs.get("environment", {}))
            variables = {key: _clear(value) for key, value in environment.items()}
            node = next(line.split()[2] for line in text.splitlines() if line.startswith("# Node "))
            found[resource.name] = trial.Script(resource.name, node, resource.inputs["create"], text, variables)
    return found


def _clear(value: Any) -> Any:
    """Return a recorded input without the mark of a secret."""
    if not isinstance(value, dict):
        return value
    inputs = cast(dict[str, Any], value)
    return inputs.get("secret", inputs)


def stops(script: trial.Script, node: Node, found: str) -> None:
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


def test_no_space(machines: Lab, scripts: dict[str, trial.Script]) -> None:
    node = machines.nodes()[1]
    free = int(node.run("df --output=avail --block-size=1M /var | tail -n 1"))
    node.run(f"fallocate -l {free - 600}M /var/full")
    stops(scripts[f"{node.name}-packages"], node, "MiB free below /var")
    assert node.run("command -v drbdadm", check=False) == ""
    node.run("rm /var/full")


def test_no_kernel_module(machines: Lab, scripts: dict[str, trial.Script]) -> None:
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
def test_wrong_disk(machines: Lab, scripts: dict[str, trial.Script], wrong: str) -> None:
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


def test_wrong_partition(machines: Lab, scripts: dict[str, trial.Script]) -> None:
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


KILLER = """#!/bin/bash
# Once: begins what it stands for, then kills it and the whole script that called it.
case "$*" in {arguments}) ;; *) exec {real} "$@" ;; esac
if [[ -e $0.real ]]; then mv "$0.real" "$0"; else rm "$0"; fi
script=$PPID
while [[ $(cat /proc/$script/comm) != sudo ]]; do
  top=$script
  script=$(awk '$1 == "PPid:" {{ print $2 }}' /proc/$script/status)
done
descendants() {{
  local child
  for child in $(pgrep --parent "$1"); do
    [[ $child == $$ ]] || {{ echo "$child"; descendants "$child"; }}
  done
}}
writes() {{ awk -v name="$1" '$3 == name {{ print $8 }}' /proc/diskstats; }}
before=$(writes {device})
{real} "$@" &
until {condition} || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
touch /run/killed
kill -KILL "$top" $(descendants $$) $(descendants "$top")
"""


def interrupt(lab: Lab, node: Node, program: str, arguments: str, condition: str, device: str = "none") -> None:
    """Run `pulumi up`, in which a program is killed together with the script that runs it.

    Args:
        lab: the lab.
        node: where.
        program: its path.
        arguments: shell pattern of those that are meant.
        condition: shell command that succeeds when it has got far enough; a program that ends before is killed then.
        device: block device whose `writes` the condition may compare with "$before".
    """
    name = Path(program).name
    killer = KILLER.format(arguments=arguments, real=program, condition=condition, device=device)
    # The scripts look in /usr/local/sbin first; one that is called by its whole path gives way.
    place = f"/usr/local/sbin/{name}" if program.startswith("/usr/sbin") or name == "apt-get" else program
    aside = f"mv {place} {place}.real; " if place == program else ""
    node.run(f"rm -f /run/killed; {aside}cat >{place} <<'END'\n{killer}END\nchmod 755 {place}")
    with pytest.raises(EngineError) as failed:
        lab.up()
    assert node.run("ls /run/killed", check=False).strip() == "/run/killed", failed.value
    if place != program:
        assert node.run(f"ls {place}", check=False) == ""


def test_killed_while_packages_are_installed(machines: Lab) -> None:
    node = machines.nodes()[0]
    interrupt(machines, node, "/usr/bin/apt-get", "*install*", "[[ -e /var/lib/dpkg/info/corosync.list ]]")
    print(node.run("dpkg --audit | head", check=False))


def test_killed_while_metadata_are_made(machines: Lab) -> None:
    node = machines.nodes()[0]
    interrupt(machines, node, "/usr/sbin/drbdadm", "create-md*", '[[ $(writes ubdb1) != "$before" ]]', "ubdb1")


def test_killed_while_the_file_system_is_made(machines: Lab) -> None:
    node = machines.nodes()[0]
    interrupt(machines, node, "/usr/sbin/mkfs.ext4", "*", '[[ $(writes drbd1) != "$before" ]]', "drbd1")


def test_killed_while_the_data_directory_is_made(machines: Lab) -> None:
    node = machines.nodes()[0]
    half = 'compgen -G "/var/lib/mysql/data.incomplete/*" >/dev/null'
    interrupt(machines, node, "/usr/bin/mariadb-install-db", "*", half)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        ("mkdir data; echo precious >data/ibdata1", "a data directory /var/lib/mysql/data that is not this cluster's"),
        ("echo precious >dump.sql", "dump.sql in /var/lib/mysql"),
    ],
)
def test_wrong_data_directory(machines: Lab, scripts: dict[str, trial.Script], make: str, found: str) -> None:
    node = machines.nodes()[0]
    node.run(
        "umount /var/lib/mysql 2>/dev/null; drbdadm primary r0 && mount /dev/drbd1 /var/lib/mysql &&"
        f"(cd /var/lib/mysql && {make}) && umount /var/lib/mysql && drbdadm secondary r0"
    )
    stops(scripts["server-data-directory"], node, found)
    assert node.run("drbdadm role r0").startswith("Secondary/"), "it must leave the node as it was"
    kept = node.run(
        "drbdadm primary r0 && mount /dev/drbd1 /var/lib/mysql && cd /var/lib/mysql && cat data/ibdata1 dump.sql"
        " 2>/dev/null; rm -r data dump.sql 2>/dev/null; cd /; umount /var/lib/mysql; drbdadm secondary r0"
    )
    assert kept == "precious\n"


def test_killed_while_the_document_is_applied(machines: Lab) -> None:
    node = machines.nodes()[0]
    interrupt(machines, node, "/usr/sbin/cibadmin", "--patch*", "false")


def test_the_engine_is_killed(machines: Lab) -> None:
    """Its lock in the back end and its unfinished operations stop nobody."""
    lab = machines
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(lab.up())
        except EngineError as error:
            outcome.append(error)

    log = lab.paths.logs / "engine-up.events.json"
    log.unlink(missing_ok=True)
    runner = threading.Thread(target=run)
    runner.start()
    wait_until("the accounts' script", lambda: log.exists() and "-accounts" in log.read_text(), 300, every=0.2)
    killed = [pid for pid in fabric.processes(lab.paths.namespace) if _is_engine(pid)]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    runner.join()
    assert killed
    assert isinstance(outcome[0], EngineError)
    assert list((lab.paths.pulumi / "backend/.pulumi/locks").rglob("*.json")), "it has left no lock"


def _is_engine(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[0].endswith(b"/pulumi") and b"up" in words


def test_up_at_last(machines: Lab) -> None:
    """The cluster is there; nothing of the interruptions is left; and an interruption loses no data."""
    lab = machines
    lab.up()
    wait_until("a cluster that is well", lambda: trial.is_well(lab), 180, every=1)
    trial.query(lab, "create table kept (id int primary key)", "insert into kept values (1)")
    for node in lab.nodes():
        assert node.run("ls /var/lib/azure-mysql-ha 2>/dev/null", check=False) == ""
        assert node.run("dpkg --audit; ls /usr/sbin/policy-rc.d 2>/dev/null", check=False) == ""

    # What made the data, once more: the data are where they were.
    node = by_name(lab.nodes(), "mysql-lab-1")
    names = ("resources-document", "server-data-directory", "replication-first-generation", f"{node.name}-drbd")
    for script in (script for script in trial.scripts(lab.engine()) if script.name in names):
        assert script.run(node).returncode == 0
    assert trial.query(lab, "select id from kept") == [(1,)]
    reader = lab.up()
    assert set(reader.changes) == {"same"}
