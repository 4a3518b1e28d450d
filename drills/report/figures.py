"""Figures of many drills: `python -m drills.report.figures build/drills/RUN …`, as Markdown.

First a line for each scenario. Then the outages of those that are asked for by --apart, taken apart: the median of each
part. Agents are shell scripts, so each part is shown with the processes and threads that it started, on the node that
started more: what a lab's guest pays for them beyond a native machine can be taken away.
"""

import argparse
import json
import sys
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from drills.proof import outage
from drills.proof.outage import PARTS, Outage
from drills.proof.record import Record, Result, first_fault
from drills.proof.timeline import Sample

GUEST_START_MS, NATIVE_START_MS = 5.9, 0.7
"""What a process start costs in a guest of the lab and natively, in milliseconds: docs/drills.md."""


@dataclass(frozen=True)
class TakenApart:
    """One part of the outages of a scenario.

    Args:
        kind: what ends it, a key of `PARTS`.
        starts: median of the processes and threads started in it, on the node that started more.
    """

    kind: str
    seconds: float
    starts: int

    @property
    def native(self) -> float:
        """Seconds that it would take where a process start has its native price."""
        return max(0.0, self.seconds - self.starts * (GUEST_START_MS - NATIVE_START_MS) / 1000)


def starts(samples: Iterable[Sample], begin: float, end: float) -> int:
    """Return how many processes and threads the busier node started in a time.

    Args:
        begin, end: seconds of the epoch.
    """
    by_boot: dict[tuple[str, int], list[Sample]] = {}
    for sample in sorted(samples, key=lambda one: one.at):
        by_boot.setdefault((sample.node, round(sample.booted / 10)), []).append(sample)
    counts: dict[str, float] = {}
    for (node, _), series in by_boot.items():
        for before, after in pairwise(series):
            share = min(after.at, end) - max(before.at, begin)
            # Numbers begin anew at the kernel's highest.
            if share > 0 and after.newest >= before.newest:
                begun = (after.newest - before.newest) * share / (after.at - before.at)
                counts[node] = counts.get(node, 0.0) + begun
    return round(max(counts.values(), default=0.0))


def take_apart(outages: Sequence[tuple[Outage, Sequence[Sample]]]) -> list[TakenApart]:
    """Return the parts of outages of one scenario, in the order of `PARTS`."""
    seconds: dict[str, list[float]] = {}
    counts: dict[str, list[int]] = {}
    for one, samples in outages:
        begin = one.begin
        for part in one.parts:
            seconds.setdefault(part.kind, []).append(part.seconds)
            counts.setdefault(part.kind, []).append(starts(samples, begin, begin + part.seconds))
            begin += part.seconds
    return [
        TakenApart(kind, median(seconds[kind]), round(median(counts[kind])))
        for kind in PARTS
        # What only a few of them have is not typical.
        if len(seconds.get(kind, ())) * 2 > len(outages)
    ]


def read_outages(folder: Path) -> list[tuple[Outage, Sequence[Sample]]]:
    """Return the outages of a drill that a fault began: of most there is one, of standby one a move.

    Raises:
        ValueError: its record is not of the form.
    """
    history = outage.read(folder)
    samples = [Sample(**json.loads(line)) for line in (folder / "samples.jsonl").read_text().splitlines()]
    faults = [mark.at for mark in history.record.marks if mark.kind == "fault"]
    longest: dict[int, Outage] = {}
    for one in outage.outages(history):
        # A fault is marked when it is ordered, which may be a moment after the last acknowledgement.
        fault = bisect_left(faults, one.end)
        if one.ended and fault and (fault not in longest or one.seconds > longest[fault].seconds):
            longest[fault] = one
    return [(one, samples) for one in longest.values()]


