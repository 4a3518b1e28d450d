"""The chain of a backup: which blobs there are, when one can restore with them, and what a restore to a time needs.

Pure: it knows names and JSON, and reads nothing. The nodes run it, and so does whoever asks from outside.

Names, with times in UTC as 20261127T115959Z; the list of names alone tells when one can restore:

    log/HISTORY/NUMBER_FIRST_LAST_SHA.zst                   a closed binary log; SHA: of the file, uncompressed
    base/HISTORY/BEGUN/data.zst                             all data
    base/HISTORY/BEGUN/base_ENDED_NUMBER_POSITION.json      written last: a base without it does not exist

HISTORY is the time at which the numbering of the binary logs began. A log holds what was committed from FIRST to LAST;
the next one may begin in the same second. All that a base holds was committed before ENDED; what came after it begins
at POSITION of the log NUMBER. "To T" means to the end of the second T.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

CONTAINER = "backup"
"""The container of bases and logs: what is in it is never written over."""

STATE_CONTAINER = "state"
"""The container of small files that are written over."""

LOGS, BASES = "log/", "base/"

SEEN, VERIFIED = "seen.json", "verified.json"
"""Of the container for the state."""

_STAMP = "%Y%m%dT%H%M%SZ"
_STAMPED = re.compile(r"\d{8}T\d{6}Z")
_SECOND = timedelta(seconds=1)


class Refusal(Exception):
    """A restore that cannot be; its one line says what is missing and what can be restored."""


def stamp(moment: datetime) -> str:
    """Return a moment as names have it."""
    return moment.astimezone(UTC).strftime(_STAMP)


def from_stamp(text: str) -> datetime:
    """Read a moment as names have it.

    Raises:
        ValueError: it is none.
    """
    if not _STAMPED.fullmatch(text):
        raise ValueError(f"{text!r} is no time as 20261127T115959Z")
    return datetime.fromisoformat(text)


def said(moment: datetime) -> str:
    """Return a moment as people write it, and settings: 2026-11-27T11:59:59Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_said(text: str) -> datetime:
    """Read a moment as people write it.

    Raises:
        ValueError: it is none.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Log:
    """A closed binary log.

    Args:
        sha: the first 16 hexadecimal digits of the uncompressed file's SHA-256.
    """

    history: str
    number: int
    first: datetime
    last: datetime
    sha: str

    @property
    def name(self) -> str:
        return f"{LOGS}{self.history}/{self.number:06}_{stamp(self.first)}_{stamp(self.last)}_{self.sha}.zst"


@dataclass(frozen=True, order=True)
class Base:
    """All data, and where in the binary logs what came after it begins."""

    history: str
    ended: datetime
    begun: datetime
    log: int
    position: int

    @property
    def data(self) -> str:
        return f"{BASES}{self.history}/{stamp(self.begun)}/data.zst"

    @property
    def name(self) -> str:
        """The blob without which it does not exist, with its `Details`."""
        return f"{BASES}{self.history}/{stamp(self.begun)}/base_{stamp(self.ended)}_{self.log:06}_{self.position}.json"


_TIME = _STAMPED.pattern
_NUMBER = r"\d{6,}"
_LOG = re.compile(rf"log/({_TIME})/({_NUMBER})_({_TIME})_({_TIME})_([0-9a-f]+)\.zst")
_BASE = re.compile(rf"base/({_TIME})/({_TIME})/base_({_TIME})_({_NUMBER})_(\d+)\.json")


def log_of(name: str) -> Log | None:
    """Return the log that a blob is; None for any other name."""
    found = _LOG.fullmatch(name)
    return (
        Log(found[1], int(found[2]), from_stamp(found[3]), from_stamp(found[4]), found[5])
        if found and _are_times(found[1], found[3], found[4])
        else None
    )


def base_of(name: str) -> Base | None:
    """Return the base that a blob completes; None for any other name."""
    found = _BASE.fullmatch(name)
    return (
        Base(found[1], from_stamp(found[3]), from_stamp(found[2]), int(found[4]), int(found[5]))
        if found and _are_times(*found.groups()[:3])
        else None
    )


def _are_times(*texts: str) -> bool:
    try:
        return all(from_stamp(text) for text in texts)
    except ValueError:
        return False


@dataclass(frozen=True)
class Details:
    """What is in a base's JSON.

    Args:
        cluster: the cluster's name.
        server: "mysql" or "mariadb".
        version: the server's own, such as 10.11.19.
        kind: "mbstream" or "sql".
        bytes: of data.zst.
        sha256: of data.zst.
        unpacked: bytes of what was compressed.
    """

    cluster: str
    server: str
    version: str
    kind: str
    begun: str
    ended: str
    history: str
    log: int
    position: int
    bytes: int
    sha256: str
    unpacked: int
    format: int = 1

    @property
    def series(self) -> str:
        """The first two numbers of the version: within them a restore is one."""
        return series_of(self.version)

    def fits(self, server: str, series: str) -> bool:
        return (self.server, self.series) == (server, series)


@dataclass(frozen=True)
class Seen:
    """What the server had at the last time that shipping had brought all.

    Args:
        at: when that was.
        log: the last closed log.
        complete_to: all that was committed before it is in closed logs up to that one.
    """

    at: str
    history: str
    log: int
    complete_to: str


@dataclass(frozen=True)
class Verified:
    """The last proof of the backup, by a restore.

    Args:
        at: when it ended.
        base: when the base that it began with was begun, as names have it; empty where it came to none.
        to: the last second of what it restored; empty likewise.
        seconds: how long it took.
        bytes: of the restored data, on the disk.
        tables: how many were checked.
        why: what failed; empty where nothing did.
    """

    at: str
    base: str
    to: str
    ok: bool
    seconds: int
    bytes: int
    tables: int
    why: str


def to_json(value: Details | Seen | Verified) -> str:
    return json.dumps(asdict(value)) + "\n"


def details(text: str) -> Details:
    """Read a base's JSON.

    Raises:
        ValueError: it is none, or of a format that this program does not know.
    """
    found = _read(Details, text)
    if found.format != 1:
        raise ValueError(f"a base of format {found.format}; this program knows 1")
    return found


def seen(text: str) -> Seen:
    """Read what shipping has seen; raises ValueError if it is not that."""
    found = _read(Seen, text)
    from_stamp(found.complete_to)
    return found


def verified(text: str) -> Verified:
    """Read a proof; raises ValueError if it is none."""
    return _read(Verified, text)


def _read(kind: Any, text: str) -> Any:
    try:
        return kind(**json.loads(text))
    except TypeError as error:
        raise ValueError(f"no {kind.__name__}: {error}") from error


def series_of(version: str) -> str:
    """Return 10.11 of 10.11.19-MariaDB."""
    return ".".join(version.split(".")[:2])


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
        what = "is there twice, and differs" if self.is_twice else f"{'are' if many else 'is'} missing"
        return f"{which} of history {self.history} {what} ({said(self.since)} to {said(self.until)})"


@dataclass(frozen=True)
class Plan:
    """What a restore needs.

    Args:
        to: the last second of what it restores.
        stops: whether the last log may hold more than that, which is left out.
        logs: to be replayed, in order: the first one from the base's position.
    """

    base: Base
    to: datetime
    stops: bool
    logs: tuple[Log, ...]


class Chain:
    """All that a backup has.

    Args:
        names: of all blobs; those of no known form are passed over.
        seen: what shipping has seen last; None where that is not known.
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
        last = self._last_log(base)
        logs = self._logs.get(base.history, {})
        ends = [logs[last][0].last] if last in logs and last >= base.log else []
        if self.seen and self.seen.history == base.history and last >= self.seen.log:
            ends.append(from_stamp(self.seen.complete_to))
        # What was committed in the last second itself may be in the next log.
        end = max(ends) - _SECOND if ends else None
        return end if end and end >= base.ended else None

    def _last_log(self, base: Base) -> int:
        """Return the number of the last log of the unbroken run with which a base goes on; below its own for none."""
        return self._ends.get(base.history, {}).get(base.log, base.log - 1)

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
        """Return what breaks the chain behind the first base that can be restored, in order.

        What is older than that base goes by its age, and is no gap.
        """
        usable = [base for base in self.bases if self.end(base)]
        return [
            gap
            for history in self.histories
            for gap in self._gaps(history, [b for b in usable if b.history == history])
        ]

    def _gaps(self, history: str, usable: list[Base]) -> list[Gap]:
        if not usable:
            return []
        logs = self._logs.get(history, {})
        last_known = max(logs, default=0)
        ends = [from_stamp(self.seen.complete_to)] if self.seen and self.seen.history == history else []
        if self.seen and self.seen.history == history:
            last_known = max(last_known, self.seen.log)
        found: list[Gap] = []
        since = usable[0].ended
        number = usable[0].log
        while number <= last_known:
            here = logs.get(number, [])
            if len(here) == 1:
                since = here[0].last
                number += 1
                continue
            end = number
            if here:
                until = max(log.last for log in here)
            else:
                while end + 1 <= last_known and end + 1 not in logs:
                    end += 1
                until = logs[end + 1][0].first if end + 1 in logs else max([since, *ends])
            found.append(Gap(history, number, end, since, until, bool(here)))
            since, number = until, end + 1
        return found

    def plan(self, to: datetime | None, *, without: Iterable[Base] = ()) -> Plan:
        """Choose base and logs.

        Args:
            to: the last second wanted; None for all that there is.
            without: bases that are there and turned out to be damaged.

        Raises:
            Refusal: the backup does not reach to that time, or not without a gap.
        """
        damaged = set(without)
        bases = [base for base in self.bases if base not in damaged]
        if not bases:
            no_base = "there is no base but damaged ones" if self.bases else "there is no base"
            raise Refusal(f"{no_base} in the backup, so nothing can be restored.")
        if to is None:
            return self._latest(bases)
        before = [base for base in bases if base.ended <= to]
        for base in reversed(before):
            end = self.end(base)
            if end and to <= end:
                return Plan(base, to, True, self._needed(base, to))
        raise Refusal(f"{said(to)} cannot be restored: {self._why_not(to, before)}. {self._possible(bases)}")

    def _latest(self, bases: list[Base]) -> Plan:
        base = bases[-1]
        end = self.end(base)
        later = [history for history in self.histories if history > base.history]
        broken = [gap for gap in self._gaps(base.history, [base]) if gap.first > self._last_log(base)]
        if end is None or later or broken:
            why = (
                f"there is no base of the history {later[-1]}"
                if later
                else str(broken[0])
                if broken
                else f"the log {base.log:06}, with which the last base goes on, is not there yet"
            )
            raise Refusal(f"the latest cannot be restored: {why}. {self._possible(bases)}")
        return Plan(base, end, False, self._needed(base, None))

    def _needed(self, base: Base, to: datetime | None) -> tuple[Log, ...]:
        logs = self._logs.get(base.history, {})
        run = [logs[number][0] for number in range(base.log, self._last_log(base) + 1)]
        return tuple(log for log in run if to is None or log.first <= to)

    def _why_not(self, to: datetime, before: list[Base]) -> str:
        if not before:
            return "it is before the end of the first base"
        base = before[-1]
        for gap in self._gaps(base.history, [base]):
            if gap.since <= to:
                return str(gap)
        last = self.end(base)
        return (
            f"the backup goes to {said(last)}" if last else f"log {base.log:06} of history {base.history} is not there"
        )

    def _possible(self, bases: list[Base]) -> str:
        windows = [window for window in self.windows() if any(base in bases for base in window.bases)]
        return f"Possible: {'; '.join(map(str, windows))}." if windows else "Nothing can be restored."


def _run_ends(logs: dict[int, list[Log]]) -> dict[int, int]:
    """Return for each number with which a run can go on the last number of that unbroken run."""
    ends: dict[int, int] = {}
    for number in sorted(logs, reverse=True):
        if len(logs[number]) == 1:
            ends[number] = ends.get(number + 1, number)
    return ends


def refuse_other_server(found: Details, server: str, series: str) -> None:
    """Refuse a base that the cluster's server cannot take.

    Raises:
        Refusal: it is another server's, or of another series of versions.
    """
    if not found.fits(server, series):
        raise Refusal(
            f"the backup is of {found.server} {found.version}, the new cluster would have {server} {series}."
            f" Choose an operatingSystem that has {found.server} {found.series}."
        )
