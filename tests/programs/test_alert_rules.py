"""What promtool says of the alert rules: each is told where it is so and nowhere else; and of all else it can read."""

import json
import math
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.status import alarms, metrics, rules
from operations.status.metrics import PREFIX
from tests.support.recording import WORKSPACE, record
from tests.unit import test_monitoring
from tests.unit.test_monitoring import ALERTS, as_it_sees
from tests.unit.test_status import said

Series = dict[str, str]


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


def written(behind: int = 0, refused: str = "0x30") -> Series:
    """Return what a Prometheus tells of itself.

    Args:
        behind: seconds that what it has written is older than what it has seen.
        refused: how many samples it could not write.
    """
    of_queue = {"exporter": "prometheus", "job": "db-prometheus", "remote_name": "workspace", "url": "https://it"}
    return {
        remote("highest_timestamp_in_seconds", exporter="prometheus", job="db-prometheus"): "9000+60x30",
        remote("queue_highest_sent_timestamp_seconds", **of_queue): f"{9000 - behind}+60x30",
        remote("samples_failed_total", **of_queue): refused,
    }


def remote(metric: str, **labels: str) -> str:
    return labelled(f"prometheus_remote_storage_{metric}", **labels)


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
    ("MysqlBothSayTheyServe", "", LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "1x30"},
     LOOKED | {ours("serves"): "1x18 0x11", ours("serves", "two"): "0x18 1x11"}),
    ("MysqlBothSayTheyServe", "", LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "1x30"},
     LOOKED | NOT_LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "1x30"}),
    ("MysqlNobodyServes", "", LOOKED | {ours("serves"): "0x30", ours("serves", "two"): "0x30"},
     LOOKED | {ours("serves"): "0x30", ours("serves", "two"): "1x30"}),
    ("MysqlNobodyServes", "", LOOKED | NOT_LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "0x30"},
     LOOKED | NOT_LOOKED | {ours("serves"): "1x30", ours("serves", "two"): "1x30"}),
    ("MysqlNoNodeAnswers", "", {up("node"): "0x30", up("node", "two"): "0x30"},
     {up("node"): "0x30", up("node", "two"): "1x30"}),
    ("MysqlExporterDown", "one", {up("mysqld"): "0x30", up("node"): "1x30"},
     {up("mysqld"): "0x30", up("node"): "0x30"}),
    ("MysqlNodeSilent", "one", {up("mysqld"): "0x30", up("node"): "0x30"},
     {up("mysqld"): "1x30", up("node"): "0x30"}),
    ("MysqlNodeSilent", "one", {up("node"): "0x30", away("one", "two"): "0x30", away("one", "one"): "0x30"},
     {up("node"): "0x30", away("one", "two"): "1x30", away("one", "one"): "0x30"}),
    ("MysqlNodeFenced", "", {labelled(f"{PREFIX}fenced_timestamp_seconds", node="two"): "600x30"},
     {labelled(f"{PREFIX}fenced_timestamp_seconds", node="two"): "200x30"}),
    ("MysqlResourceFailed", "", {ours("failures"): "1x30"}, {ours("failures"): "0x30"}),
    ("MysqlResourceFailed", "", {ours("failures"): "1x30", **of_kind("resource_fails", "1x30")},
     {ours("failures", "two"): "1x30", **of_kind("resource_fails", "1x30")}),
    ("MysqlServerStarted", "one", {labelled("mysql_global_status_uptime"): "0+60x15 0+60x15"},
     {labelled("mysql_global_status_uptime"): "0+60x30"}),
    ("MysqlNodeNotChecked", "one", LOOKED | NOT_LOOKED | {up("node"): "1x30"}, LOOKED | {up("node"): "1x30"}),
    ("MysqlNodeNotChecked", "one", {up("node"): "1x30"}, {up("node"): "0x30"}),
    ("MysqlExporterCannotQuery", "one", {ours("serves"): "1x30", labelled("mysql_up"): "0x30"},
     {ours("serves"): "0x30", labelled("mysql_up"): "0x30"}),
    ("MysqlRemoteWriteFails", "one", written(behind=301), written(behind=299)),
    ("MysqlRemoteWriteFails", "one", written(refused="0+7x30"), written(refused="7x30")),
    ("MysqlBackupProofFailed", "one",
     {ours("backup_proof_ok"): "0x30", ours("backup_proof_timestamp_seconds"): "2x30",
      ours("backup_proof_ok", "two"): "1x30", ours("backup_proof_timestamp_seconds", "two"): "1x30"},
     {ours("backup_proof_ok"): "0x30", ours("backup_proof_timestamp_seconds"): "1x30",
      ours("backup_proof_ok", "two"): "1x30", ours("backup_proof_timestamp_seconds", "two"): "2x30"}),
    ("MysqlBackupProofLate", "",
     {ours("backup_since_timestamp_seconds"): f"{-20 * DAY}x30",
      ours("backup_proof_timestamp_seconds", "two"): f"{-8 * DAY}x30"},
     {ours("backup_since_timestamp_seconds"): f"{-20 * DAY}x30",
      ours("backup_proof_timestamp_seconds", "two"): f"{-7 * DAY}x30"}),
    ("MysqlBackupProofLate", "", {ours("backup_since_timestamp_seconds"): f"{-8 * DAY}x30"},
     {ours("backup_since_timestamp_seconds"): f"{-7 * DAY}x30"}),
)  # fmt: skip


