"""The judgement on a drill: every point that does not hold, a line each.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from drills.proof import alerts
from drills.proof.alerts import Alert, Telling
from drills.proof.record import Span
from drills.proof.timeline import most_at_once
from lab.writer import Write


@dataclass(frozen=True)
class Evidence:
    """What was seen.

    Args:
        rows: what is in the table: sequence number and the server that took it; None where it could not be read.
        promoted: one list of spans a witness (samples, journals): each must hold for itself.
        disks: DRBD's own state of each node's disk in the end, such as UpToDate.
        full_strength: whether both nodes were members with good data in the end, without a hand.
        alerts: what a Prometheus told; None where none watched.
    """

    writes: Sequence[Write]
    rows: Mapping[int, str] | None
    promoted: Sequence[Sequence[Span]]
    servers: Sequence[Span]
    fencings: int
    disks: Mapping[str, str]
    full_strength: bool
    alerts: Sequence[Alert] | None = None
    damage: Sequence[str] = field(default=())
    failures: Sequence[str] = field(default=())

    @property
    def acknowledged(self) -> list[Write]:
        return [write for write in self.writes if write.acknowledged is not None]

    @property
    def lost(self) -> list[int]:
        """The rows that were acknowledged and are not there; all, where none could be read."""
        rows = self.rows or {}
        return [write.sequence for write in self.acknowledged if write.sequence not in rows]

    @property
    def moves(self) -> int:
        """How often the next row was taken by another server than the one before."""
        servers = [server for _, server in sorted((self.rows or {}).items())]
        return sum(a != b for a, b in pairwise(servers))

    @property
    def promoted_max(self) -> int:
        """Most nodes promoted at the same instant, by the witness that saw most."""
        return max((most_at_once(spans) for spans in self.promoted), default=0)

    @property
    def servers_max(self) -> int:
        """Most nodes with a server at the same instant."""
        return most_at_once(self.servers)


@dataclass(frozen=True)
class Expectation:
    """What a scenario promises besides that no write is lost and none served twice.

    Args:
        fencings: fewest and most machines fenced.
        longest_outage: seconds that acknowledgements may be apart; None without a bound.
        moves: how often the service may move from one node to the other, at most; None without a bound.
        telling: which alerts a Prometheus tells that watches.
        at_once: most nodes promoted, or with a server, at the same instant: 2 only for a story in which one of them
            stands still for as long as the other one serves.
    """

    fencings: tuple[int, int] = (0, 0)
    longest_outage: float | None = None
    moves: int | None = 1
    telling: Telling = field(default_factory=Telling)
    at_once: int = 1


def judge(evidence: Evidence, expected: Expectation, outage_seconds: float, fault: float = 0.0) -> list[str]:
    """Return what is wrong, a clear line each; nothing where all is well.

    Args:
        fault: when it was made, in seconds of the epoch.
    """
    wrong = list(evidence.failures)
    if evidence.rows is None:
        wrong.append("the rows cannot be read through the endpoint")
    elif evidence.lost:
        shown = ", ".join(map(str, evidence.lost[:5]))
        wrong.append(f"{len(evidence.lost)} acknowledged rows are missing, such as {shown}")
    if not evidence.acknowledged:
        wrong.append("nothing was acknowledged")
    strange = set(evidence.rows or {}) - {write.sequence for write in evidence.writes}
    if strange:
        wrong.append(f"{len(strange)} rows are there that nobody wrote")
    if evidence.promoted_max > expected.at_once:
        wrong.append(f"{evidence.promoted_max} nodes had DRBD promoted at the same time")
    if evidence.servers_max > expected.at_once:
        wrong.append(f"{evidence.servers_max} nodes had a server running at the same time")
    if expected.moves is not None and evidence.moves > expected.moves:
        wrong.append(f"the service moved {evidence.moves} times, expected at most {expected.moves}")
    bad = [f"{disk} on {node}" for node, disk in sorted(evidence.disks.items()) if disk != "UpToDate"]
    if bad:
        wrong.append(f"DRBD is {', '.join(bad)}")
    if not evidence.full_strength:
        wrong.append("not back to full strength")
    least, most = expected.fencings
    if not least <= evidence.fencings <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        wrong.append(f"{evidence.fencings} fencings, expected {wanted}")
    if expected.longest_outage is not None and outage_seconds > expected.longest_outage:
        wrong.append(f"{outage_seconds:.1f} s without an acknowledgement, expected at most {expected.longest_outage:g}")
    if evidence.alerts is not None:
        wrong += alerts.judge(evidence.alerts, expected.telling, fault)
    return wrong + list(evidence.damage)


def verdict(wrong: Sequence[str]) -> str:
    """Return pass, or FAIL: with the reasons."""
    return f"FAIL: {'; '.join(wrong)}" if wrong else "pass"
