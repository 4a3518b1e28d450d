"""The parts of an outage, from what the nodes' own logs say.  Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

from drills.proof.record import Mark, MarkKind
from drills.proof.timeline import line_time

# What a line of the journal (short-unix) means, the first that fits.
_LINES: tuple[tuple[re.Pattern[str], MarkKind, str], ...] = tuple(
    (re.compile(pattern), kind, text)
    for pattern, kind, text in cast(
        tuple[tuple[str, MarkKind, str], ...],
        (
            (
                r" corosync\[\d+\]:.* Token has not been received in (?P<what>\d+) ms",
                "detected",
                "no token for {what} ms",
            ),
            (r" corosync\[\d+\]:.* A processor failed, forming new conf", "detected", "a member is missed"),
            (
                r" corosync\[\d+\]:.* link: host: (?P<what>\d+) link: 0 is down",
                "detected",
                "link to host {what} is down",
            ),
            (
                r" pacemaker-controld\[\d+\]:.* Result of monitor \w+ for (?P<what>\S+) on \S+: (?!ok|promoted|master)",
                *("detected", "monitor of {what} failed"),
            ),
            (
                r" pacemaker-controld\[\d+\]:.* Requesting fencing \((?P<what>\w+)\)",
                *("fencing", "fencing ({what}) requested"),
            ),
            (
                r" pacemaker-fenced\[\d+\]:.* Operation '(?P<what>\w+)' targeting \S+ by .*\bOK\b",
                *("fenced", "fencing ({what}) done"),
            ),
            (r" kernel: drbd.* role\( \w+ -> Primary \)", "promoted", "DRBD promoted"),
            (r" kernel: EXT4-fs \(drbd\d+\): mounted filesystem", "mounted", "file system mounted"),
            (r" systemd\[1\]: Started azure-mysql-ha-probe\.service", "probe", "the balancer's probe is answered"),
            (r" kernel: Linux version ", "event", "machine boots"),
            (r" kernel: drbd.* conn\( \w+ -> SyncTarget \)", "event", "DRBD copies what it has missed"),
            (r" kernel: drbd.* Resync done\b", "event", "DRBD has copied what it had missed"),
            (r" kernel: drbd.* disk\( \w+ -> (?P<what>Failed|Diskless) \)", "event", "DRBD's disk is {what}"),
            (r" kernel: drbd.* role\( Primary -> Secondary \)", "demoted", "DRBD demoted"),
        ),
    )
)

_FENCED = re.compile(r"pacemaker-fenced\[\d+\]:.*\bOperation '(?:reboot|off)' targeting (?P<target>\S+) by .*\bOK\b")


def from_journal(node: str, lines: Iterable[str]) -> list[Mark]:
    """Return what a node's journal tells of an outage.

    Args:
        lines: of `journalctl --output=short-unix`.
    """
    found: list[Mark] = []
    for line in lines:
        at = line_time(line)
        if at is None:
            continue
        for pattern, kind, text in _LINES:
            match = pattern.search(line)
            if match:
                found.append(Mark(at, kind, node, text.format(**match.groupdict())))
                break
    return found


# MariaDB pads the hour with a space.
_READY = re.compile(r"^(\d{4}-\d\d-\d\d)[T ] ?(\d{1,2})(:\d\d:\d\d(?:\.\d+)?)Z? .*\bready for connections\b")
_DAMAGE = re.compile(
    r"corrupt|\[FATAL\]|InnoDB: Assertion|Database page .* checksum|is marked as crashed|missing FILE_CHECKPOINT",
    re.IGNORECASE,
)


def from_error_log(node: str, lines: Iterable[str]) -> list[Mark]:
    """Return when the server was ready, by its own log: MariaDB's has whole seconds, MySQL's parts of them.

    Args:
        node: whose log it is; its time zone is UTC.
    """
    found: list[Mark] = []
    for line in lines:
        match = _READY.match(line)
        if match:
            time = datetime.fromisoformat(f"{match[1]}T{match[2]:0>2}{match[3]}").replace(tzinfo=UTC)
            found.append(Mark(time.timestamp(), "server-ready", node, "server is ready for connections"))
    return found


def damage(lines: Iterable[str]) -> list[str]:
    """Return the lines of a server's log that tell of damaged data."""
    return [line for line in lines if _DAMAGE.search(line)]


def file_system_errors(lines: Iterable[str]) -> list[str]:
    """Return the lines of a journal that tell of a damaged file system on DRBD."""
    return [line for line in lines if re.search(r"kernel: EXT4-fs (error|warning) \(device drbd", line)]


def fencings(journals: Iterable[Iterable[str]], since: float) -> list[tuple[float, str]]:
    """Return the fencings that Pacemaker says are done: time and machine; each counts once, whoever tells of it.

    Args:
        since: seconds of the epoch.
    """
    found: list[tuple[float, str]] = []
    for lines in journals:
        for line in lines:
            at, match = line_time(line), _FENCED.search(line)
            if at is None or at < since or not match:
                continue
            # Both members tell of one fencing, within moments.
            if not any(match["target"] == target and abs(at - other) < 5 for other, target in found):
                found.append((at, match["target"]))
    return sorted(found)
