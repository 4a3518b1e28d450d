"""What a picture has room for: writes thinned to its width, and labels that do not overlap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drills.proof.outage import Interval
from lab.writer import Write


@dataclass(frozen=True)
class Bucket:
    """The writes of one short time: how many, and the latency in seconds of the slowest, sent `at`, and the fastest."""

    at: float
    count: int
    slowest: float
    fastest: float


@dataclass(frozen=True)
class Flag:
    """The label of marks `first` to `last` (indices) in row `row`, 0 being the lowest, its left edge at `left`."""

    first: int
    last: int
    row: int
    left: float


def thin(writes: Iterable[Write], window: Interval, count: int) -> list[Bucket]:
    """Thin acknowledged writes to what a picture can show, without hiding a slow one.

    Args:
        writes: those sent outside of the window are left out.
        count: number of equal times that it is divided into, 1 or more.

    Returns:
        One bucket for each of them in which an acknowledged write was sent.
    """
    found: dict[int, Bucket] = {}
    for write in writes:
        if write.acknowledged is None or not window.begin <= write.sent <= window.end:
            continue
        latency = write.acknowledged - write.sent
        number = min(int((write.sent - window.begin) / window.seconds * count), count - 1)
        old = found.get(number)
        if old is None:
            found[number] = Bucket(write.sent, 1, latency, latency)
        else:
            slower = latency > old.slowest
            found[number] = Bucket(
                at=write.sent if slower else old.at,
                count=old.count + 1,
                slowest=max(latency, old.slowest),
                fastest=min(latency, old.fastest),
            )
    return [found[number] for number in sorted(found)]


def flags(positions: Sequence[float], widths: Sequence[float], rows: int) -> list[Flag]:
    """Place labels of marks above a picture so that none overlaps another.

    Each label begins at its mark's line and reaches to the right. From right to left each takes the lowest free row;
    one that finds none joins that of the mark to its right.

    Args:
        positions: of the marks' lines, in pixels, ascending.
        widths: of the labels, in pixels; one that others may join must have room for two numbers.
        rows: how many rows there are, 1 or more.
    """
    edges = [float("inf")] * rows  # where the leftmost label of each row begins
    placed: list[Flag] = []
    for index in range(len(positions) - 1, -1, -1):
        left = positions[index]
        free = next((row for row in range(rows) if left + widths[index] <= edges[row]), None)
        if free is None:
            last = placed.pop()
            placed.append(Flag(index, last.last, last.row, last.left))
        else:
            edges[free] = left
            placed.append(Flag(index, index, free, left))
    return placed
