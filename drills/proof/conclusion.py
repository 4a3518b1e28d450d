"""What a drill comes to: its record with the verdict, and what the verdict was made from."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from drills.drill import Drill
from drills.proof import audit, marks, timeline
from drills.proof.audit import Evidence
from drills.proof.record import Mark, Record, Result
from drills.scenario import Scenario
from drills.target import Fencing, LabTarget


def conclude(
    drill: Drill,
    scenario: Scenario,
    number: int,
    evidence: Evidence,
    fencings: Sequence[Fencing],
    strong_at: float | None,
    end: float,
) -> Record:
    """Return the record of a drill.

    Args:
        drill: it is over, and no longer observed.
        strong_at: when full strength was reached, in seconds of the epoch; None where it was not.
        end: of the drill, likewise.
    """
    seen, noted = drill.seen, list(drill.marks)
    fault = drill.fault_at
    for journal in seen.journals:
        lines = marks.from_journal(journal.node.name, journal.lines)
        noted += [mark for mark in lines if fault - 1 <= mark.at <= end]
    for one in fencings:
        noted.append(Mark(one.began, "fencing", one.machine, f"{one.caller} has Azure fence it"))
        if one.ended is not None:
            noted.append(Mark(one.ended, "fenced", one.machine, "fenced, Azure says"))
    for alert in evidence.alerts or ():
        if alert.reaches_somebody:
            noted.append(Mark(alert.began, "alert", None, f"alert {alert.name}"))
    paused, resumed = timeline.longest_gap(evidence.writes, fault, end)
    if resumed < end:
        noted.append(Mark(resumed, "first-write", None, "first acknowledgement after the longest pause"))
    outage = resumed - paused
    result = Result(
        scenario=scenario.name,
        acknowledged=len(evidence.acknowledged),
        lost=len(evidence.lost),
        promoted_max=evidence.promoted_max,
        servers_max=evidence.servers_max,
        fencings=evidence.fencings,
        outage_seconds=round(outage, 3),
        recovered_seconds=None if strong_at is None else round(strong_at - fault, 3),
        verdict=audit.verdict(audit.judge(evidence, scenario.expected, outage, fault)),
    )
    spans = [*evidence.promoted[0], *evidence.servers, *timeline.power_spans(seen.powers, end)]
    return Record(
        scenario=scenario.name,
        story=scenario.first_paragraph,
        number=number,
        begin=seen.begin,
        end=end,
        nodes=[node.name for node in drill.nodes],
        writes="writes.jsonl",
        marks=sorted(noted, key=lambda mark: mark.at),
        spans=sorted(spans, key=lambda span: span.begin),
        result=result,
        alerts=evidence.alerts,
    )


def keep(drill: Drill, fencings: Sequence[Fencing], folder: Path) -> None:
    """Write what the verdict was made from, for who doubts it."""
    with (folder / "samples.jsonl").open("w") as output:
        for sample in sorted(drill.seen.sampler.samples, key=lambda one: one.at):
            print(json.dumps(asdict(sample)), file=output)
    (folder / "fencings.json").write_text(json.dumps([asdict(one) for one in fencings], indent=1) + "\n")
    if isinstance(drill.target, LabTarget):
        drill.target.keep_log(drill.seen.begin, folder / "cloud.log")
