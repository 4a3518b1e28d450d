"""What samples and journals prove about times: who was promoted when, and who else at that instant.  Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from drills.proof.record import Span, SpanKind
from lab.writer import Write


@dataclass(frozen=True)
class Sample:
    """A node at an instant.

    Args:
        at: seconds of the epoch, by the node's clock.
        booted: seconds of the epoch at which its kernel started.
        role: DRBD's, Primary or Secondary; - where DRBD is down.
        connection: DRBD's, such as Connected; - likewise.
        disks: DRBD's, own and peer's, such as UpToDate/Outdated; - likewise.
        server: process id of the database server; None without one.
        newest: number of the newest process or thread: how many have started, counted from its boot.
    """

    node: str
    at: float
    booted: float
    role: str
    connection: str
    disks: str
    server: int | None
    newest: int

    @property
    def is_promoted(self) -> bool:
        return self.role == "Primary"

    @property
    def is_whole(self) -> bool:
        """Whether both copies of the data are good, and kept so."""
        return self.connection == "Connected" and self.disks == "UpToDate/UpToDate"


def parse_sample(node: str, line: str) -> Sample | None:
    """Return a line of sampler.sh; None where it is cut short."""
    words = line.split()
    if len(words) != 7:
        return None
    at, uptime, role, connection, disks, server, newest = words
    try:
        return Sample(
            node=node, at=float(at), booted=float(at) - float(uptime), role=role, connection=connection, disks=disks,
            server=None if server == "-" else int(server), newest=int(newest),
        )  # fmt: skip
    except ValueError:
        return None


@dataclass(frozen=True)
class Power:
    """Whether a machine was on at an instant, as the cloud says."""

    node: str
    at: float
    on: bool


BOOT_SLACK_SECONDS = 1.0
"""Two samples' boot times differ by less than this within one boot: uptime has two decimals, clocks are adjusted."""


def spans(samples: Iterable[Sample], powers: Iterable[Power], what: SpanKind, end: float) -> list[Span]:
    """Return the times in which nodes were promoted, or had a server.

    A node that falls silent is taken to go on as it was, until its power is off, its kernel has started anew, or a
    later sample says otherwise: what is not known counts as the worse.

    Args:
        powers: of all machines, in the order of time.
        what: promoted or server.
        end: seconds of the epoch at which observation ended.
    """
    off: dict[str, list[float]] = {}
    was_on: dict[str, bool] = {}
    for power in powers:
        if not power.on and was_on.get(power.node, True):
            off.setdefault(power.node, []).append(power.at)
        was_on[power.node] = power.on
    found: list[Span] = []
    by_node: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda one: one.at):
        by_node.setdefault(sample.node, []).append(sample)
    for node, series in by_node.items():
        begin: float | None = None
        for number, sample in enumerate(series):
            holds = sample.is_promoted if what == "promoted" else sample.server is not None
            following = series[number + 1] if number + 1 < len(series) else None
            if holds and begin is None:
                begin = sample.at
            if not holds or begin is None:
                continue
            until = following.at if following else end
            cuts = [at for at in off.get(node, []) if sample.at < at < until]
            if following and following.booted > sample.at and following.booted - sample.booted > BOOT_SLACK_SECONDS:
                cuts.append(following.booted)
            still = following is None or (following.is_promoted if what == "promoted" else following.server is not None)
            if cuts:
                found.append(Span(node, what, begin, min(cuts)))
                begin = None
            elif not still:
                # It ended somewhere between the two; only up to here is it proven.
                found.append(Span(node, what, begin, sample.at))
                begin = None
        if begin is not None:
            found.append(Span(node, what, begin, end))
    return sorted(found, key=lambda span: span.begin)


def power_spans(powers: Iterable[Power], end: float) -> list[Span]:
    """Return the times in which machines were on."""
    found: list[Span] = []
    since: dict[str, float] = {}
    for power in powers:
        if power.on:
            since.setdefault(power.node, power.at)
        elif power.node in since:
            found.append(Span(power.node, "powered", since.pop(power.node), power.at))
    found += [Span(node, "powered", begin, end) for node, begin in since.items()]
    return sorted(found, key=lambda span: span.begin)


_ROLE = re.compile(r"drbd\d* ?.*\brole\( (\w+) -> (\w+) \)")
_BOOT = re.compile(r"kernel: Linux version ")


def journal_spans(node: str, lines: Iterable[str], powers: Iterable[Power], end: float) -> list[Span]:
    """Return the times in which a node was promoted, by its kernel's own word.

    Args:
        lines: of `journalctl --output=short-unix`, in the order of time.
        end: seconds of the epoch at which observation ended.
    """
    ends = [power.at for power in powers if power.node == node and not power.on]
    begin: float | None = None
    found: list[Span] = []
    for line in lines:
        at = line_time(line)
        if at is None:
            continue
        if begin is not None and any(begin < cut < at for cut in ends):
            found.append(Span(node, "promoted", begin, min(cut for cut in ends if cut > begin)))
            begin = None
        role = _ROLE.search(line)
        if begin is None and role and role[2] == "Primary":
            begin = at
        elif begin is not None and ((role and role[1] == "Primary") or _BOOT.search(line)):
            found.append(Span(node, "promoted", begin, at))
            begin = None
    if begin is not None:
        found.append(Span(node, "promoted", begin, min([cut for cut in ends if cut > begin], default=end)))
    return found


def line_time(line: str) -> float | None:
    """Return the time of a journal's line, in seconds of the epoch; None for a line that has none."""
    word = line.partition(" ")[0]
    try:
        return float(word)
    except ValueError:
        return None


def most_at_once(found: Sequence[Span]) -> int:
    """Return the greatest number of nodes whose spans share an instant; touching ends do not count."""
    changes = sorted(
        [(span.begin, 1, span.node) for span in found] + [(span.end, -1, span.node) for span in found],
        key=lambda change: (change[0], change[1]),
    )
    depth: dict[str, int] = {}
    most = 0
    for _, step, node in changes:
        depth[node] = depth.get(node, 0) + step
        most = max(most, sum(count > 0 for count in depth.values()))
    return most


def longest_gap(writes: Iterable[Write], fault: float, end: float) -> tuple[float, float]:
    """Return the longest time without an acknowledgement, of those not over before the fault.

    Args:
        fault: seconds of the epoch.
        end: seconds of the epoch at which observation ended; a pause may last until then.

    Returns:
        When it began and when it ended, in seconds of the epoch: acknowledgements, but for an `end` without one.
    """
    times = [write.acknowledged for write in writes if write.acknowledged is not None and write.acknowledged < end]
    gaps = [(a, b) for a, b in pairwise([*sorted(times), end]) if b > fault]
    return max(gaps, key=lambda gap: gap[1] - gap[0], default=(fault, end))
