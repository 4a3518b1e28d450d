"""What a Prometheus tells in a drill, and whether it is what is promised."""

from dataclasses import replace

import pytest

from drills.proof import alerts
from drills.proof.alerts import Alert, Telling
from drills.proof.record import Mark, Record, Result
from drills.report import figures

GONE = Alert("MysqlNodeLost", "warning", "", 110.0, 150.0)
FENCED = Alert("MysqlNodeFenced", "warning", "a", 125.0, None)
STARTED = Alert("MysqlServerStarted", "info", "b", 130.0, None)
EXPECTED = Telling(("MysqlNodeLost", "MysqlNodeFenced"))


def test_alerts_come_and_go() -> None:
    gone = {"alertname": "MysqlNodeLost", "severity": "warning", "cluster": "db"}
    down = {"alertname": "MysqlExporterDown", "severity": "warning", "instance": "a", "exporter": "mysqld"}
    seen = [(gone, [110.0, 115.0, 120.0, 160.0]), (down, [90.0, 95.0, 155.0])]
    assert alerts.read(seen, 5, 160) == [
        Alert("MysqlExporterDown", "warning", "a mysqld", 90.0, 100.0),
        Alert("MysqlNodeLost", "warning", "", 110.0, 125.0),
        Alert("MysqlExporterDown", "warning", "a mysqld", 155.0, 160.0),
        Alert("MysqlNodeLost", "warning", "", 160.0, None),
    ]


@pytest.mark.parametrize(
    ("told", "expected", "wrong"),
    [
        ([GONE, FENCED, STARTED], EXPECTED, []),
        ([FENCED], EXPECTED, []),
        ([], Telling(), []),
        ([STARTED], Telling(), []),
        ([], EXPECTED, ["no alert MysqlNodeLost or MysqlNodeFenced"]),
        ([STARTED], EXPECTED, ["no alert MysqlNodeLost or MysqlNodeFenced"]),
        ([replace(GONE, began=171.0)], EXPECTED,
         ["the alert MysqlNodeLost or MysqlNodeFenced came after 71 s, expected within 60"]),
        ([replace(GONE, began=171.0)], replace(EXPECTED, within=90), []),
        ([replace(GONE, ended=None)], EXPECTED, ["the alert MysqlNodeLost has not ended"]),
        ([GONE], Telling(), ["the alert MysqlNodeLost was told (warning), which is not of this fault"]),
        ([GONE], Telling(also=("MysqlNodeLost",)), []),
        ([replace(GONE, began=99.0)], Telling(), []),
    ],
)  # fmt: skip
def test_what_is_told_is_judged(told: list[Alert], expected: Telling, wrong: list[str]) -> None:
    assert alerts.judge(told, expected, 100.0) == wrong


def test_the_table_of_alerts() -> None:
    def record(told: list[Alert] | None) -> Record:
        result = Result("power-kill", 3, 0, 1, 1, 1, 15.25, None, "pass")
        marks = [Mark(100.0, "fault", "a", "power is cut")]
        return Record("power-kill", "A story.", 1, 90.0, 200.0, ["a", "b"], "w", marks, [], result, told)

    records = [record([GONE, FENCED, STARTED]), record([replace(GONE, began=130.0)]), record(None)]
    assert figures.told({"power-kill": records, "standby": [record([])], "move": [record(None)]}).splitlines()[2:] == [
        "| `power-kill` | 2 | `MysqlNodeLost` 20, 30; `MysqlNodeFenced` 25, 25 (1 of 2) |",
        "| `standby` | 1 | none |",
    ]
