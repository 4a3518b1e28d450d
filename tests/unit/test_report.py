"""What a drill's report says of gaps, outages and their parts; tests/lab/test_report.py opens it in a browser."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from drills.proof import outage
from drills.proof.outage import Gap, History, Interval, Part
from drills.proof.record import Mark, MarkKind, Record, Result, Span
from drills.report import layout
from drills.report.layout import Bucket
from lab.writer import Write

RESULT = Result("power-kill", 10, 0, 1, 1, 1, 5.0, 9.0, "pass")


def attempt(sent: float, acknowledged: float | None) -> Write:
    return Write(0, sent, acknowledged, None)


def steady(begin: float, end: float, step: float = 0.01) -> list[Write]:
    """Return writes acknowledged `step` seconds apart."""
    times = [begin + index * step for index in range(round((end - begin) / step) + 1)]
    return [attempt(at - 0.001, at) for at in times]


def history(written: list[Write], marks: list[Mark]) -> History:
    """Return a drill of ten seconds."""
    return History(Record("power-kill", "Story.", 1, 0.0, 10.0, ["a", "b"], "writes.jsonl", marks, [], RESULT), written)


def mark(at: float, kind: MarkKind) -> Mark:
    return Mark(at, kind, None, "")


def test_without_writes_nothing_is_known() -> None:
    assert outage.gaps([]) == []
    assert outage.outages(history([], [mark(1, "fault")])) == []


def test_a_gap_is_between_two_acknowledgements() -> None:
    (gap,) = outage.gaps([*steady(1, 2), *steady(5, 6)])
    assert (gap.begin, gap.end) == pytest.approx((2, 5))
    assert gap.seconds == pytest.approx(3)


def test_a_short_pause_is_no_gap() -> None:
    assert outage.gaps([*steady(1, 2), *steady(2.19, 3)]) == []
    assert len(outage.gaps([*steady(1, 2), *steady(2.21, 3)])) == 1


def test_what_is_usual_is_no_gap() -> None:
    assert outage.gaps(steady(0, 60, step=0.5)) == []


def test_a_service_that_never_comes_back_is_a_gap() -> None:
    attempts = [attempt(2.0 + index, None) for index in range(8)]
    (gap,) = outage.gaps([*steady(1, 2), *attempts])
    assert (gap.begin, gap.end) == pytest.approx((2, 9))
    assert not gap.ended


def test_where_nothing_was_ever_acknowledged_all_is_a_gap() -> None:
    (gap,) = outage.gaps([attempt(1.0, None), attempt(4.0, None)])
    assert gap == Gap(1.0, 4.0, ended=False)


def test_late_acknowledgements_of_other_connections_end_no_gap_early() -> None:
    crossed = [attempt(1.0, 4.0), attempt(1.1, 1.2), attempt(4.1, 4.2)]
    assert outage.gaps(crossed) == []  # a distance of 2.8 s is usual here
    assert outage.gaps([*steady(0, 1), *crossed]) == [Gap(1.2, 4.0, ended=True)]


def test_parts_add_up_and_are_in_order() -> None:
    marks = [
        mark(9.9, "fault"),  # before the last acknowledgement: no part of the outage
        mark(12, "detected"),
        mark(13, "event"),
        mark(14, "fencing"),
        mark(15, "fenced"),
        mark(16, "promoted"),
        mark(20, "first-write"),
        mark(30, "recovered"),
    ]
    found = outage.parts(Gap(10, 20, ended=True), marks)
    assert found == [
        Part("detected", 2),
        Part("fencing", 2),
        Part("fenced", 1),
        Part("promoted", 1),
        Part("first-write", 4),
    ]


def test_of_two_detections_the_first_counts_and_of_two_starts_the_last() -> None:
    marks = [mark(1, "detected"), mark(2, "server-ready"), mark(3, "detected"), mark(7, "server-ready")]
    assert outage.parts(Gap(0, 10, ended=True), marks) == [
        Part("detected", 1),
        Part("server-ready", 6),
        Part("first-write", 3),
    ]


def test_what_delays_nothing_is_no_part() -> None:
    """The fenced machine is started once the service has moved on; a probe is answered while the server starts."""
    marks = [mark(2, "fenced"), mark(3, "probe"), mark(4, "promoted"), mark(5, "fenced"), mark(6, "server-ready")]
    assert outage.parts(Gap(0, 10, ended=True), marks) == [
        Part("fenced", 2),
        Part("promoted", 2),
        Part("server-ready", 2),
        Part("first-write", 4),
    ]


def test_an_outage_without_marks_is_one_part() -> None:
    assert outage.parts(Gap(0, 10, ended=True), []) == [Part("first-write", 10)]


def test_an_outage_without_end_has_no_first_write() -> None:
    assert outage.parts(Gap(0, 10, ended=False), [mark(4, "detected")]) == [Part("detected", 4), Part("never", 6)]


def test_outages_are_those_with_a_mark_and_the_longest() -> None:
    written = [*steady(0, 1), *steady(1.5, 2), *steady(3, 4), *steady(8, 9)]
    found = outage.outages(history(written, [mark(2.1, "fault"), mark(3.0, "first-write")]))
    assert [(one.begin, one.end) for one in found] == [
        pytest.approx((2, 3)),
        pytest.approx((4, 8)),
    ]
    for one in found:
        assert sum(part.seconds for part in one.parts) == pytest.approx(one.seconds)


def test_a_hiccup_before_the_fault_is_no_outage() -> None:
    written = [*steady(0, 1), *steady(3, 4), *steady(4.5, 5)]
    (found,) = outage.outages(history(written, [mark(3.9, "fault")]))
    assert (found.begin, found.end) == pytest.approx((4, 4.5))


def test_thinning_keeps_the_slowest_where_it_was() -> None:
    written = [attempt(index / 1000, index / 1000 + 0.002) for index in range(1000)]
    written[437] = attempt(0.437, 0.437 + 3)
    found = layout.thin(written, Interval(0, 1), 10)
    assert len(found) == 10
    assert sum(sample.count for sample in found) == 1000
    worst = max(found, key=lambda sample: sample.slowest)
    assert (worst.at, worst.slowest, worst.fastest) == pytest.approx((0.437, 3, 0.002))


def test_thinning_leaves_out_what_is_outside_or_failed() -> None:
    written = [attempt(0.5, 0.6), attempt(1.0, None), attempt(2.0, 2.5), attempt(2.1, 2.2)]
    assert layout.thin(written, Interval(1, 2), 5) == [Bucket(2.0, 1, 0.5, 0.5)]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([("a", 0, 5), ("b", 5, 9)], []),  # one hands over to the other
        ([("a", 0, 5), ("b", 4, 9)], [(4, 5)]),
        ([("a", 0, 9), ("b", 1, 2), ("b", 4, 6)], [(1, 2), (4, 6)]),
        ([("a", 0, 5), ("a", 3, 8), ("a", 8, 9)], []),  # a node is no second of itself
        ([("a", 0, 9), ("b", 1, 5), ("c", 2, 7)], [(1, 7)]),
    ],
)
def test_two_at_once(spans: list[tuple[str, float, float]], expected: list[tuple[float, float]]) -> None:
    made = [Span(node, "promoted", begin, end) for node, begin, end in spans]
    made.append(Span("b", "server", 0, 100))
    assert outage.overlaps(made, "promoted") == [Interval(*pair) for pair in expected]


def test_labels_take_the_lowest_free_row() -> None:
    found = layout.flags([0, 10, 100], [20, 20, 20], rows=2)
    assert [(flag.first, flag.last, flag.row, flag.left) for flag in found] == [
        (2, 2, 0, 100),
        (1, 1, 0, 10),
        (0, 0, 1, 0),
    ]


def test_labels_without_room_join() -> None:
    found = layout.flags([0, 5, 10, 100], [20, 20, 20, 20], rows=1)
    assert [(flag.first, flag.last, flag.left) for flag in found] == [(3, 3, 100), (0, 2, 10)]


def test_a_record_is_read_and_put_in_order(tmp_path: Path) -> None:
    (tmp_path / "writes.jsonl").write_text(
        '{"sequence": 2, "sent": 2.0, "acknowledged": null, "error": "gone"}\n'
        '{"sequence": 1, "sent": 1.0, "acknowledged": 1.5, "error": null}\n'
    )
    fields = {
        "scenario": "power-kill",
        "story": "Story.",
        "number": 3,
        "begin": 0,
        "end": 10,
        "nodes": ["a", "b"],
        "writes": "writes.jsonl",
        "marks": [
            {"at": 4, "kind": "fenced", "node": "a", "text": ""},
            {"at": 3, "kind": "fault", "node": None, "text": "x"},
        ],
        "spans": [{"node": "a", "what": "server", "begin": 1, "end": 4}],
        "result": {**vars(RESULT), "verdict": "FAIL: one; two"},
    }
    (tmp_path / "record.json").write_text(json.dumps(fields))
    found = outage.read(tmp_path)
    assert found.name == "power-kill-3"
    assert [write.sequence for write in found.writes] == [1, 2]
    assert [m.kind for m in found.record.marks] == ["fault", "fenced"]
    assert found.zero == 3
    assert found.record.spans == [Span("a", "server", 1, 4)]
    assert found.record.result == replace(RESULT, verdict="FAIL: one; two")

    (tmp_path / "writes.jsonl").write_text('{"sequence": 1, "sent"')
    with pytest.raises(ValueError, match=r"writes\.jsonl"):
        outage.read(tmp_path)
