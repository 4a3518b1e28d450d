"""What a drill makes of what it has seen: spans, gaps, the audit, the record."""

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from components.checkout import CHECKOUT
from drills import __main__ as drills_command
from drills import scenario
from drills.__main__ import why_not
from drills.proof import audit, outage, record, restored, timeline
from drills.proof.alerts import Alert
from drills.proof.audit import Evidence, Expectation, judge
from drills.proof.record import Mark, Record, Result, Span
from drills.proof.timeline import Power, Sample
from drills.scenario import Scenario
from drills.target import LabTarget, Target
from lab.progress import Progress
from lab.writer import Write
from operations.status.rules import HAPPENED, RULES


def sample(node: str, at: float, role: str = "Secondary", server: int | None = None, booted: float = -100) -> Sample:
    """Return a sample of a node that is well."""
    return Sample(node, at, booted, role, "Connected", "UpToDate/UpToDate", server, 100)


def test_a_sample_is_read() -> None:
    found = timeline.parse_sample("a", "1795533952.933797 697.91 Primary Connected UpToDate/UpToDate 2057 4711")
    assert found is not None
    assert (found.at, found.role, found.server, found.is_promoted, found.is_whole) == (
        *(1795533952.933797, "Primary", 2057, True),
        True,
    )
    assert found.booted == pytest.approx(1795533255.02, abs=0.01)
    down = timeline.parse_sample("a", "1795533952.933797 697.91 - - - - 4711")
    assert down is not None and (down.is_promoted, down.is_whole, down.server) == (False, False, None)
    for cut in (
        "",
        "1795533952.93",
        "1795533952.933797 697.91 Primary Connected UpToDate/UpToDate 2057",
        "x y - - - - z",
    ):
        assert timeline.parse_sample("a", cut) is None


def test_spans_end_with_what_proves_their_end() -> None:
    samples = [sample("a", 1, "Primary", 7), sample("a", 2, "Primary", 7), sample("a", 3)]
    assert timeline.spans(samples, [], "promoted", 9) == [Span("a", "promoted", 1, 2)]
    assert timeline.spans(samples, [], "server", 9) == [Span("a", "server", 1, 2)]


def test_a_silent_node_counts_as_promoted_until_something_says_otherwise() -> None:
    silent = [sample("a", 1, "Primary"), sample("a", 2, "Primary")]
    assert timeline.spans(silent, [], "promoted", 9) == [Span("a", "promoted", 1, 9)]
    off = [Power("a", 1, True), Power("a", 5, False), Power("a", 6, False), Power("a", 7, True)]
    assert timeline.spans(silent, off, "promoted", 9) == [Span("a", "promoted", 1, 5)]
    others = [Power("b", 1, True), Power("b", 5, False)]
    assert timeline.spans(silent, others, "promoted", 9) == [Span("a", "promoted", 1, 9)]
    # A kernel that has started anew has promoted nothing; a clock that was put right is no new kernel.
    assert timeline.spans([*silent, sample("a", 8, booted=4)], [], "promoted", 9) == [Span("a", "promoted", 1, 4)]
    again = [*silent, sample("a", 8, "Primary", booted=-99.5)]
    assert timeline.spans(again, [], "promoted", 9) == [Span("a", "promoted", 1, 9)]
    back = [*silent, sample("a", 8, "Primary", booted=4)]
    assert timeline.spans(back, [], "promoted", 9) == [Span("a", "promoted", 1, 4), Span("a", "promoted", 8, 9)]


def test_overlap() -> None:
    apart = [Span("a", "promoted", 0, 5), Span("b", "promoted", 5, 9), Span("a", "promoted", 9, 10)]
    assert timeline.most_at_once(apart) == 1
    assert timeline.most_at_once([*apart, Span("b", "promoted", 4.9, 5)]) == 2
    # The same node twice is one node.
    assert timeline.most_at_once([Span("a", "promoted", 0, 5), Span("a", "promoted", 1, 2)]) == 1
    assert timeline.most_at_once([]) == 0


