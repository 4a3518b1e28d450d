"""The plan of a restore: which base it takes, and which logs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .blobs import Base, Log
from .chain import Chain
from .documents import Details
from .moments import said


class Refusal(Exception):
    """A restore that is impossible; its one line says what is missing and what can be restored."""


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


def choose(chain: Chain, to: datetime | None, *, without: Iterable[Base] = ()) -> Plan:
    """Choose base and logs.

    Args:
        to: the last second wanted; None for all that there is.
        without: bases that are there and turned out to be damaged.

    Raises:
        Refusal: the backup does not reach to that time, or not without a gap.
    """
    damaged = set(without)
    bases = [base for base in chain.bases if base not in damaged]
    if not bases:
        why = "every base of the backup is damaged" if chain.bases else "the backup has no base"
        raise Refusal(f"{why}, so nothing can be restored.")
    if to is None:
        return _latest(chain, bases)
    before = [base for base in bases if base.ended <= to]
    for base in reversed(before):
        end = chain.end(base)
        if end and to <= end:
            return Plan(base, to, True, _until(chain.run(base), to))
    raise Refusal(f"{said(to)} cannot be restored: {_why_not(chain, to, before)}. {_possible(chain, bases)}")


def _until(run: tuple[Log, ...], to: datetime) -> tuple[Log, ...]:
    """Return the logs up to the last one that begins until then, each by the clock of the machine that wrote it.

    Where that goes back, as at a move between machines whose clocks differ, this is what has all that was acknowledged
    until then, by whatever clock; and none is left out in between.
    """
    count = max((number for number, log in enumerate(run, 1) if log.first <= to), default=0)
    return run[:count]


def _latest(chain: Chain, bases: list[Base]) -> Plan:
    base = bases[-1]
    end, gaps = chain.end(base), chain.gaps_after(base)
    later = [history for history in chain.histories if history > base.history]
    if end and not later and not gaps:
        return Plan(base, end, False, chain.run(base))
    if later:
        why = f"there is no base of history {later[-1]}"
    elif gaps:
        why = str(gaps[0])
    else:
        why = f"log {base.log:06}, which the last base needs, is not there yet"
    raise Refusal(f"the latest cannot be restored: {why}. {_possible(chain, bases)}")


def _why_not(chain: Chain, to: datetime, before: list[Base]) -> str:
    if not before:
        return "it is before the end of the first base"
    base = before[-1]
    for gap in chain.gaps_after(base):
        if gap.since <= to:
            return str(gap)
    end = chain.end(base)
    return f"the backup ends at {said(end)}" if end else f"log {base.log:06} of history {base.history} is not there"


def _possible(chain: Chain, bases: list[Base]) -> str:
    windows = [window for window in chain.windows() if any(base in bases for base in window.bases)]
    return f"Possible: {'; '.join(map(str, windows))}." if windows else "Nothing can be restored."


def refuse_other_server(found: Details, server: str, series: str) -> None:
    """Refuse a base that the cluster's server cannot take.

    Raises:
        Refusal: it is another server's, or of another series of versions.
    """
    if not found.fits(server, series):
        raise Refusal(
            f"the backup is of {found.server} {found.version}, but the new cluster would have {server} {series}."
            f" Choose an operatingSystem that has {found.server} {found.series}."
        )