def summary(results: Mapping[str, Sequence[Result]]) -> str:
    """Return a table with a line for each scenario."""
    lines = [
        "| scenario | drills | passed | acknowledged rows | lost | most promoted | most servers | fencings each"
        " | outage, s: median | worst | full strength after, s: median |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, all_of_it in results.items():
        fencings = sorted({one.fencings for one in all_of_it})
        outages = [one.outage_seconds for one in all_of_it]
        recovered = [one.recovered_seconds for one in all_of_it if one.recovered_seconds is not None]
        cells = (
            f"`{name}`",
            len(all_of_it),
            sum(one.passed for one in all_of_it),
            sum(one.acknowledged for one in all_of_it),
            sum(one.lost for one in all_of_it),
            max(one.promoted_max for one in all_of_it),
            max(one.servers_max for one in all_of_it),
            " or ".join(map(str, fencings)),
            f"{median(outages):.1f}",
            f"{max(outages):.1f}",
            f"{median(recovered):.1f}" if recovered else "-",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def told(histories: Mapping[str, Sequence[Record]]) -> str:
    """Return a table of the alerts of the drills that a Prometheus watched, with a line for each scenario."""
    lines = ["| scenario | drills | alerts, and seconds after the fault: median, worst |", "|---|---:|---|"]
    for name, records in histories.items():
        watched = [one for one in records if one.alerts is not None]
        after: dict[str, list[float]] = {}
        for one in watched:
            fault = first_fault(one.marks, one.begin)
            firsts: dict[str, float] = {}
            for alert in one.alerts or ():
                if alert.reaches_somebody and alert.began >= fault:
                    firsts.setdefault(alert.name, alert.began - fault)
            for alert_name, seconds in firsts.items():
                after.setdefault(alert_name, []).append(seconds)
        cells = [
            f"`{alert}` {median(seconds):.0f}, {max(seconds):.0f}" + ("" if len(seconds) == len(watched) else
            f" ({len(seconds)} of {len(watched)})")
            for alert, seconds in sorted(after.items(), key=lambda item: median(item[1]))
        ]  # fmt: skip
        if watched:
            lines.append(f"| `{name}` | {len(watched)} | {'; '.join(cells) or 'none'} |")
    return "\n".join(lines)


def apart(name: str, outages: Sequence[tuple[Outage, Sequence[Sample]]]) -> str:
    """Return the table of a scenario's outages, taken apart."""
    lengths = [one.seconds for one, _ in outages]
    parts = take_apart(outages)
    sums = sum(p.seconds for p in parts), sum(p.starts for p in parts), sum(p.native for p in parts)
    return "\n".join(
        [
            f"`{name}`: {len(lengths)} outages, median {median(lengths):.1f} s, worst {max(lengths):.1f} s",
            "",
            "| part | median, s | process starts | at a native start's price, s |",
            "|---|---:|---:|---:|",
            *(f"| {PARTS[p.kind]} | {p.seconds:.1f} | {p.starts} | {p.native:.1f} |" for p in parts),
            f"| sum of the medians | {sums[0]:.1f} | {sums[1]} | {sums[2]:.1f} |",
        ]
    )


def main() -> int:
    """Print the tables of some runs' drills."""
    parser = argparse.ArgumentParser(prog="python -m drills.report.figures", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a folder of build/drills")
    parser.add_argument("--apart", nargs="*", default=[], metavar="SCENARIO", help="whose outages are taken apart")
    arguments = parser.parse_args()
    folders: dict[str, list[Path]] = {}
    for record in sorted(path for run in arguments.runs for path in run.glob("*/record.json")):
        folders.setdefault(record.parent.name.rpartition("-")[0], []).append(record.parent)
    if missing := sorted({*arguments.apart} - {*folders}):
        parser.error(f"--apart {' '.join(missing)}: these runs have {', '.join(folders) or 'no drill that has ended'}")
    records = {name: [outage.read(one).record for one in every] for name, every in folders.items()}
    print(summary({name: [record.result for record in every] for name, every in records.items()}))
    if any(record.alerts is not None for every in records.values() for record in every):
        print(f"\n{told(records)}")
    for name in arguments.apart:
        print(f"\n{apart(name, [one for folder in folders[name] for one in read_outages(folder)])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
