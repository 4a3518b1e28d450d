"""A drill from beginning to end, on a cluster that only says what it is like."""

import contextlib
import json
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import pytest

from drills import conductor
from drills.conductor import conduct
from drills.drill import Drill, NotWellError
from drills.proof.audit import Expectation
from drills.scenario import Scenario
from drills.target import Fencing, Target
from lab.progress import Progress
from lab.writer import Connection
from operations.ssh import Node
from operations.ssh_agent import Agent
from operations.status.status import NodeStatus, Status

_NOBODY_SERVES_SECONDS = 1.0

# Stands for ssh: answers as a node would, which serves if the file `serving` names it.
SSH = """#!/bin/bash
for word; do [[ $word != -oHostKeyAlias=* ]] || name=${word#*=}; done
case ${!#} in
  *journalctl*) exec cat ;;
  *"mysqlcheck"* | *e2fsck*) echo exit 0 ;;
  *fsfreeze*) echo frozen; read -r ;;
  *errors_count* | *"stat --format"*) echo 0 ;;
  *EPOCHREALTIME*)
    while [[ $? == 0 || $? -gt 128 ]]; do
      role=Secondary server=-
      read -r uptime _ </proc/uptime
      [[ $(<@/serving) != "$name" ]] || role=Primary server=7
      echo "$EPOCHREALTIME $uptime $role Connected UpToDate/UpToDate $server 100"
      read -rt 0.05
    done
    ;;
esac
"""


class Cluster:
    """Two nodes and a table; the server of the one that serves takes the rows.

    Args:
        folder: empty.
    """

    def __init__(self, folder: Path) -> None:
        program = folder / "ssh"
        program.write_text(SSH.replace("@", str(folder)))
        program.chmod(0o755)
        self._file = folder / "serving"
        self.nodes = [Node(name, f"{program} admin@host", Agent(folder)) for name in ("a", "b")]
        self.rows: dict[int, str] = {}
        self.forgets = False
        self.standby = False
        self.watching = None
        self._serve("a")

    def move(self, name: str) -> None:
        """Let another node serve; as on a real cluster nobody does for a while, longer than a sample takes."""
        self._file.write_text("nobody\n")
        time.sleep(_NOBODY_SERVES_SECONDS)
        self._serve(name)

    def _serve(self, name: str) -> None:
        self.serving = name
        self._file.write_text(f"{name}\n")

    def has_witness(self) -> bool:
        """Tell whether it has one."""
        return False

    def status(self) -> Status:
        """Return what people see of it."""
        nodes = [NodeStatus(node.name, True, self.standby, "Primary", "Connected", "UpToDate") for node in self.nodes]
        return Status({}, None, nodes, [], self.serving, "on, watched by a", None, [])

    def inside(self) -> AbstractContextManager[None]:
        """Clients are here."""
        return contextlib.nullcontext()

    def connect(self) -> Connection:
        """Open a connection."""
        return cast(Connection, self)

    def cursor(self) -> AbstractContextManager["Cluster"]:
        """Return something with `execute`."""
        return contextlib.nullcontext(self)

    def execute(self, statement: str, arguments: tuple[int] | None = None) -> None:
        """Take a row, or forget it."""
        if arguments and not self.forgets:
            self.rows[arguments[0]] = self.serving

    def fetchall(self) -> list[tuple[int, str]]:
        """Return the rows."""
        return list(self.rows.items())

    def close(self) -> None:
        """End a connection."""

    def power(self) -> dict[str, bool]:
        """Both are on."""
        return {node.name: True for node in self.nodes}

    def fencings(self, since: float, journals: Any) -> list[Fencing]:
        """Nobody is fenced."""
        return []

    def repair(self) -> None:
        """There is nothing to undo."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(conductor, "_STEADY_SECONDS", 0.3)
    (tmp_path / "cluster").mkdir()
    return Cluster(tmp_path / "cluster")


def scenario(cluster: Cluster, forgets: bool = False, moves: int = 1) -> Scenario:
    """Return one that moves the service, of which some moves are promised."""

    def run(drill: Drill) -> None:
        at = drill.fault("the service moves", drill.serving)
        cluster.move(drill.idle.name)
        drill.wait_served(drill.idle, at, 20)
        if forgets:
            cluster.forgets = True
            time.sleep(0.2)
            cluster.forgets = False

    return Scenario("moved", 10, "It moves.\n\nAnd is whole.", Expectation(moves=moves), run, settle_seconds=20)


def conducted(cluster: Cluster, chosen: Scenario, folder: Path) -> dict[str, Any]:
    """Conduct a drill, and return its record as it is in its file."""
    record = conduct(chosen, 1, cast(Target, cluster), folder, Progress())
    written = json.loads((folder / "record.json").read_text())
    assert written["result"]["verdict"] == record.result.verdict
    return written


def test_a_drill_that_passes_leaves_its_record(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "moved-1"
    written = conducted(cluster, scenario(cluster), folder)
    result = written["result"]
    assert result["verdict"] == "pass", result
    assert (result["lost"], result["fencings"], result["promoted_max"], result["servers_max"]) == (0, 0, 1, 1)
    assert result["acknowledged"] == len(cluster.rows)
    kinds = [mark["kind"] for mark in written["marks"]]
    assert {"fault", "event", "recovered"} <= set(kinds)
    assert {(span["node"], span["what"]) for span in written["spans"]} == {
        (node, what) for node in ("a", "b") for what in ("promoted", "server", "powered")
    }
    assert written["story"] == "It moves."
    names = {file.name for file in folder.iterdir()}
    assert names == {
        *("record.json", "writes.jsonl", "samples.jsonl", "fencings.json"),
        *(f"{kind}-{node}.log" for kind in ("journal", "server") for node in ("a", "b")),
    }


def test_rows_that_are_lost_are_missed(cluster: Cluster, tmp_path: Path) -> None:
    result = conducted(cluster, scenario(cluster, forgets=True), tmp_path / "moved-1")["result"]
    assert result["lost"] > 0
    assert result["verdict"].startswith(f"FAIL: {result['lost']} acknowledged rows are missing")


def test_what_was_not_promised_fails(cluster: Cluster, tmp_path: Path) -> None:
    result = conducted(cluster, scenario(cluster, moves=0), tmp_path / "moved-1")["result"]
    assert result["verdict"] == "FAIL: the service moved 1 times, expected at most 0"


def test_a_cluster_that_is_not_well_is_left_alone(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conductor, "_WELL_SECONDS", 0.0)
    cluster.standby = True
    with pytest.raises(NotWellError, match="the cluster is not healthy: a is in standby"):
        conduct(scenario(cluster), 1, cast(Target, cluster), tmp_path / "moved-1", Progress())
    assert cluster.rows == {}
