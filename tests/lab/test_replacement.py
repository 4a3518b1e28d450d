"""Machines of a running cluster are restarted, replaced, lost, and their disks grow, while a client writes.

Tests in the order of the file.
"""

import json
import re
from collections.abc import Iterator, Mapping

import pytest

from lab import application, service
from lab.engine import EngineError
from lab.events import EventReader
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from tests.support import bystander, trial

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800), pytest.mark.long]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    yield from trial.own_lab(Lab(LabPaths("trepl")))


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    lab.up()
    service.wait_until_well(lab, trial.bar(300))
    return lab


def megabytes(lab: Lab) -> int:
    """Return the size of the file system that serves."""
    return int(service.serving(lab).run("df --output=size --block-size=1M /var/lib/mysql | tail -n 1"))


def steps(reader: EventReader, kind: str) -> list[str]:
    """Return the names of the resources of a kind that the engine has changed, in the order in which it was done."""
    changed = [step for step in reader.steps.values() if step.kind == kind and step.operation != "same"]
    return [step.name for step in sorted(changed, key=lambda step: step.end or 0.0)]


def test_another_size_and_larger_disks(cluster: Lab) -> None:
    """A plain `pulumi up`: the idle node first, then, when it has all data, the other.

    None of the lab's kernels sees that a disk grows, so the disks grow in the update that restarts the machines.
    """
    first, last, before = service.idle(cluster).name, service.serving(cluster).name, megabytes(cluster)
    changes = {"vmSize": "Standard_B2as_v2", "dataDiskSizeGb": 5}
    shown = preview(cluster, changes)
    assert {f"{name}{end}" for name in (first, last) for end in ("", "-turn", "-data")} <= {
        step.name for step in shown.steps.values() if step.operation == "update"
    }
    with bystander.service_moves(cluster, 1, bystander.MOVE_SECONDS):
        reader = cluster.up(changes)
        service.wait_until_well(cluster, trial.bar(300))
    assert steps(reader, "VirtualMachine") == [first, last]
    assert service.serving(cluster).name == first
    assert megabytes(cluster) > before + 900
    assert set(cluster.up().changes) == {"same"}


def test_a_disk_never_shrinks(cluster: Lab) -> None:
    """The settings are good by themselves: it is Pulumi's record of the stack that says how large the disks are."""
    with pytest.raises(
        EngineError, match="dataDiskSizeGb: 4 GiB is less than the 5 GiB that disk-mysql-lab-1-data has"
    ):
        preview(cluster, {"dataDiskSizeGb": 4})


def preview(lab: Lab, changes: Mapping[str, object]) -> EventReader:
    """Run `pulumi preview` with other settings."""
    engine = lab.engine()
    engine.prepare({**json.loads(lab.settings_file.read_text()), **changes})
    return engine.run(["preview"], lab.progress, lab.paths.logs / "engine-preview.log")


def test_a_node_is_lost_for_good(cluster: Lab) -> None:
    """Machine and disk are deleted in Azure: what is made anew gets its data from the survivor."""
    lost, survivor = service.idle(cluster), service.serving(cluster)
    trial.delete_machine(cluster, lost.name)
    # Nobody can fence what is not there: a person who has seen that it is gone says so (docs/operations/lost-node.md).
    survivor.run(f"stonith_admin --confirm {lost.name}", timeout=120)
    wait_until("an answer", lambda: application.answers(cluster), 120)
    with bystander.service_moves(cluster, 0, bystander.PAUSE_SECONDS):
        engine = cluster.engine()
        gone = engine.run(["refresh", "--yes", "--skip-preview"], cluster.progress, cluster.paths.logs / "refresh.log")
        assert gone.changes.get("delete", 0) >= 2, gone.changes
        cluster.up()
        service.wait_until_well(cluster, trial.bar(300))
    assert service.serving(cluster).name == survivor.name
    assert "drbd-fence-by-handler" not in survivor.run("cibadmin --query --scope constraints")


def test_another_image_and_larger_disks(cluster: Lab) -> None:
    """Both machines are made anew around their data disks, one after the other; the disks grow when both are there."""
    first, last, size = service.idle(cluster).name, service.serving(cluster).name, megabytes(cluster)
    before = {node.name: node.run("cat /etc/machine-id") for node in cluster.nodes()}
    with bystander.service_moves(cluster, 1, bystander.MOVE_SECONDS):
        reader = cluster.up({"imageVersion": "0.20261101.0", "dataDiskSizeGb": 6})
        service.wait_until_well(cluster, trial.bar(300))
    # (A replacement has several steps.)
    assert list(dict.fromkeys(steps(reader, "VirtualMachine"))) == [first, last]
    assert service.serving(cluster).name == first
    after = {node.name: node.run("cat /etc/machine-id") for node in cluster.nodes()}
    assert all(after[name] != before[name] for name in before)
    assert megabytes(cluster) > size + 900
    assert set(cluster.up().changes) == {"same"}


def test_another_name_of_the_cluster(cluster: Lab) -> None:
    """With the disks named, one update deletes all and makes a new cluster; it says so, and the next is quiet."""
    application.query(cluster, "create table if not exists old (x int)")
    with pytest.raises(EngineError, match="clusterName: would delete disk-mysql-lab-1-data") as refused:
        preview(cluster, {"clusterName": "shop"})
    named = re.search(r"deleteDataDisks: (\[.*?\])", str(refused.value))
    assert named
    cluster.up({"clusterName": "shop", "deleteDataDisks": json.loads(named[1])})
    said = (cluster.paths.logs / "engine-up.log").read_text()
    for disk in json.loads(named[1]):
        assert f"this update deletes data disk {disk} with all data" in said
    service.wait_until_well(cluster, trial.bar(300))
    assert sorted(node.name for node in cluster.nodes()) == ["shop-1", "shop-2"]
    assert application.query(cluster, "show tables") == []
    with pytest.raises(EngineError, match="this update does not delete"):
        preview(cluster, {})
    assert set(cluster.up({"deleteDataDisks": []}).changes) == {"same"}