def test_power_spans() -> None:
    powers = [Power("a", 1, True), Power("b", 1, False), Power("a", 2, True), Power("a", 3, False), Power("b", 4, True)]
    assert timeline.power_spans(powers, 9) == [Span("a", "powered", 1, 3), Span("b", "powered", 4, 9)]


def acknowledged(*numbers: int) -> list[Write]:
    """Return writes, each acknowledged in the second of its number."""
    return [Write(number, number - 0.1, float(number), None) for number in numbers]


def test_the_longest_gap_is_of_the_fault() -> None:
    writes = [*acknowledged(1, 20, 21, 22), Write(23, 22.5, None, "lost"), *acknowledged(29, 30)]
    assert timeline.longest_gap(writes, 21.5, 31) == (22, 29)
    assert timeline.longest_gap(writes, 22.5, 31) == (22, 29)
    assert timeline.longest_gap(writes, 29.5, 30.5) == (29, 30)
    assert timeline.longest_gap(writes, 0, 31) == (1, 20)


def test_a_pause_that_has_not_ended_counts() -> None:
    assert timeline.longest_gap(acknowledged(1, 2, 3), 2.5, 500) == (3, 500)
    assert timeline.longest_gap([], 2.5, 500) == (2.5, 500)


GOOD = Evidence(
    writes=[*acknowledged(1, 2), Write(3, 3, None, "timed out"), *acknowledged(4)],
    rows={1: "a", 2: "a", 4: "b"},
    promoted=([Span("a", "promoted", 0, 3), Span("b", "promoted", 3.5, 9)], [Span("a", "promoted", 0, 9)]),
    servers=[Span("a", "server", 0, 2.9), Span("b", "server", 3.6, 9)],
    fencings=1,
    disks={"a": "UpToDate", "b": "UpToDate"},
    full_strength=True,
)
EXPECTED = Expectation(fencings=(1, 1), longest_outage=30)


def test_what_is_as_promised_passes() -> None:
    assert judge(GOOD, EXPECTED, 1.5) == []
    # A row that was not acknowledged may be there.
    assert judge(replace(GOOD, rows={1: "a", 2: "a", 3: "a", 4: "b"}), EXPECTED, 1.5) == []
    assert audit.verdict([]) == "pass"


BOTH = [Span("a", "promoted", 0, 3), Span("b", "promoted", 2.9, 9)]


@pytest.mark.parametrize(
    ("evidence", "wrong"),
    [
        (replace(GOOD, rows={1: "a", 4: "b"}), "1 acknowledged rows are missing, such as 2"),
        (replace(GOOD, rows=None), "the rows cannot be read through the endpoint"),
        (replace(GOOD, rows={1: "a", 2: "a", 4: "b", 5: "b"}), "1 rows are there that nobody wrote"),
        (replace(GOOD, promoted=(BOTH, [])), "2 nodes had DRBD promoted at the same time"),
        (replace(GOOD, promoted=([], BOTH)), "2 nodes had DRBD promoted at the same time"),
        (replace(GOOD, servers=BOTH), "2 nodes had a server running at the same time"),
        (replace(GOOD, rows={1: "a", 2: "b", 3: "a", 4: "b"}), "the service moved 3 times, expected at most 1"),
        (replace(GOOD, disks={"a": "Outdated", "b": "UpToDate"}), "DRBD is Outdated on a"),
        (replace(GOOD, full_strength=False), "not back to full strength"),
        (replace(GOOD, fencings=0), "0 fencings, expected 1"),
        (replace(GOOD, fencings=2), "2 fencings, expected 1"),
        (replace(GOOD, damage=["e2fsck on a: broken"]), "e2fsck on a: broken"),
        (replace(GOOD, failures=["no answer"]), "no answer"),
    ],
)
def test_each_thing_that_is_not_as_promised_fails(evidence: Evidence, wrong: str) -> None:
    assert judge(evidence, EXPECTED, 1.5) == [wrong]


