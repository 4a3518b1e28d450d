"""Machines of a running cluster are restarted, replaced, lost, and their disks grow, while a client writes.

Tests in the order of the file. That of a new image makes both machines anew and takes minutes more: it is asked for
by LAB_ALL=1.
"""

import itertools
import json
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pymysql
import pytest

from tests.lab import trial
from tests.lab.cloud import client as cloud
from tests.lab.drills import writer as writers
from tests.lab.drills.outage import gaps
from tests.lab.engine import EngineError
from tests.lab.events import EventReader
from tests.lab.lab import Lab, wait_until
from tests.lab.nodes import Node
from tests.lab.paths import LabPaths

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800), trial.ONLY_IF_ASKED]

# An interruption as that of a standby, whose drill has 39 to 60 s (docs/drills.md), and on a machine that boots another
# one meanwhile. What is no interruption is below the writer's patience for one answer.
_MOVE_SECONDS = 90.0
_NONE_SECONDS = 10.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    yield from trial.own_lab(Lab(LabPaths("trepl")))


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    lab.set_up(["debian-12"])
    lab.up()
    trial.wait_until_well(lab, trial.bar(300))
    return lab


def idle(lab: Lab) -> Node:
    """Return the node that does not serve."""
    return next(node for node in lab.nodes() if node.name != trial.serving(lab).name)


@contextmanager
def writing(lab: Lab, folder: Path, *, moves: int, longest: float) -> Generator[None]:
    """Write all the time; afterwards no acknowledged row is missing, and machines were never off together.

    Args:
        lab: the lab.
        folder: for the record of the writes.
        moves: how often the service moves from one node to the other.
        longest: seconds that acknowledgements may be apart.
    """
    client, done = trial.client(lab), threading.Event()

    def connect() -> writers.Connection:
        return pymysql.connect(
            host=client.host, port=client.port, user=client.user, password=client.password, database=client.database,
            connect_timeout=5, read_timeout=writers.ANSWER_SECONDS, write_timeout=writers.ANSWER_SECONDS,
            autocommit=True,
        )  # fmt: skip

    off_together: list[object] = []

    def watch() -> None:
        while not done.wait(0.2):
            machines = cloud.status(lab.paths)["machines"]
            if not any(machine["power"] == "running" and machine["boot_seconds"] for machine in machines):
                off_together.append(machines)

    with connect() as connection:
        writers.make_table(connection)
    writer = writers.Writer(connect, nullcontext, folder / "writes.jsonl", pace=10)
    watcher = threading.Thread(target=watch)
    writer.start()
    watcher.start()
    try:
        yield
        # What was begun is seen to its end.
        begin = time.time()
        wait_until("a row more", lambda: writer.last_acknowledged > begin, 120)
    finally:
        done.set()
        watcher.join()
        writer.stop()
    with connect() as connection:
        rows = writers.rows(connection)
    acknowledged = [write.sequence for write in writer.writes if write.acknowledged is not None]
    pauses = [gap.seconds for gap in gaps(writer.writes)]
    servers = [rows[sequence] for sequence in sorted(rows)]
    moved = sum(one != other for one, other in itertools.pairwise(servers))
    print(f"{len(acknowledged)} rows, {moved} moves, pauses of {', '.join(f'{p:.1f}' for p in pauses) or 'none'} s")
    assert [sequence for sequence in acknowledged if sequence not in rows] == []
    assert off_together == []
    assert moved == moves
    assert max(pauses, default=0.0) < trial.bar(longest)


def steps(reader: EventReader, kind: str) -> list[str]:
    """Return the names of the resources of a kind that the engine has changed, in the order in which it was done."""
    changed = [step for step in reader.steps.values() if step.kind == kind and step.operation != "same"]
    return [step.name for step in sorted(changed, key=lambda step: step.end or 0.0)]


