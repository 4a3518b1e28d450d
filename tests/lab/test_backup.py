"""A backup from the first update to a second stack that begins with it. Tests in the order of the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drills import scenario
from drills.conductor import conduct
from drills.target import LabTarget
from lab import application, image, service
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from operations import backups, verify_backup
from tests.support import trial

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

USUAL = trial.SYSTEM.name
OTHERS = [each for each in image.systems() if each != USUAL]


@pytest.fixture(scope="module", params=[USUAL, *(pytest.param(each, marks=pytest.mark.long) for each in OTHERS)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A cluster with backups, on each operating system of the lab."""
    for lab in trial.own_lab(Lab(LabPaths("backup"))):
        lab.up({"backup": True, "operatingSystem": request.param})
        service.wait_until_well(lab)
        yield lab


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
    application.query(cluster, "create table proved (id int primary key)", "insert into proved values (1), (2)")
    serving = service.serving(cluster).name
    proof = verify_backup.prove(cluster.stack())
    assert proof.ok, proof.why
    assert proof.tables > 20 and proof.bytes > 10 << 20
    assert service.serving(cluster).name == serving
    assert trial.command_line(cluster, "backups").stdout.count("are whole") == 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["table-dropped", "both-lost", "storage-away"])
def test_drill(cluster: Lab, tmp_path: Path, name: str) -> None:
    """Every row that was acknowledged until a second is restored, and none of those after it."""
    [chosen] = scenario.choose([name])
    result = conduct(chosen, 1, LabTarget(cluster), tmp_path / name, cluster.progress).result
    assert result.verdict == "pass", f"see {tmp_path / name}: {result}"
    assert (result.lost, result.promoted_max, result.servers_max) == (0, 1, 1)
