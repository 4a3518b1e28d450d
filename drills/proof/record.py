"""What a drill leaves behind: its record, which reports are made from."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from drills.proof.alerts import Alert

MarkKind = Literal[
    "fault", "fault-end", "detected", "fencing", "fenced", "demoted", "promoted", "mounted", "server-ready", "probe",
    "first-write", "recovered", "event", "alert",
]  # fmt: skip

SpanKind = Literal["promoted", "server", "powered"]


@dataclass(frozen=True)
class Mark:
    """Something that happened.

    Args:
        at: seconds of the epoch.
        node: where; None for what is of the cluster.
    """

    at: float
    kind: MarkKind
    node: str | None
    text: str


def first_fault(marks: Iterable[Mark], begin: float) -> float:
    """Return when the first fault was made, in seconds of the epoch; when the drill began, where none was."""
    return min((mark.at for mark in marks if mark.kind == "fault"), default=begin)


@dataclass(frozen=True)
class Span:
    """A time in which something was so.

    Args:
        what: DRBD promoted, a database server running, or the machine's power on.
        begin, end: seconds of the epoch.
    """

    node: str
    what: SpanKind
    begin: float
    end: float


@dataclass(frozen=True)
class Result:
    """A drill in figures.

    Args:
        lost: how many of them are missing.
        promoted_max, servers_max: most nodes with DRBD promoted, with a server running, at the same instant.
        outage_seconds: longest time between two neighbouring acknowledgements since the fault, or around it.
        recovered_seconds: from the fault to full strength; None where that was not reached.
        verdict: pass, or FAIL: and the reasons.
    """

    scenario: str
    acknowledged: int
    lost: int
    promoted_max: int
    servers_max: int
    fencings: int
    outage_seconds: float
    recovered_seconds: float | None
    verdict: str

    @property
    def passed(self) -> bool:
        return self.verdict == "pass"


@dataclass(frozen=True)
class Record:
    """A whole drill.

    Args:
        writes: the name of the file with the attempts, beside the record.
        alerts: what a Prometheus told; None where none watched.
    """

    scenario: str
    story: str
    number: int
    begin: float
    end: float
    nodes: Sequence[str]
    writes: str
    marks: Sequence[Mark]
    spans: Sequence[Span]
    result: Result
    alerts: Sequence[Alert] | None = None

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")


def save_results(results: Sequence[Result], run: Path) -> None:
    """Write a run's `results.json`, as far as the run has come."""
    (run / "results.json").write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


def table(results: Sequence[Result]) -> str:
    """Return a short summary of a run."""
    head = ("scenario", "acknowledged", "lost", "promoted", "servers", "fencings", "outage s", "recovered s", "verdict")
    lines: list[Sequence[str]] = [head]
    for one in results:
        recovered = "-" if one.recovered_seconds is None else f"{one.recovered_seconds:.1f}"
        lines.append(
            (
                *(one.scenario, str(one.acknowledged), str(one.lost), str(one.promoted_max), str(one.servers_max)),
                *(str(one.fencings), f"{one.outage_seconds:.2f}", recovered, one.verdict),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head) - 1)]
    return "\n".join(
        "  ".join([f"{word:{width}}" for word, width in zip(line, widths, strict=False)] + [line[-1]]) for line in lines
    )
