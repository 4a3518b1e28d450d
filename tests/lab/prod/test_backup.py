"""A backup from the first update to a second stack that begins with it. Tests in the order of the file."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.checkout import CHECKOUT
from configs.backup.blobs import CONTAINER
from drills import rescue, scenario
from drills.conductor import conduct
from drills.target import LabTarget
from lab import application, service
from lab.cloud import client as cloud
from lab.lab import Lab, wait_until
from operations import backups, verify_backup
from tests.support import trial

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]


def windows(lab: Lab) -> list[Any]:
    return backups.ask(lab.stack())["windows"]


def test_one_can_restore_soon(cluster: Lab) -> None:
    """A base is made at once, and the log follows within two minutes; nothing is wrong then."""
    wait_until("the base and its log", lambda: windows(cluster), trial.bar(240), every=5)
    run = trial.command_line(cluster, "backups", "--json")
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(run.stdout)["alarms"] == []
    assert cluster.status().alarms == []


def test_nothing_to_do_the_second_time(cluster: Lab) -> None:
    assert set(cluster.up().changes) == {"same"}


def test_it_is_proved(cluster: Lab) -> None:
    """By a restore on the node that does not serve, with each table checked; the service stays where it is."""
    insert(cluster, 1, 2)
    serving = service.serving(cluster).name
    proof = verify_backup.prove(cluster.stack())
    assert proof.ok, proof.why
    assert proof.tables > 20 and proof.bytes > 10 << 20
    assert service.serving(cluster).name == serving
    assert trial.command_line(cluster, "backups").stdout.count("are whole") == 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["table-dropped", "both-lost", "backup-interrupted", "storage-away"])
def test_drill(cluster: Lab, tmp_path: Path, name: str) -> None:
    """Every row that was acknowledged until a second is restored, and none of those after it."""
    [chosen] = scenario.choose([name])
    result = conduct(chosen, 1, LabTarget(cluster), tmp_path / name, cluster.progress).result
    assert result.verdict == "pass", f"see {tmp_path / name}: {result}"
    assert (result.lost, result.promoted_max, result.servers_max) == (0, 1, 1)


def insert(lab: Lab, *numbers: int) -> None:
    rows = ", ".join(f"({number})" for number in numbers)
    application.query(
        lab, "create table if not exists proved (id int primary key)", f"insert into proved values {rows}"
    )


def shipped(lab: Lab, number: int) -> str:
    """Write a row that nobody else writes, bring it into the backup, and return the time when it is there."""
    insert(lab, number)
    service.serving(lab).run("systemctl start azure-mysql-ha-ship.service", timeout=120)
    return windows(lab)[-1][1]


def names(lab: Lab, prefix: str) -> list[str]:
    """Return what lies in the container of the backup."""
    stack = lab.stack()
    program = f"from components.azure import stored_backup as s; print(*s.read({backups.account(stack)!r}).sizes)"
    run = subprocess.run(
        [*stack.cli.prefix, sys.executable, "-c", program],
        cwd=CHECKOUT, env=stack.cli.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(name for name in run.stdout.split() if name.startswith(prefix))


def spoil(lab: Lab, name: str, content: str | None = None) -> None:
    cloud.spoil(lab.paths, backups.account(lab.stack()), f"{CONTAINER}/{name}", content)


def begin_after_the_gap(lab: Lab, number: int) -> None:
    """Make a new base, with which what comes after it is whole, and wait until a row after it can be restored."""
    before = windows(lab)[-1][0]
    service.serving(lab).run("systemctl start azure-mysql-ha-base.service", timeout=300)
    last = shipped(lab, number)
    wait_until(
        "a time after the gap", lambda: windows(lab)[-1][1] >= last and windows(lab)[-1][0] > before, 180, every=5
    )


@pytest.mark.long
def test_a_log_is_missing(cluster: Lab) -> None:
    """It is told, with what can be restored; a second stack that needs it is refused before anything is made."""
    times = [shipped(cluster, number) for number in (10, 11, 12)]
    *_, lost, _ = names(cluster, "log/")
    spoil(cluster, lost)
    run = trial.command_line(cluster, "backups")
    assert run.returncode == 1
    number = re.search(r"/(\d{6})_", lost)
    assert number and f"ALARM     log {number[1]} of history" in run.stdout, run.stdout
    for to, says in ((times[2], "cannot be restored"), ("latest", "the latest cannot be restored")):
        engine = rescue.second_stack(cluster, cluster.outputs()["backup"], to)
        code, text = engine.pass_on("preview", "--suppress-progress")
        assert code != 0 and says in text and f"log {number[1]}" in text and "Possible: " in text, text[-2000:]
        assert not engine.export().get("resources")
    code, text = rescue.second_stack(cluster, cluster.outputs()["backup"], times[0]).pass_on("preview")
    assert code == 0, text[-2000:]
    begin_after_the_gap(cluster, 13)


@pytest.mark.long
def test_logs_that_nobody_brought(cluster: Lab) -> None:
    """An hour of shipping that is missing: the storage was away, and somebody purged the logs on the server."""
    node = service.serving(cluster)
    cloud.set_faults(cluster.paths, storage="unreachable")
    try:
        for number in (20, 21, 22):
            insert(cluster, number)
            node.run(f"{trial.DATABASE.client} --no-defaults --execute 'flush binary logs'")
        purge = "purge binary logs before date_add(now(), interval 1 day)"
        node.run(f"{trial.DATABASE.client} --no-defaults --execute '{purge}'")
    finally:
        cloud.set_faults(cluster.paths, storage="ok")

    def is_told() -> bool:
        return any("deleted before they were backed up" in alarm for alarm in cluster.status().alarms)

    wait_until("the alarm", is_told, 240, every=5)
    run = trial.command_line(cluster, "backups")
    assert run.returncode == 1 and "ALARM" in run.stdout, run.stdout
    begin_after_the_gap(cluster, 23)
    assert not is_told()


@pytest.mark.long
def test_a_base_is_spoilt(cluster: Lab) -> None:
    """The proof finds it, and says so until another base has been proved."""
    [*_, data] = [name for name in names(cluster, "base/") if not name.endswith(".json")]
    spoil(cluster, data, "no backup any more")
    proof = verify_backup.prove(cluster.stack())
    assert not proof.ok and "damaged" in proof.why, proof
    assert any("damaged" in alarm for alarm in cluster.status().alarms)
    service.serving(cluster).run("systemctl start azure-mysql-ha-base.service", timeout=300)
    wait_until("the log after it", lambda: shipped(cluster, int(time.time())), 120, every=5)
    assert verify_backup.prove(cluster.stack()).ok
    assert cluster.status().alarms == []
