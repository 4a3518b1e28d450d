"""What a node tells of trouble by itself, and the alerts that follow from it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.checkout import CHECKOUT
from components.cluster.monitoring import PROGRAMS, certificate_in
from operations.status import alarms, collector, facts, metrics, rules
from operations.status.metrics import PREFIX
from tests.unit.test_imports import MODULES, all_imports
from tests.unit.test_status import (
    ASKED,
    NOT_TRUE,
    SYNCS,
    TRUE,
    TWO_IS_OFFLINE,
    VOTES,
    WAITS,
    Said,
    device_that_failed,
    disk,
    failure,
    fencing,
    node,
    pacemaker,
    proof,
    said,
)

ALERTS = CHECKOUT / "docs/monitoring/alerts.yaml"
DASHBOARD = CHECKOUT / "docs/monitoring/dashboard.json"
SCRAPED = CHECKOUT / "tests/unit/scraped.txt"
BY_SSH = "two cannot be reached by SSH, though the cluster has it"

Change = Callable[[Said], None]


def as_it_sees(nodes: Said, name: str, witness: str | None = None) -> facts.Facts:
    """Return what one node knows by itself."""
    return facts.read({each: json.dumps(told) if each == name else None for each, told in nodes.items()}, witness)


def changed(*changes: Change) -> Said:
    nodes = said()
    for change in changes:
        change(nodes)
    return nodes


def kinds(seen: facts.Facts) -> set[str]:
    return {kind.name for kind in alarms.KINDS for text in kind.find(seen) if not text.startswith(BY_SSH)}


@pytest.mark.parametrize(
    ("changes", "unreached"),
    [row[1:3] for row in TRUE] + [(changes, "") for _, changes in NOT_TRUE],
    ids=[row[0] for row in (*TRUE, *NOT_TRUE)],
)
def test_the_nodes_by_themselves_find_what_status_finds(changes: list[Change], unreached: str) -> None:
    """Each kind is found by one of them at least, and none that status does not find."""
    nodes = changed(*changes)
    told = {name: "" if name == unreached else json.dumps(answer) for name, answer in nodes.items()}
    status = facts.read(told)
    seen = {name: as_it_sees(nodes, name) for name in nodes if name != unreached}
    found = set[str]().union(*map(kinds, seen.values()))
    found -= {kind for kind, cause in rules.FOLLOWS.items() if cause in found}
    of_both = {*rules.OF_BOTH_NODES}
    assert found - of_both == kinds(status) - of_both
    serving = [name for name, each in seen.items() if name in each.serving]
    assert bool(serving) != ("nobody_serves" in kinds(status))


# --- the text


def told(nodes: Said, name: str, witness: str | None = None) -> dict[str, float]:
    """Return the metrics that a node tells, by name with labels, without our prefix."""
    text = metrics.text(as_it_sees(nodes, name, witness), name, ASKED.timestamp())
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0].removeprefix(PREFIX): float(line.rpartition(" ")[2]) for line in lines}


def test_what_a_node_tells_that_serves() -> None:
    found = told(changed(node("one", quorum=VOTES, qdevice="")), "one", "third")
    assert {key: value for key, value in found.items() if not key.startswith("alarm{")} == {
        "asked_timestamp_seconds": 1795878420,
        "serves": 1,
        'away_on_purpose{node="one"}': 0,
        'away_on_purpose{node="two"}': 0,
        "fencing_works": 1,
        "failures": 0,
        "maintenance": 0,
        "standby": 0,
        "votes": 3,
        "expected_votes": 3,
        "resync_left_bytes": 0,
        'file_system_used_ratio{place="/"}': 0.35,
        'file_system_used_ratio{place="/var/lib/mysql"}': 0.04,
        'file_system_inodes_used_ratio{place="/"}': 0.2,
        'file_system_inodes_used_ratio{place="/var/lib/mysql"}': 0.2,
        "kernels_without_drbd": 0,
        "backup_since_timestamp_seconds": 1793523600,
        "backup_complete_to_timestamp_seconds": 1795878370,
        "backup_base_timestamp_seconds": 1795832100,
        "backup_lost_logs": 0,
    }
    assert not any(found[key] for key in found if key.startswith("alarm{"))
    assert len([key for key in found if key.startswith("alarm{")]) == len(alarms.KINDS)


def test_what_the_other_one_tells() -> None:
    verify = node("two", verify='{"at": 1795800000, "differing_kib": 8}')
    found = told(changed(disk("two", *SYNCS), verify, proof("two", "20261122T040000Z", "no table")), "two")
    assert found["serves"] == 0
    assert (found["resync_left_bytes"], found["resync_left_seconds"]) == (201324 * 1024, 62)
    assert (found["verify_timestamp_seconds"], found["verify_differing_bytes"]) == (1795800000, 8192)
    assert (found["backup_proof_timestamp_seconds"], found["backup_proof_ok"]) == (1795320000, 0)
    assert 'alarm{alarm="one_copy",page="one-copy",severity="warning"}' in found
    assert found['alarm{alarm="one_copy",page="one-copy",severity="warning"}'] == 1


@pytest.mark.parametrize(
    ("changes", "metric", "value"),
    [
        (pacemaker(('maintenance-mode="false"', 'maintenance-mode="true"')), "maintenance", 1),
        (
            pacemaker(('name="two" online="true" standby="false"', 'name="two" online="true" standby="true"')),
            "standby",
            1,
        ),
        (pacemaker(('stonith-enabled="true"', 'stonith-enabled="false"')), "fencing_works", 0),
        (pacemaker(failure("mysql-server_monitor_5000", "gone")), "failures", 1),
        (node("two", kernels={"6.8.0-1021-azure": True, "7.0.0": False}), "kernels_without_drbd", 1),
    ],
)
def test_what_is_set(changes: Change, metric: str, value: float) -> None:
    assert (told(said(), "two")[metric], told(changed(changes), "two")[metric]) == (1 - value, value)


def test_a_failure_of_the_fence_device_has_an_alarm_of_its_own() -> None:
    assert told(changed(pacemaker(failure("fence-device_monitor_3600000", "no API"))), "one")["failures"] == 0
    assert told(changed(pacemaker(device_that_failed(23))), "one")["failures"] == 1


def test_the_last_fencing() -> None:
    found = told(changed(pacemaker(fencing('status="success" completed="2026-11-28 16:06:00 +01:00"'))), "one")
    assert found['fenced_timestamp_seconds{node="two"}'] == datetime(2026, 11, 28, 15, 6, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("why", [{"peer_in_turn": True}, {"stays_off": {"two": "2026-11-28T15:00Z"}}])
def test_a_node_that_is_away_on_purpose(why: dict[str, Any]) -> None:
    here = told(changed(node("one", **why)), "one")
    away = told(changed(pacemaker(TWO_IS_OFFLINE), disk("one", *WAITS), node("one", **why)), "one")
    assert (here['away_on_purpose{node="two"}'], away['away_on_purpose{node="two"}']) == (0, 1)


# --- when it is asked


class Clock:
    """A time that passes by sleeping, and what a glance sees in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, changes_at: float) -> None:
        self.now = 1000.0
        self._changes_at = self.now + changes_at
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self._sleep)
        monkeypatch.setattr(collector, "glance", self.glance)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def glance(self) -> tuple[object, ...]:
        return (self.now >= self._changes_at,)