def test_another_size_and_larger_disks(cluster: Lab, tmp_path: Path) -> None:
    """A plain `pulumi up`: the idle node first, then, when it has all data, the other.

    None of the lab's kernels sees that a disk grows, so the disks grow in the update that restarts the machines.
    """

    def megabytes() -> int:
        return int(trial.serving(cluster).run("df --output=size --block-size=1M /var/lib/mysql | tail -n 1"))

    first, last, before = idle(cluster).name, trial.serving(cluster).name, megabytes()
    changes = {"vmSize": "Standard_B2as_v2", "dataDiskSizeGb": 5}
    shown = preview(cluster, changes)
    assert {f"{name}{end}" for name in (first, last) for end in ("", "-turn", "-data")} <= {
        step.name for step in shown.steps.values() if step.operation == "update"
    }
    with writing(cluster, tmp_path, moves=1, longest=_MOVE_SECONDS):
        reader = cluster.up(changes)
        trial.wait_until_well(cluster, trial.bar(300))
    assert steps(reader, "VirtualMachine") == [first, last]
    assert trial.serving(cluster).name == first
    assert megabytes() > before + 900
    assert set(cluster.up().changes) == {"same"}


def test_a_disk_never_shrinks(cluster: Lab) -> None:
    """The settings are good by themselves: it is Pulumi's record of the stack that says how large the disks are."""
    with pytest.raises(EngineError, match="dataDiskSizeGb: 4 GiB is less than the 5 GiB that mysql-lab-1-data has"):
        preview(cluster, {"dataDiskSizeGb": 4})


def preview(lab: Lab, changes: Mapping[str, object]) -> EventReader:
    """Run `pulumi preview` with other settings."""
    engine = lab.engine()
    engine.prepare({**json.loads(lab.settings_file.read_text()), **changes})
    return engine.run(["preview"], lab.progress, lab.paths.logs / "engine-preview.log")


def test_a_node_is_lost_for_good(cluster: Lab, tmp_path: Path) -> None:
    """Machine and disk are deleted in Azure: what is made anew gets its data from the survivor."""
    lost, survivor = idle(cluster), trial.serving(cluster)
    compute = "/resourceGroups/rg-mysql-lab/providers/Microsoft.Compute"
    assert trial.ask_azure(cluster, "DELETE", f"{compute}/virtualMachines/{lost.name}")[0] == 202

    def deleted() -> bool:
        # Refused as long as the machine has it.
        return trial.ask_azure(cluster, "DELETE", f"{compute}/disks/disk-{lost.name}-data")[0] in (200, 202, 204)

    wait_until("the disk deleted", deleted, 60, every=1)
    # Nobody can fence what is not there: a person who has seen that it is gone says so (docs/operations/lost-node.md).
    survivor.run(f"stonith_admin --confirm {lost.name}", timeout=120)
    wait_until("an answer", lambda: trial.answers(cluster), 120)
    with writing(cluster, tmp_path, moves=0, longest=_NONE_SECONDS):
        engine = cluster.engine()
        gone = engine.run(["refresh", "--yes", "--skip-preview"], cluster.progress, cluster.paths.logs / "refresh.log")
        assert gone.changes.get("delete", 0) >= 2, gone.changes
        cluster.up()
        trial.wait_until_well(cluster, trial.bar(300))
    assert trial.serving(cluster).name == survivor.name
    assert "drbd-fence-by-handler" not in survivor.run("cibadmin --query --scope constraints")


def test_another_image(cluster: Lab, tmp_path: Path) -> None:
    """Both machines are made anew around their data disks, one after the other."""
    first, last = idle(cluster).name, trial.serving(cluster).name
    before = {node.name: node.run("cat /etc/machine-id") for node in cluster.nodes()}
    with writing(cluster, tmp_path, moves=1, longest=_MOVE_SECONDS):
        reader = cluster.up({"imageVersion": "0.20261101.0"})
        trial.wait_until_well(cluster, trial.bar(300))
    assert [name for name in steps(reader, "VirtualMachine") if name in (first, last)][::2] == [first, last]
    assert trial.serving(cluster).name == first
    after = {node.name: node.run("cat /etc/machine-id") for node in cluster.nodes()}
    assert all(after[name] != before[name] for name in before)
    assert set(cluster.up().changes) == {"same"}
