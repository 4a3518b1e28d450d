"""What follows from a drill's record: gaps in acknowledged writes, outages and their parts.

Times are seconds of the epoch, all of one clock, the host's. Nothing here draws.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from drills.proof.alerts import Alert
from drills.proof.record import Mark, Record, Result, Span, first_fault
from lab.writer import Write

# A gap is a pause that a client would notice, and which is not just how this machine writes: a fifth of a second, or
# twenty times the usual distance of two acknowledgements where that is more.
GAP_SECONDS = 0.2
GAP_FACTOR = 20

# What each mark ends, in the order of a fail-over. A kind that is not here (event, recovered) ends no part.
PARTS = {
    "fault": "until the fault",
    "detected": "detection",
    "fencing": "decision to fence",
    "fenced": "fencing",
    "fault-end": "until the fault ended",
    "demoted": "server's stop, DRBD demotion",
    "promoted": "DRBD promotion",
    "mounted": "mount",
    "server-ready": "server start, recovery",
    "probe": "probe",
    "first-write": "first write",
    "never": "not back yet",  # no mark: what follows the last one where no write was acknowledged any more
}
# Of several marks of a kind in one outage these count when they begin, all others when the last is done.
_FIRST_COUNTS = {"fault", "detected", "fencing"}


@dataclass(frozen=True)
class Interval:
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True)
class Gap(Interval):
    """A time without an acknowledged write; `ended` tells whether one came after it."""

    ended: bool


@dataclass(frozen=True)
class Part:
    """A share of an outage: the time until a mark of this kind."""

    kind: str
    seconds: float


@dataclass(frozen=True)
class Outage(Gap):
    """A gap in acknowledged writes and its parts, which add up to it."""

    parts: list[Part]


@dataclass(frozen=True)
class History:
    """A drill's record with its writes, in the order in which they were sent; its marks are in the order of time."""

    record: Record
    writes: Sequence[Write]

    @property
    def name(self) -> str:
        return f"{self.record.scenario}-{self.record.number}"

    @property
    def zero(self) -> float:
        """The moment that its times are told from: the first fault, else its beginning."""
        return first_fault(self.record.marks, self.record.begin)


def read(folder: Path) -> History:
    """Read what one drill has left behind.

    Args:
        folder: has record.json and the file of writes that it names.

    Raises:
        ValueError: a file is not of the form; the message names it.
    """
    path = folder / "record.json"
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
        marks = [Mark(**mark) for mark in fields.pop("marks")]
        spans = [Span(**span) for span in fields.pop("spans")]
        result = Result(**fields.pop("result"))
        if fields.get("alerts") is not None:
            fields["alerts"] = [Alert(**alert) for alert in fields["alerts"]]
        record = Record(**fields, marks=sorted(marks, key=lambda mark: mark.at), spans=spans, result=result)
        path = folder / record.writes
        writes = [Write(**json.loads(line)) for line in path.read_text().splitlines()]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error
    return History(record, sorted(writes, key=lambda write: write.sent))


def gaps(writes: Sequence[Write]) -> list[Gap]:
    """Return the times in which no write was acknowledged, the first first.

    The time before the first acknowledgement counts from the first attempt on, that after the last one until the last
    attempt: where nobody tried, nothing is known.
    """
    if not writes:
        return []
    answered = sorted(write.acknowledged for write in writes if write.acknowledged is not None)
    distances = [after - before for before, after in pairwise(answered)]
    least = max(GAP_SECONDS, GAP_FACTOR * median(distances)) if distances else GAP_SECONDS
    edges = [writes[0].sent, *answered, writes[-1].sent]
    last = len(edges) - 2
    return [
        Gap(before, after, ended=index < last)
        for index, (before, after) in enumerate(pairwise(edges))
        if after - before > least
    ]


def parts(outage: Gap, marks: Iterable[Mark]) -> list[Part]:
    """Take an outage apart at the marks in it.

    Args:
        outage: from the last acknowledgement before to the first one after.
        marks: the drill's; those outside of the outage cut nothing.

    Returns:
        Parts in the order of time, which add up to the outage. What comes after the last mark is "first-write", or
        "never" where the outage did not end.
    """
    within = [mark for mark in marks if mark.kind in PARTS and outage.begin < mark.at < outage.end]
    promoted = min((mark.at for mark in within if mark.kind == "promoted"), default=outage.end)
    cuts: dict[str, float] = {}
    for mark in within:
        if mark.kind == "fenced" and mark.at > promoted:
            continue  # the fenced machine's start, for which nobody waits
        at = cuts.get(mark.kind, mark.at)
        cuts[mark.kind] = min(at, mark.at) if mark.kind in _FIRST_COUNTS else max(at, mark.at)
    if cuts.get("probe", outage.end) < cuts.get("server-ready", outage.begin):
        del cuts["probe"]  # answered beside all that: it has delayed nothing
    cuts["first-write" if outage.ended else "never"] = outage.end
    found: list[Part] = []
    before = outage.begin
    for kind, at in sorted(cuts.items(), key=lambda cut: cut[1]):
        found.append(Part(kind, at - before))
        before = at
    return found


def outages(history: History) -> list[Outage]:
    """Return the gaps that the drill's faults explain, the first first.

    They are those with a mark in it, and the longest since the first fault. A fault is marked when it is ordered, which
    may be a moment before the last acknowledgement.
    """
    found = gaps(history.writes)
    marks = history.record.marks
    longest = max((gap for gap in found if gap.end > history.zero), key=lambda gap: gap.seconds, default=None)
    times = [mark.at for mark in marks if mark.kind in PARTS]
    return [
        Outage(gap.begin, gap.end, gap.ended, parts(gap, marks))
        for gap in found
        if gap is longest or bisect_right(times, gap.begin) < bisect_right(times, gap.end)
    ]


def overlaps(spans: Iterable[Span], what: str) -> list[Interval]:
    """Return the times in which more than one node was `what`, the first first."""
    changes: list[tuple[float, int]] = []
    for node in {span.node for span in spans if span.what == what}:
        # Spans of one node may touch or overlap; they are one.
        own = sorted((span.begin, span.end) for span in spans if span.what == what and span.node == node)
        joined: list[tuple[float, float]] = []
        for begin, end in own:
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((begin, end))
        changes += [(begin, 1) for begin, _ in joined] + [(end, -1) for _, end in joined]
    found: list[Interval] = []
    count, since = 0, 0.0
    for at, change in sorted(changes):  # at the same moment what ends goes first: touching is no overlap
        if count == 2 and change == -1 and at > since:
            found.append(Interval(since, at))
        count += change
        if count == 2 and change == 1:
            since = at
    return found