@pytest.mark.parametrize(
    ("changes_at", "soon", "happens", "looks_after"),
    [(100, False, False, 45), (20, False, True, 20), (44.5, False, True, 45), (3, True, True, 8), (9, True, False, 8)],
)
def test_it_looks_when_something_happens(
    monkeypatch: pytest.MonkeyPatch, changes_at: float, soon: bool, happens: bool, looks_after: float
) -> None:
    clock = Clock(monkeypatch, changes_at)
    assert collector.wait(clock.glance(), soon) == happens
    assert clock.now - 1000 == pytest.approx(looks_after, abs=collector.GLANCE_SECONDS)  # pyright: ignore[reportUnknownMemberType]


def test_a_node_without_a_cluster() -> None:
    empty: dict[str, Any] = dict.fromkeys(said()["one"])
    empty |= {"moves": [], "file_systems": [], "kernels": {}, "kernel": "6.1", "host": "one", "time": 0.0}
    found = told({"one": empty | {"listens": False, "has_left": False}, "two": said()["two"]}, "one")
    assert found["serves"] == 0
    assert found['alarm{alarm="node_lost",page="lost-node",severity="warning"}'] == 1


def test_all_that_it_imports_is_brought_to_the_nodes() -> None:
    needed: set[str] = set()
    wanted = {"operations.status.collector"}
    while wanted - needed:
        needed |= wanted
        wanted = {found for module in needed for found in all_imports()[module]}
    assert sorted(MODULES[module] for module in needed) == sorted(PROGRAMS)


def test_it_runs_with_these_files_alone(tmp_path: Path) -> None:
    for path in PROGRAMS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / path, tmp_path / path)
    program = "from operations.status import collector; print(collector.ask('one', 'two', None))"
    run = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PATH": "/nowhere"}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert f"{PREFIX}serves 0" in run.stdout.splitlines()


def test_the_certificate_is_found_in_what_the_script_has_told() -> None:
    """The provider cuts the last line feed off; in a file with another one behind it there has to be one."""
    pem = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----"
    assert certificate_in(f"monitoring: the exporters answer\n{pem}") == f"{pem}\n"
    assert certificate_in("") == ""


# --- alert rules; what promtool says of them: tests/programs/test_alert_rules.py


def test_the_rules_are_those_of_the_docs() -> None:
    """`UPDATE_EXPECTED=1 pytest tests/unit/test_monitoring.py` writes them anew."""
    head = "# Written from operations/status/rules.py. docs/operations/monitoring.md says how it is used.\n"
    text = head + yaml.safe_dump(rules.as_yaml(), sort_keys=False, width=110)
    if os.environ.get("UPDATE_EXPECTED"):
        ALERTS.parent.mkdir(exist_ok=True)
        ALERTS.write_text(text)
    assert ALERTS.read_text() == text


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.name)
def test_each_alert_has_its_page(rule: rules.Rule) -> None:
    assert (CHECKOUT / f"docs/operations/{rule.page}.md").exists()


# --- the dashboard


def expressions() -> list[str]:
    """Return all of PromQL in the dashboard, for a cluster."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"].replace("$cluster", "db") for panel in panels for target in panel.get("targets", [])]


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    """Those of our own; and those of exporters that a scrape has given, which tests/lab/test_monitoring.py repeats."""
    names = {name for each in expressions() for name in re.findall(r"\b(?:\w+_\w+)(?=\{)", each)}
    own = {name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)}
    assert own and own <= metrics.HELP.keys()
    assert sorted(name for name in names if not name.startswith(PREFIX)) == SCRAPED.read_text().split()


def test_nothing_of_the_dashboard_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
