"""What a node tells of trouble by itself, and the alerts that follow from it."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.checkout import CHECKOUT
from components.cluster.monitoring import PROGRAMS, certificate_in
from operations.status import alarms, collector, facts, metrics, rules
from operations.status.metrics import PREFIX
from tests.support.recording import record
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
    assert found['alarm{alarm="gone",page="lost-node",severity="warning"}'] == 1


def test_promtool_finds_the_text_good() -> None:
    text = metrics.text(as_it_sees(said(), "one"), "one", 0)
    run = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


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


def test_promtool_finds_the_witness_configuration_good(tmp_path: Path) -> None:
    """What the script of the witness brings to its machine."""
    settings = {"witness": True, "monitoring": True, "monitorCidrs": ["198.51.100.0/24"], "monitorOnWitness": True}
    made = record("lab", settings)
    script = next(each.inputs["stdin"] for each in made if each.name == "mysql-lab-witness-prometheus")
    written = dict(re.findall(r" \$place/(\S+) 0644 <<'FILE'\n(.*?)^FILE$", script, re.DOTALL | re.MULTILINE))
    for name in ("nodes.pem", "password"):
        (tmp_path / name).write_text("")
    for name, text in written.items():
        (tmp_path / name).write_text(text.replace("/etc/azure-mysql-ha/monitoring", str(tmp_path)))
    command = ["promtool", "check", "config", "--lint=none", str(tmp_path / "prometheus.yml")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0 and f"{len(rules.RULES)} rules found" in run.stdout, run.stdout + run.stderr


# --- alert rules

Series = dict[str, str]


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


def labelled(metric: str, instance: str = "one", **labels: str) -> str:
    pairs = [f'{key}="{value}"' for key, value in {**labels, "cluster": "db", "instance": instance}.items()]
    return f"{metric}{{{','.join(pairs)}}}"


def ours(metric: str, instance: str = "one") -> str:
    return labelled(f"{PREFIX}{metric}", instance)


def up(exporter: str, instance: str = "one") -> str:
    return labelled("up", instance, exporter=exporter)


def away(node: str, as_told_by: str) -> str:
    return labelled(f"{PREFIX}away_on_purpose", as_told_by, node=node)


def of_kind(kind: str, values: str) -> Series:
    return {labelled(f"{PREFIX}alarm", "two", alarm=kind): values}


# Of each rule that is of no kind: what it finds (the instance, where it tells one), where it is so and where it is not.
# A sample a minute; looked at after 20.
DAY = 86400
# Each node by its own clock, which may be wrong; and one that has told nothing for long.
LOOKED: Series = {
    labelled("node_time_seconds"): "5000+60x30",
    ours("asked_timestamp_seconds"): "4990+60x30",
    labelled("node_time_seconds", "two"): "100+60x30",
    ours("asked_timestamp_seconds", "two"): "90+60x30",
}
NOT_LOOKED: Series = {ours("asked_timestamp_seconds"): "4990x30"}
CASES: Sequence[tuple[str, str, Series, Series]] = (
    ("MysqlBothServeApart", "", LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "1x30"},
     LOOKED | {ours("serves"): "1x18 0x11", ours("serves", "two"): "0x18 1x11"}),
    ("MysqlBothServeApart", "", LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "1x30"},
     LOOKED | NOT_LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "1x30"}),
    ("MysqlNobodyServes", "", LOOKED | {ours("serves"): "0x30", ours("serves", "two"): "0x30"},
     LOOKED | {ours("serves"): "0x30", ours("serves", "two"): "1x30"}),
    ("MysqlNobodyServes", "", LOOKED | NOT_LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "0x30"},
     LOOKED | NOT_LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "1x30"}),
    ("MysqlNobodyAnswers", "", {up("node"): "0x30", up("node", "two"): "0x30"},
     {up("node"): "0x30", up("node", "two"): "1x30"}),
    ("MysqlExporterDown", "one", {up("mysqld"): "0x30", up("node"): "1x30"},
     {up("mysqld"): "0x30", up("node"): "0x30"}),
    ("MysqlNodeNotAsked", "one", {up("mysqld"): "0x30", up("node"): "0x30"},
     {up("mysqld"): "1x30", up("node"): "0x30"}),
    ("MysqlNodeNotAsked", "one", {up("node"): "0x30", away("one", "two"): "0x30"},
     {up("node"): "0x30", away("one", "two"): "1x30"}),
    ("MysqlFenced", "", {labelled(f"{PREFIX}fenced_timestamp_seconds", node="two"): "600x30"},
     {labelled(f"{PREFIX}fenced_timestamp_seconds", node="two"): "200x30"}),
    ("MysqlHasFailed", "", {ours("failures"): "1x30"}, {ours("failures"): "0x30"}),
    ("MysqlHasFailed", "", {ours("failures"): "1x30", **of_kind("resource_fails", "0x30")},
     {ours("failures"): "1x30", **of_kind("resource_fails", "1x30")}),
    ("MysqlHasStarted", "one", {labelled("mysql_global_status_uptime"): "0+60x15 0+60x15"},
     {labelled("mysql_global_status_uptime"): "0+60x30"}),
    ("MysqlNotLookedAt", "one", LOOKED | NOT_LOOKED | {up("node"): "1x30"}, LOOKED | {up("node"): "1x30"}),
    ("MysqlNotLookedAt", "one", {up("node"): "1x30"}, {up("node"): "0x30"}),
    ("MysqlExporterCannotAsk", "one", {ours("serves"): "1x30", labelled("mysql_up"): "0x30"},
     {ours("serves"): "0x30", labelled("mysql_up"): "0x30"}),
    ("MysqlBackupProofFailed", "one",
     {ours("backup_proof_ok"): "0x30", ours("backup_proof_timestamp_seconds"): "2x30",
      ours("backup_proof_ok", "two"): "1x30", ours("backup_proof_timestamp_seconds", "two"): "1x30"},
     {ours("backup_proof_ok"): "0x30", ours("backup_proof_timestamp_seconds"): "1x30",
      ours("backup_proof_ok", "two"): "1x30", ours("backup_proof_timestamp_seconds", "two"): "2x30"}),
    ("MysqlBackupProofIsLate", "",
     {ours("backup_since_timestamp_seconds"): f"{-20 * DAY}x30",
      ours("backup_proof_timestamp_seconds", "two"): f"{-8 * DAY}x30"},
     {ours("backup_since_timestamp_seconds"): f"{-20 * DAY}x30",
      ours("backup_proof_timestamp_seconds", "two"): f"{-7 * DAY}x30"}),
    ("MysqlBackupProofIsLate", "", {ours("backup_since_timestamp_seconds"): f"{-8 * DAY}x30"},
     {ours("backup_since_timestamp_seconds"): f"{-7 * DAY}x30"}),
)  # fmt: skip


# What some alerts tell beside cluster and instance.
FURTHER_LABELS = {"MysqlExporterDown": {"exporter": "mysqld"}, "MysqlFenced": {"node": "two"}}


def by_kind() -> dict[str, rules.Rule]:
    """Return the rule of each kind of alarm that has one of its own."""
    begins = {kind.name: f'max by (cluster) ({PREFIX}alarm{{alarm="{kind.name}"}}) > 0' for kind in alarms.KINDS}
    return {kind: rule for kind, told in begins.items() for rule in rules.RULES if rule.expression.startswith(told)}


def promtool(folder: Path, tests: list[dict[str, Any]]) -> str:
    """Have the rules tested; return what is told of those that are not as they should be, empty for nothing."""
    file = folder / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    run = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def expected(name: str, instance: str, minute: float) -> dict[str, Any]:
    rule = next(rule for rule in rules.RULES if rule.name == name)
    labels = {"cluster": "db", **({"instance": instance} if instance else {}), **FURTHER_LABELS.get(name, {})}

    def filled(text: str) -> str:
        return re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], text)

    annotations = {key: filled(text) for key, text in rule.as_yaml["annotations"].items()}
    alert = {"exp_labels": {**labels, "severity": str(rule.severity)}, "exp_annotations": annotations}
    return {"eval_time": f"{minute:g}m", "alertname": name, "exp_alerts": [alert]}


def checked(series: Series, *looks: dict[str, Any]) -> dict[str, Any]:
    values = [{"series": each, "values": value} for each, value in series.items()]
    return {"interval": "1m", "input_series": values, "alert_rule_test": list(looks)}


def test_there_are_cases_of_each_rule() -> None:
    names = {case[0] for case in CASES} | {rule.name for rule in by_kind().values()}
    assert sorted(names) == sorted(rule.name for rule in rules.RULES)


def silent(name: str, minute: float) -> dict[str, Any]:
    return {"eval_time": f"{minute:g}m", "alertname": name, "exp_alerts": []}


def test_each_alert_is_told_where_it_is_so_and_nowhere_else(tmp_path: Path) -> None:
    tests: list[dict[str, Any]] = []
    for name, instance, so, not_so in CASES:
        tests.append(checked(so, expected(name, instance, 20)))
        tests.append(checked(not_so, silent(name, 20)))
    assert promtool(tmp_path, tests) == ""


def test_each_kind_is_an_alert_as_long_as_it_is_so(tmp_path: Path) -> None:
    """From the second minute on, for as long as it takes to count, and not a minute longer than it is so."""
    told = {kind: rule for kind, rule in by_kind().items() if kind not in rules.FOLLOWS}
    series: dict[str, str] = {}
    looks: list[dict[str, Any]] = []
    for kind, rule in told.items():
        minutes = math.ceil(rule.minutes)  # it is looked at each minute
        series |= of_kind(kind, f"0 0 1x{minutes} 0 0")
        looks += [silent(rule.name, 1 + minutes), expected(rule.name, "", 2 + minutes), silent(rule.name, 3 + minutes)]
    assert promtool(tmp_path, [checked(series, *looks)]) == ""


def test_what_follows_is_no_alert_beside_its_cause(tmp_path: Path) -> None:
    tests: list[dict[str, Any]] = []
    for kind, cause in rules.FOLLOWS.items():
        rule = by_kind()[kind]
        alone = {**of_kind(kind, "1x90"), **of_kind(cause, "0x90")}
        tests.append(checked(alone, expected(rule.name, "", rule.minutes)))
        tests.append(checked({**alone, **of_kind(cause, "1x90")}, silent(rule.name, rule.minutes)))
    assert promtool(tmp_path, tests) == ""


@pytest.mark.parametrize("minutes", [0, 1])
def test_promtool_tells_of_what_is_wrong(tmp_path: Path, minutes: int) -> None:
    """The test above can fail: of an alert that is not so, and before its time."""
    name, instance, so, not_so = next(case for case in CASES if case[0] == "MysqlNobodyAnswers")
    series = not_so if minutes else so
    assert "MysqlNobodyAnswers" in promtool(tmp_path, [checked(series, expected(name, instance, minutes))])


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


def test_the_dashboard_is_good_promql(tmp_path: Path) -> None:
    told = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions())]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": told}]}))
    run = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and f"SUCCESS: {len(told)} rules found" in run.stdout, run.stdout + run.stderr


def test_nothing_of_the_dashboard_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