def test_nothing_written_proves_nothing() -> None:
    nothing = replace(GOOD, writes=[Write(1, 0, None, "refused")], rows={})
    assert judge(nothing, EXPECTED, 1.5) == ["nothing was acknowledged"]


def test_the_longest_outage_is_bounded() -> None:
    assert judge(GOOD, EXPECTED, 30.1) == ["30.1 s without an acknowledgement, expected at most 30"]
    assert audit.verdict(["this", "that"]) == "FAIL: this; that"


def test_a_record_is_what_reports_read(tmp_path: Path) -> None:
    result = Result("power-kill", 3, 0, 1, 1, 1, 15.25, None, "pass")
    made = Record(
        *("power-kill", "A story.", 1, 10.5, 20.5, ["a", "b"], "writes.jsonl"),
        [Mark(11.5, "fault", "a", "power is cut"), Mark(12.5, "recovered", None, "full strength")],
        [Span("a", "promoted", 10.5, 11.5)],
        result,
        [Alert("MysqlNodeLost", "warning", "a", 12.5, None)],
    )
    made.save(tmp_path / "record.json")
    assert json.loads((tmp_path / "record.json").read_text()) == {
        "scenario": "power-kill", "story": "A story.", "number": 1, "begin": 10.5, "end": 20.5, "nodes": ["a", "b"],
        "writes": "writes.jsonl",
        "marks": [
            {"at": 11.5, "kind": "fault", "node": "a", "text": "power is cut"},
            {"at": 12.5, "kind": "recovered", "node": None, "text": "full strength"},
        ],
        "spans": [{"node": "a", "what": "promoted", "begin": 10.5, "end": 11.5}],
        "result": {
            "scenario": "power-kill", "acknowledged": 3, "lost": 0, "promoted_max": 1, "servers_max": 1, "fencings": 1,
            "outage_seconds": 15.25, "recovered_seconds": None, "verdict": "pass",
        },
        "alerts": [{"name": "MysqlNodeLost", "severity": "warning", "about": "a", "began": 12.5, "ended": None}],
    }  # fmt: skip
    (tmp_path / "writes.jsonl").write_text("")
    assert outage.read(tmp_path).record == made
    record.save_results([result], tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())[0]["verdict"] == "pass"
    assert json.loads(Write(1, 2.5, None, "gone").as_line()) == {
        "sequence": 1, "sent": 2.5, "acknowledged": None, "error": "gone",
    }  # fmt: skip
    assert record.table([result]).splitlines()[1].split() == [
        *("power-kill", "3", "0", "1", "1", "1", "15.25", "-", "pass"),
    ]  # fmt: skip


CATALOGUE = scenario.catalogue()


def test_scenarios_promise_alerts_that_there_are() -> None:
    names = {rule.name for rule in RULES}
    assert {*HAPPENED} <= names
    assert {name for one in CATALOGUE.values() for name in one.expected.telling.one_of} <= names
    assert {name for one in CATALOGUE.values() for name in one.expected.telling.also} <= names


