"""`make proof`: what it refuses, that it destroys what it has made, and the page that it writes."""

import csv
import os
from pathlib import Path

import pytest

from drills import whole
from drills.proof.record import Result
from drills.report import verification
from drills.scenario import catalogue
from drills.target import Target
from drills.whole import NotEmptyError, Stage, Whole
from lab.events import Step
from lab.progress import Progress
from operations.cli import Cli

CLI = """\
#!/bin/sh
echo "$1" >>"$HERE/asked"
case "$1 $2" in
    "stack ls") echo '[{"name": "x", "resourceCount": '"$COUNT"'}]' ;;
    "config --json") echo '{"azure-mysql-ha:protectData": {"value": "'"$PROTECT"'"}}' ;;
esac
for word; do
    [ "$before" = --event-log ] && echo '{"summaryEvent": {"resourceChanges": {"create": 1}}}' >"$word"
    before=$word
done
[ "$1" != "$FAILS" ]
"""


def way(tmp_path: Path, *, count: int = 0, protect: str = "false", fails: str = "") -> Whole:
    """Return the whole way with a CLI that does nothing."""
    program = tmp_path / "pulumi"
    program.write_text(CLI)
    program.chmod(0o755)
    settings = tmp_path / "Pulumi.x.yaml"
    settings.write_text("config: {}\n")
    env = {**os.environ, "HERE": str(tmp_path), "COUNT": str(count), "PROTECT": protect, "FAILS": fails}
    cli = Cli("x", str(program), settings, env)

    def nowhere() -> Target:
        raise NotEmptyError("no cluster is reached")

    return Whole(cli, nowhere, tmp_path / "run", Progress(lambda line: None))


def asked(tmp_path: Path) -> list[str]:
    """Return the CLI's verbs that change something."""
    return [verb for verb in (tmp_path / "asked").read_text().split() if verb in ("up", "destroy")]


@pytest.mark.parametrize(
    ("count", "protect", "told"),
    [(3, "false", "stack x has 3 resources, which would be destroyed"), (0, "true", "it has protectData")],
)
def test_what_stands_is_not_touched(count: int, protect: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(NotEmptyError, match=told):
        way(tmp_path, count=count, protect=protect).go()
    assert asked(tmp_path) == []


def test_a_check_that_says_no_is_the_end(tmp_path: Path) -> None:
    going = way(tmp_path, fails="preview")
    assert not going.go()
    assert [(stage.name, stage.passed) for stage in going.stages] == [("check", False)]
    assert asked(tmp_path) == []


@pytest.mark.parametrize("fails", ["up", ""])
def test_what_was_made_is_destroyed(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an update fails half-way, and where the cluster is not reached."""

    def all_well(self: Whole) -> str:
        return "25 yes, 0 no, 0 unknown"

    monkeypatch.setattr(Whole, "_check", all_well)
    going = way(tmp_path, fails=fails)
    assert not going.go()
    assert asked(tmp_path)[0] == "up" and asked(tmp_path)[-1] == "destroy"
    passed = {stage.name: stage.passed for stage in going.stages}
    assert passed["check"] and passed["destroy"] and passed["up"] is not bool(fails)
    assert fails or going.stages[-2].outcome == "FAIL: no cluster is reached"
    assert (tmp_path / "Pulumi.x.yaml").read_text() == "config: {}\n"


def test_its_drills_can_be_done_on_azure() -> None:
    assert [name for name in ("standby", *whole.FOUR) if catalogue()[name].needs_lab] == []


def test_page(tmp_path: Path) -> None:
    steps = (
        Step("azure-native", "create", "VirtualMachine", "a-1", 10, 50),
        Step("azure-native", "create", "VirtualMachine", "a-2", 10, 40),
        Step("azure-native", "create", "Disk", "a-1-data", 5, 9),
        Step("command", "create", "Command", "a-1-host", 50, 60),
        Step("azure-native", "create", "LoadBalancer", "never-ended", 1),
    )
    stages = [Stage("up", 61.4, "5 create", True, steps), Stage("power-kill", 30, "FAIL: a row is lost", False)]
    result = Result("power-kill", 100, 1, 1, 1, 1, 9.5, 20.0, "FAIL: a row is lost")
    settings = {"vmSize": "Standard_B2s_v2", "databasePassword": "secret", "zones": ""}
    page = verification.write(tmp_path, "Stack dev", stages, [result], settings).read_text()
    assert page.startswith("## Stack dev\n\nSettings: `vmSize: Standard_B2s_v2`.\n\n**Failed: power-kill.**\n")
    assert "| up | 61 | 5 create |\n| power-kill | 30 | FAIL: a row is lost |" in page
    assert "| create VirtualMachine | 2 | 35 | 40 |\n| create Disk | 1 | 4 | 4 |\n" in page
    assert "secret" not in page and "Command" not in page
    with (tmp_path / "operations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["seconds"]) for row in rows] == [("a-1", "40"), ("a-2", "30"), ("a-1-data", "4")]
    assert "All stages passed." in verification.write(tmp_path, "x", stages[:1], [], {}).read_text()
