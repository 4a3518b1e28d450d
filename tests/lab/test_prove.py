"""`make proof` in a lab: the whole life of an empty stack."""

import subprocess
import sys

import pytest

from components.checkout import CHECKOUT
from drills.prove import RUNS
from lab import leftovers
from lab.lab import Lab
from lab.paths import LabPaths

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(3600)]


def test_the_whole_way() -> None:
    lab = Lab(LabPaths("tprove"))
    before = set(RUNS.glob("*"))
    run = subprocess.run(
        [sys.executable, "-m", "drills.prove", "--lab", lab.paths.name],
        cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3500, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    [folder] = set(RUNS.glob("*")) - before
    page = (folder / "verification.md").read_text()
    assert page in run.stdout and "All stages passed." in page
    for stage in (
        *("check", "up", "up again, without a change", "a row", "backup", "backup kept", "standby", "power-kill"),
        *("changes", "backup proved", "backup let go", "destroy"),
    ):
        assert f"| {stage} | " in page, stage
    for operation in ("create VirtualMachine", "update Disk", "delete ResourceGroup"):
        assert f"| {operation} | " in page, operation
    assert {"check.txt", "operations.csv", "report.html", "results.json"} <= {file.name for file in folder.iterdir()}
    assert leftovers.find(lab) == []