@pytest.mark.parametrize("one", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_scenario_tells_its_story(one: Scenario) -> None:
    assert len(one.story.split("\n\n")) >= 2, "a line of what happens, then what is expected and why"
    assert one.expected.fencings[0] <= one.expected.fencings[1]
    assert not one.without_fencing or one.expected.fencings == (0, 0)


def test_the_folder_is_the_catalogue() -> None:
    files = {file.stem.replace("_", "-") for file in (CHECKOUT / "drills/faults").glob("*.py")} - {"--init--"}
    assert set(CATALOGUE) == files
    orders = [one.order for one in CATALOGUE.values()]
    assert orders == sorted(set(orders)), "no two at the same place"


def test_the_page_has_the_catalogue() -> None:
    """docs/drills.md: a row each, in their order, with the fencings that are expected."""
    page = (CHECKOUT / "docs/drills.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| ([0-9to ]+) \| [^|]+\|$", page, re.MULTILINE)
    fencings = {name: dict.fromkeys(one.expected.fencings) for name, one in CATALOGUE.items()}
    assert rows == [(name, " to ".join(map(str, counts))) for name, counts in fencings.items()]


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_a_drill_says_of_itself_is_known(name: str) -> None:
    """A misspelt option would be off in silence; what needs the lab says so, in the page too; each notes its fault."""
    text = (CHECKOUT / f"drills/faults/{name.replace('-', '_')}.py").read_text()
    options = {field.upper() for field in Scenario.__dataclass_fields__} - {"NAME", "STORY", "RUN"}
    assert {*re.findall(r"^((?:NEED|WITHOUT|SETTLE)\w*) = ", text, re.MULTILINE)} <= options
    needs_lab = bool(CATALOGUE[name].needs_lab)
    assert needs_lab or "drill.lab" not in text
    row = re.search(rf"^\| `{name}` .*\| ([^|]+) \|$", (CHECKOUT / "docs/drills.md").read_text(), re.MULTILINE)
    assert row and row[1].startswith("no: ") == needs_lab
    assert "drill.fault" in text or "fault_on" in text


def test_scenarios_are_chosen() -> None:
    assert scenario.choose([]) == list(CATALOGUE.values())
    assert [one.name for one in scenario.choose(["standby", "power-kill", "standby"])] == [
        *("standby", "power-kill", "standby"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="there is no drill 'power_kill'; there are power-kill, "):
        scenario.choose(["power_kill"])


class Stack:
    """A cluster somewhere, as far as it is asked whether a scenario fits."""

    def __init__(self, fencing: str, witness: bool) -> None:
        self._fencing, self._witness = fencing, witness

    def has_witness(self) -> bool:
        """Tell whether it has one."""
        return self._witness

    def status(self) -> Any:
        """Return what is asked of it."""
        return SimpleNamespace(fencing=self._fencing)


class Watched(LabTarget):
    """A lab's cluster, as far as it is asked how long its watchdogs take.

    Args:
        said: what its first node says: to the query of the configuration's two times, and of Corosync's.
    """

    def __init__(self, **said: str) -> None:
        def run(line: str, check: bool = True) -> str:
            return next((answer for part, answer in said.items() if part in line), "")

        self.nodes = cast(Any, [SimpleNamespace(run=run)])


TIMES = {
    "watchdog": '<nvpair name="fencing-watchdog-timeout" value="22" id="x"/>',
    "pcmk_reboot_timeout": '<nvpair name="pcmk_reboot_timeout" value="120" id="y"/>',
    "corosync": "runtime.config.totem.token (u32) = 2000\ntotem.consensus (u32) = 500\n",
}


def test_what_needs_watchdogs() -> None:
    assert why_not(CATALOGUE["freeze-api-away"], Watched()) == (
        "needs a cluster with watchdogs (witness: true, and watchdog not off)"
    )


def test_by_when_a_node_counts_as_fenced() -> None:
    assert (Watched().watchdog_seconds(), Watched().watchdog_bound()) == (0, 0)
    assert Watched(**TIMES).watchdog_seconds() == 22
    assert Watched(**TIMES).watchdog_bound() == 2.5 + 120 + 22
    # As Pacemaker before 3.0.3 calls it, and by a unit.
    older = TIMES | {"watchdog": '<nvpair name="stonith-watchdog-timeout" value="22s" id="x"/>'}
    assert Watched(**older).watchdog_seconds() == 22


@pytest.mark.parametrize(
    ("name", "fencing", "witness", "reason"),
    [
        ("freeze", "on, watched by a", False, "needs the lab: Azure offers no way to stop a machine's clock"),
        ("network-cut-witness", "on, watched by a", False, "needs a cluster with a witness (witness: true)"),
        ("network-cut-witness", "on, watched by a", True, ""),
        ("power-kill", "OFF: no", False, "needs fencing, which is off"),
        # That may repair itself: the drill waits for it, or refuses.
        ("power-kill", "NOT WORKING: no device", False, ""),
        ("power-kill", "on, watched by a", False, ""),
        ("standby", "OFF: no", False, ""),
    ],
)
def test_a_drill_is_left_out_with_its_reason(name: str, fencing: str, witness: bool, reason: str) -> None:
    target = cast(Target, Stack(fencing, witness))
    assert why_not(CATALOGUE[name], target) == reason


# --- restores

LEDGER = [*acknowledged(1, 2, 3), Write(4, 3.4, None, "timed out"), *acknowledged(5, 6)]


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ({1, 2, 3}, []),
        ({1, 2, 3, 4}, []),
        ({1, 2}, ["1 rows from before that second are missing, such as 3"]),
        (
            {1, 3},
            [
                "1 rows from before that second are missing, such as 2",
                "1 acknowledged rows are missing although later ones are there, such as 2",
            ],
        ),
        ({1, 2, 3, 5}, ["1 rows from after that second are there, such as 5"]),
        (
            {1, 2, 3, 9},
            [
                "2 acknowledged rows are missing although later ones are there, such as 5",
                "1 rows are there that nobody",
            ],
        ),
        (set[int](), ["3 rows from before that second are missing, such as 1"]),
    ],
)
def test_a_restore_to_a_second(rows: set[int], wrong: list[str]) -> None:
    found = restored.until(LEDGER, rows, 4)
    assert len(found) == len(wrong), found
    assert all(line.startswith(text) for line, text in zip(found, wrong, strict=True)), found


