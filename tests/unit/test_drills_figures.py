"""Fail-overs taken apart."""

import json
from pathlib import Path

import pytest

from drills.proof.outage import Outage, Part
from drills.proof.record import Result
from drills.proof.timeline import Sample
from drills.report import figures
from drills.report.figures import TakenApart


def sample(node: str, at: float, newest: int, booted: float = 0.0) -> Sample:
    return Sample(node, at, booted, "-", "-", "-", None, newest)


def test_starts_are_those_of_the_busier_node() -> None:
    samples = [sample("a", 0, 100), sample("a", 10, 200), sample("b", 0, 500), sample("b", 10, 530)]
    assert figures.starts(samples, 0, 10) == 100
    assert figures.starts(samples, 0, 5) == 50, "what lies between two samples is shared out"
    assert figures.starts(samples, 20, 30) == 0


def test_starts_do_not_count_across_a_boot_or_the_highest_number() -> None:
    assert figures.starts([sample("a", 0, 9000), sample("a", 10, 9500, booted=8)], 0, 10) == 0
    assert figures.starts([sample("a", 0, 32000), sample("a", 1, 310), sample("a", 2, 320)], 0, 2) == 10


def test_medians_of_the_parts_that_most_outages_have() -> None:
    def one(detected: float, first: float, *more: Part) -> Outage:
        parts = [Part("detected", detected), *more, Part("first-write", first)]
        return Outage(0, sum(part.seconds for part in parts), True, parts)

    samples = [sample("a", 0, 0), sample("a", 20, 2000)]
    found = figures.take_apart([(one(1, 2), samples), (one(2, 4), samples), (one(9, 3, Part("probe", 1)), samples)])
    assert found == [TakenApart("detected", 2, 200), TakenApart("first-write", 3, 300)]
    assert [part.native for part in found] == pytest.approx([2 - 200 * 0.0052, 3 - 300 * 0.0052])


def test_each_fault_of_a_drill_has_its_outage(tmp_path: Path) -> None:
    def mark(at: float, kind: str) -> dict[str, object]:
        return {"at": at, "kind": kind, "node": "a", "text": ""}

    writes = [0.1 * n for n in range(400) if not 10 <= 0.1 * n < 13 and not 20 <= 0.1 * n < 25]
    result = {
        "scenario": "standby", "acknowledged": 1, "lost": 0, "promoted_max": 1, "servers_max": 1, "fencings": 0,
        "outage_seconds": 5.0, "recovered_seconds": 1.0, "verdict": "pass",
    }  # fmt: skip
    record = {
        "scenario": "standby", "story": "", "number": 1, "begin": 0, "end": 40, "nodes": ["a"],
        "writes": "writes.jsonl", "spans": [], "result": result,
        "marks": [
            mark(9.95, "fault"), mark(11, "demoted"), mark(12, "promoted"), mark(19.95, "fault"), mark(22, "demoted"),
        ],
    }  # fmt: skip
    (tmp_path / "record.json").write_text(json.dumps(record))
    (tmp_path / "writes.jsonl").write_text(
        "".join(
            json.dumps({"sequence": n, "sent": at, "acknowledged": at + 0.01, "error": None}) + "\n"
            for n, at in enumerate(writes)
        )
    )
    (tmp_path / "samples.jsonl").write_text("")
    found = figures.read_outages(tmp_path)
    assert [round(one.seconds, 1) for one, _ in found] == [3.1, 5.1]
    table = figures.apart("standby", found)
    assert table.startswith("`standby`: 2 outages, median 4.1 s, worst 5.1 s\n")
    assert "| server's stop, DRBD demotion | 1.6" in table


def test_the_summary_has_the_worst_of_each_scenario() -> None:
    def result(outage: float, promoted: int, lost: int, verdict: str) -> Result:
        return Result("freeze", 100, lost, promoted, 1, promoted, outage, 30.0, verdict)

    lines = figures.summary({"freeze": [result(2, 1, 0, "pass"), result(9, 2, 1, "FAIL: x"), result(3, 1, 0, "pass")]})
    assert lines.splitlines()[2] == "| `freeze` | 3 | 2 | 300 | 1 | 2 | 1 | 1 or 2 | 3.0 | 9.0 | 30.0 |"
