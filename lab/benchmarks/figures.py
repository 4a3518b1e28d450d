"""What a comparison measures, and how it is shown.  Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

_BUCKET = re.compile(r"^ *(\d+\.\d+) \|\**  *(\d+)$", re.MULTILINE)
_COMMITS = re.compile(r"^ *transactions: +(\d+) ", re.MULTILINE)
_SECONDS = re.compile(r"^ *total time: +(\d+\.\d+)s", re.MULTILINE)
_FAILURES = re.compile(r"^ *(?:ignored errors|reconnects): +(\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """One run of the load generator.

    Args:
        connections: how many wrote at once, each the next row when the last was acknowledged.
        commits_per_second: acknowledged commits of all together.
        p50_ms: median latency of a commit in milliseconds.
        p99_ms: the latency that 99 of 100 commits kept to, in milliseconds.
        generator_share: processor time of the load generator, 1.0 is one processor kept busy.
        switches_per_commit: context switches of all machines of the candidate, for one commit.
    """

    connections: int
    commits_per_second: float
    p50_ms: float
    p99_ms: float
    generator_share: float
    switches_per_commit: float = 0.0


@dataclass(frozen=True)
class Outage:
    """One power kill.

    Args:
        seconds: the longest time between two acknowledged writes around it.
        rejoin_stall_seconds: the longest such time from then on, until all was as before.
        whole_seconds: from the kill until all was as before: redundant, and in step.
    """

    seconds: float
    rejoin_stall_seconds: float
    whole_seconds: float
    acknowledged: int
    lost: int


@dataclass
class Result:
    """All that was measured of one candidate."""

    name: str
    versions: dict[str, str] = field(default_factory=dict[str, str])
    loads: dict[str, list[Load]] = field(default_factory=dict[str, list[Load]])
    outages: list[Outage] = field(default_factory=list[Outage])


def percentile(histogram: Sequence[tuple[float, int]], share: float) -> float:
    """Return the first value of a histogram up to which there is that share of all.

    Args:
        histogram: value and count, values ascending.
        share: above 0, at most 1.

    Raises:
        ValueError: the histogram is empty.
    """
    total = sum(count for _, count in histogram)
    if not total:
        raise ValueError("an empty histogram has no percentiles")
    below = 0
    for value, count in histogram:
        below += count
        if below >= share * total:
            return value
    return histogram[-1][0]


def read_sysbench(report: str, connections: int, processor_seconds: float) -> Load:
    """Return what a report of `sysbench --histogram` says.

    Args:
        connections: how many threads it was told to have.
        processor_seconds: what sysbench itself took of the processors.

    Raises:
        ValueError: it is no such report, or tells of errors.
    """
    commits, seconds = _COMMITS.search(report), _SECONDS.search(report)
    histogram = [(float(value), int(count)) for value, count in _BUCKET.findall(report)]
    failures = sum(int(count) for count in _FAILURES.findall(report))
    if not commits or not seconds or not histogram or failures:
        raise ValueError(f"sysbench did not end well; {failures} errors; its report:\n{report}")
    took = float(seconds[1])
    return Load(
        connections=connections,
        commits_per_second=int(commits[1]) / took,
        p50_ms=percentile(histogram, 0.50),
        p99_ms=percentile(histogram, 0.99),
        generator_share=processor_seconds / took,
    )


def longest_gap(times: Iterable[float]) -> float:
    """Return the longest time between two neighbours; 0 where there are fewer than two.

    Args:
        times: seconds, ascending.
    """
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


def _span(values: Sequence[float], digits: int) -> str:
    """Return the median, and behind it the extremes where there are some."""
    middle = f"{median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    marks = ["---" if number == 0 else "---:" for number in range(len(head))]
    return ["|" + "|".join(f" {cell} " for cell in row) + "|" for row in (head, marks, *rows)]


def markdown(results: Sequence[Result], facts: Mapping[str, str]) -> str:
    """Return the tables of a comparison, with what they were measured on.

    Args:
        facts: what to say of machine and run, by what it is.
    """
    loads = [
        [
            f"{result.name}, {way}",
            str(connections),
            _span([load.commits_per_second for load in runs], 0),
            _span([load.p50_ms for load in runs], 2),
            _span([load.p99_ms for load in runs], 2),
            f"{median(load.switches_per_commit for load in runs):.0f}",
        ]
        for result in results
        for way, every in result.loads.items()
        for connections in sorted({load.connections for load in every})
        for runs in [[load for load in every if load.connections == connections]]
    ]
    outages = [
        [
            result.name,
            str(len(result.outages)),
            _span([outage.seconds for outage in result.outages], 1),
            _span([outage.rejoin_stall_seconds for outage in result.outages], 1),
            _span([outage.whole_seconds for outage in result.outages], 0),
            f"{sum(outage.lost for outage in result.outages)} of {sum(o.acknowledged for o in result.outages):,}",
        ]
        for result in results
        if result.outages
    ]
    parts: list[list[str]] = [[f"- {what}: {fact}" for what, fact in facts.items()]]
    parts.append(
        [
            f"- {result.name}: {', '.join(f'{what} {version}' for what, version in result.versions.items())}"
            for result in results
            if result.versions
        ]
    )
    if loads:
        parts += [
            ["Commits of one row each; median of the runs (lowest to highest):"],
            _table(["", "connections", "commits/s", "p50, ms", "p99, ms", "switches a commit"], loads),
        ]
    if outages:
        head = ["", "kills", "outage, s", "stall at the return, s", "whole again after, s", "acknowledged rows lost"]
        parts += [["Power kill of the machine written to; median (lowest to highest):"], _table(head, outages)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