def test_a_row_at_the_end_of_the_second_may_be_on_either_side() -> None:
    assert restored.until(LEDGER, {1, 2}, 3.1) == restored.until(LEDGER, {1, 2, 3}, 3.1) == []


def test_what_the_latest_lacks() -> None:
    assert restored.lost(LEDGER, {1, 2}) == (3, 3.0)
    assert restored.lost(LEDGER, {1, 2, 3, 5, 6}) == (0, 0.0)


@pytest.mark.parametrize(("backup", "why"), [(True, ""), (False, "needs a cluster with backups (backup: true)")])
def test_what_needs_backups(backup: bool, why: str) -> None:
    class WithLab(LabTarget):
        def __init__(self) -> None:
            """Without a lab."""

        def has_backup(self) -> bool:
            return backup

        def status(self) -> Any:
            return SimpleNamespace(fencing="on")

    for name in ("table-dropped", "both-lost", "storage-away"):
        assert why_not(scenario.catalogue()[name], WithLab()) == why


def test_a_drill_that_is_named_twice_has_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(LabTarget):
        def __init__(self) -> None:
            """Without a lab."""

        @contextmanager
        def watched(self, folder: Path) -> Generator[None]:
            yield

        def status(self) -> Any:
            return SimpleNamespace(fencing="on")

    places: list[str] = []

    def conduct(one: Scenario, number: int, target: Target, place: Path, *_: Any, **__: Any) -> Any:
        places.append(place.name)
        return SimpleNamespace(result=None)

    def nothing(*_: Any) -> str:
        return ""

    monkeypatch.setattr(drills_command, "conduct", conduct)
    for name in ("proof.record.save_results", "proof.record.table", "report.report.write"):
        monkeypatch.setattr(f"drills.{name}", nothing)
    known = scenario.catalogue()
    chosen = [known["freeze"], known["power-kill"], known["freeze"]]
    drills_command.run(Watched(), chosen, tmp_path, Progress(), repeat=2)
    assert places == ["freeze-1", "freeze-2", "power-kill-1", "power-kill-2", "freeze-3", "freeze-4"]