# What some alerts tell beside cluster and instance.
FURTHER_LABELS = {"MysqlExporterDown": {"exporter": "mysqld"}, "MysqlNodeFenced": {"node": "two"}}


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


def test_no_rule_fails_where_all_is_well_and_both_nodes_tell_all_that_they_know(tmp_path: Path) -> None:
    """A rule whose labels are not unique only fails with the other node's metrics beside."""
    series: Series = {}
    for name in ("one", "two"):
        text = metrics.text(as_it_sees(said(), name), name, 0)
        for metric, labels, value in re.findall(r"^(\w+)(?:{(.*)})? (\S+)$", text, re.MULTILINE):
            given = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if not metric.endswith("_timestamp_seconds"):
                series[labelled(metric, name, exporter="node", **given)] = f"{value}x30"
        series |= {up(exporter, name): "1x30" for exporter in ("node", "mysqld", "cluster")}
        series |= {labelled("node_time_seconds", name): "0+60x30", ours("asked_timestamp_seconds", name): "0+60x30"}
    assert promtool(tmp_path, [checked(series, *(silent(rule.name, 20) for rule in rules.RULES))]) == ""


@pytest.mark.parametrize("minutes", [0, 1])
def test_promtool_tells_of_what_is_wrong(tmp_path: Path, minutes: int) -> None:
    """The test above can fail: of an alert that is not so, and before its time."""
    name, instance, so, not_so = next(case for case in CASES if case[0] == "MysqlNoNodeAnswers")
    series = not_so if minutes else so
    assert "MysqlNoNodeAnswers" in promtool(tmp_path, [checked(series, expected(name, instance, minutes))])


def test_promtool_finds_the_text_good() -> None:
    text = metrics.text(as_it_sees(said(), "one"), "one", 0)
    run = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("workspace", ["", WORKSPACE])
def test_promtool_finds_the_witness_configuration_good(workspace: str, tmp_path: Path) -> None:
    """What the script of the witness brings to its machine."""
    monitored = {"witness": True, "monitoring": True, "monitorCidrs": ["198.51.100.0/24"], "monitorOnWitness": True}
    settings = {**monitored, "monitorWorkspaceId": workspace}
    made = record("lab", settings)
    script = next(each.inputs["stdin"] for each in made if each.name == "mysql-lab-witness-prometheus")
    written = dict(re.findall(r" \$place/(\S+) 0644 <<'FILE'\n(.*?)^FILE$", script, re.DOTALL | re.MULTILINE))
    for name in ("nodes.pem", "password", "certificate.pem"):
        (tmp_path / name).write_text("")
    for name, text in written.items():
        (tmp_path / name).write_text(text.replace("/etc/azure-mysql-ha/monitoring", str(tmp_path)))
    command = ["promtool", "check", "config", "--lint=none", str(tmp_path / "prometheus.yml")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0 and f"{len(rules.RULES)} rules found" in run.stdout, run.stdout + run.stderr
    configuration = json.loads((tmp_path / "prometheus.yml").read_text())
    written_to = [each["url"].partition("?")[0] for each in configuration.get("remote_write", ())]
    assert [url.endswith("/streams/Microsoft-PrometheusMetrics/api/v1/write") for url in written_to] == [True] * bool(
        workspace
    )
    jobs = [each["job_name"].removeprefix("mysql-lab-") for each in configuration["scrape_configs"]]
    assert jobs == ["node", "mysqld", "cluster", *(["prometheus"] if workspace else [])]


def test_the_dashboard_is_good_promql(tmp_path: Path) -> None:
    told = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(test_monitoring.expressions())]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": told}]}))
    run = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and f"SUCCESS: {len(told)} rules found" in run.stdout, run.stdout + run.stderr
