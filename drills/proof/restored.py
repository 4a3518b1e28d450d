"""The judgement on a restore: what of the writer's ledger is there, and what is not. Pure."""

from collections.abc import Sequence, Set

from lab.writer import Write

CLOCKS_SECONDS = 0.2
"""The server's second counts, and the ledger has the client's clock: so near to its end a row may be on either side."""


def holes(writes: Sequence[Write], rows: Set[int]) -> list[str]:
    """Return what is wrong where an acknowledged row is missing and a later one is there, or rows nobody wrote."""
    last = max(rows, default=0)
    missing = [write.sequence for write in writes if write.acknowledged is not None and write.sequence < last]
    missing = [sequence for sequence in missing if sequence not in rows]
    wrong = (
        [f"{len(missing)} acknowledged rows are missing although later ones are there, such as {missing[0]}"]
        if missing
        else []
    )
    strange = rows - {write.sequence for write in writes}
    return [*wrong, *([f"{len(strange)} rows are there that nobody wrote"] if strange else [])]


def until(writes: Sequence[Write], rows: Set[int], end: float) -> list[str]:
    """Return what is wrong with a restore to a second: every row acknowledged before its end is there, none after it.

    Args:
        rows: the numbers of those that are there.
        end: of the second, in seconds of the epoch.
    """
    missing = [
        write.sequence
        for write in writes
        if write.acknowledged is not None and write.acknowledged < end - CLOCKS_SECONDS and write.sequence not in rows
    ]
    late = [write.sequence for write in writes if write.sent > end + CLOCKS_SECONDS and write.sequence in rows]
    return [
        *([f"{len(missing)} rows from before that second are missing, such as {missing[0]}"] if missing else []),
        *([f"{len(late)} rows from after that second are there, such as {late[0]}"] if late else []),
        *holes(writes, rows),
    ]


def lost(writes: Sequence[Write], rows: Set[int]) -> tuple[int, float]:
    """Return how many acknowledged rows a restore lacks, and the seconds from the first of these to the last one."""
    times = [write.acknowledged for write in writes if write.acknowledged is not None and write.sequence not in rows]
    return len(times), max(times) - min(times) if times else 0.0
