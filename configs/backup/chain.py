"""The chain of a backup: bases, the logs that follow each, and when one can restore with them.

Pure: it knows the names of blobs, and reads nothing. The nodes run it, and so does whoever asks from outside.
"Restore to T" means to the end of the second T.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .blobs import Base, Log, base_of, log_of
from .documents import Seen
from .moments import from_stamp, said

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Window:
    """From when to when one can restore; any second between is possible, both ends too.

    Args:
        bases: with which one can, in order.
    """

    begin: datetime
    end: datetime
    bases: tuple[Base, ...]

    def __str__(self) -> str:
        return f"{said(self.begin)} to {said(self.end)}"


@dataclass(frozen=True)
class Gap:
    """Logs that are missing, or one that is there twice and differs: nothing beyond them can be restored from before.

    Args:
        first, last: numbers of the logs.
        since, until: between which times what they held was committed.
    """

    history: str
    first: int
    last: int
    since: datetime
    until: datetime
    is_twice: bool = False

    def __str__(self) -> str:
        many = self.first != self.last
        which = f"log{'s' if many else ''} {self.first:06}{f' to {self.last:06}' if many else ''}"
        what = "exists in two versions that differ" if self.is_twice else f"{'are' if many else 'is'} missing"
        return f"{which} of history {self.history} {what} ({said(self.since)} to {said(self.until)})"


class Chain:
    """All that a backup has.

    Args:
        names: of all blobs; those of no known form are passed over.
        seen: what shipping saw last; None where that is not known.
    """

    def __init__(self, names: Iterable[str], seen: Seen | None = None) -> None:
        names = list(names)
        found = set(names)
        self.seen = seen
        self.bases = sorted(base for name in names if (base := base_of(name)) and base.data in found)
        self._logs: dict[str, dict[int, list[Log]]] = {}
        for log in sorted(log for name in names if (log := log_of(name))):
            self._logs.setdefault(log.history, {}).setdefault(log.number, []).append(log)
        self._ends = {history: _run_ends(logs) for history, logs in self._logs.items()}

    @property
    def logs(self) -> list[Log]:
        """All logs by history, each in the order of its numbers."""
        return [log for logs in self._logs.values() for number in sorted(logs) for log in logs[number]]

    @property
    def histories(self) -> list[str]:
        """All histories, the last one last."""
        found = set(self._logs) | {base.history for base in self.bases}
        return sorted(found | {self.seen.history} if self.seen else found)

    def end(self, base: Base) -> datetime | None:
        """Return the last second to which one can restore with a base; None if to none at all."""
        last, seen = self._last_log(base), self._seen_in(base.history)
        ends = [self._logs[base.history][last][0].last] if last >= base.log else []
        if seen and last >= seen.log:
            ends.append(from_stamp(seen.complete_to))
        # What was committed in the last second itself may be in the next log.
        end = max(ends) - _SECOND if ends else None
        return end if end and end >= base.ended else None

    def run(self, base: Base) -> tuple[Log, ...]:
        """Return the unbroken run of logs that follows a base, in order."""
        logs = self._logs.get(base.history, {})
        return tuple(logs[number][0] for number in range(base.log, self._last_log(base) + 1))

    def windows(self) -> list[Window]:
        """Return when one can restore, in order; windows of one history that touch are one."""
        found: list[Window] = []
        for base in self.bases:
            end = self.end(base)
            if end is None:
                continue
            before = found[-1] if found else None
            if before and before.bases[-1].history == base.history and base.ended <= before.end + _SECOND:
                found[-1] = Window(before.begin, max(before.end, end), (*before.bases, base))
            else:
                found.append(Window(base.ended, end, (base,)))
        return found

    def gaps(self) -> list[Gap]:
        """Return what breaks the chain behind the first base of each history that can be restored, in order.

        What is older than that base goes by its age, and is no gap.
        """
        first: dict[str, Base] = {}
        for base in self.bases:
            if self.end(base):
                first.setdefault(base.history, base)
        return [gap for base in first.values() for gap in self.gaps_after(base)]

    def gaps_after(self, base: Base) -> list[Gap]:
        """Return what breaks the chain behind a base, in order."""
        logs, seen = self._logs.get(base.history, {}), self._seen_in(base.history)
        last = max([*logs, seen.log if seen else 0])
        found: list[Gap] = []
        since, number = base.ended, base.log
        while number <= last:
            here = logs.get(number, [])
            end = number
            if len(here) == 1:
                since = here[0].last
            else:
                while not here and end < last and end + 1 not in logs:
                    end += 1
                if here:
                    until = max(log.last for log in here)
                elif end + 1 in logs:
                    until = logs[end + 1][0].first
                else:
                    until = max(since, from_stamp(seen.complete_to)) if seen else since
                found.append(Gap(base.history, number, end, since, until, bool(here)))
                since = until
            number = end + 1
        return found

    def _last_log(self, base: Base) -> int:
        """Return the number of the last log of the unbroken run that follows a base; below its own for none."""
        return self._ends.get(base.history, {}).get(base.log, base.log - 1)

    def _seen_in(self, history: str) -> Seen | None:
        return self.seen if self.seen and self.seen.history == history else None


def _run_ends(logs: dict[int, list[Log]]) -> dict[int, int]:
    """Return for each number with which a run can go on the last number of that unbroken run."""
    ends: dict[int, int] = {}
    for number in sorted(logs, reverse=True):
        if len(logs[number]) == 1:
            ends[number] = ends.get(number + 1, number)
    return ends
