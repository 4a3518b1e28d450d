"""What a Prometheus that watches a drill tells a person: whether it was the right thing, and in time.  Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from operations.status.rules import HAPPENED

NODE_LOST = ("MysqlNodeLost", "MysqlNodeFenced")
"""One of these is told of a node that is lost: the other one sees that it is gone, or has had it fenced."""

NOBODY_SERVES = (
    *("MysqlNobodyServes", "MysqlNoNodeAnswers", "MysqlNodeSilent", "MysqlNoQuorum", "MysqlNewestDataUnknown"),
    *("MysqlFencingFails", "MysqlFenceDeviceFails", "MysqlWritesBlocked"),
)
"""These are right as well where nobody serves for longer than a fail-over takes, and say why."""


@dataclass(frozen=True)
class Alert:
    """An alert that was told.

    Args:
        about: what it is about besides the cluster, such as the node; empty for nothing.
        began: when it was first seen, in seconds of the epoch.
        ended: when it was no longer seen; None where it went on.
    """

    name: str
    severity: str
    about: str
    began: float
    ended: float | None

    @property
    def reaches_somebody(self) -> bool:
        """Whether a person is told who does not look."""
        return self.severity != "info"


@dataclass(frozen=True)
class Telling:
    """What a scenario promises of alerts.

    Args:
        one_of: one of these at least reaches a person; empty where nobody needs to be told.
        within: seconds from the fault.
        also: these may, too.
    """

    one_of: tuple[str, ...] = ()
    within: float = 60.0
    also: tuple[str, ...] = ()


def read(seen: Iterable[tuple[Mapping[str, str], Sequence[float]]], every: float, end: float) -> list[Alert]:
    """Return alerts as they came and went.

    Args:
        seen: labels, and the times at which an alert with these was there, in seconds of the epoch, ascending.
        every: seconds between two looks.
        end: when it was last looked.
    """
    found: list[Alert] = []
    for labels, times in seen:
        about = " ".join(labels[key] for key in ("instance", "node", "exporter") if key in labels)
        begin = last = times[0]
        for at in [*times[1:], float("inf")]:
            if at - last > 1.5 * every:
                ended = None if end - last < 0.5 * every else last + every
                found.append(Alert(labels["alertname"], labels["severity"], about, begin, ended))
                begin = at
            last = at
    return sorted(found, key=lambda alert: alert.began)


def judge(alerts: Sequence[Alert], expected: Telling, fault: float) -> list[str]:
    """Return what is wrong, a clear line each.

    Args:
        fault: when it was made, in seconds of the epoch. What came before is of something else.
    """
    wrong: list[str] = []
    alerts = [alert for alert in alerts if alert.began >= fault]
    names = " or ".join(expected.one_of)
    first = min((alert.began - fault for alert in alerts if alert.name in expected.one_of), default=None)
    if expected.one_of and first is None:
        wrong.append(f"no alert {names}")
    elif first is not None and first > expected.within:
        wrong.append(f"the alert {names} came after {first:.0f} s, expected within {expected.within:g}")
    for alert in alerts:
        if alert.reaches_somebody and alert.name not in expected.one_of + expected.also:
            wrong.append(f"the alert {alert.name} was told ({alert.severity}), which is not of this fault")
        elif alert.reaches_somebody and alert.ended is None and alert.name not in HAPPENED:
            wrong.append(f"the alert {alert.name} has not ended")
    return list(dict.fromkeys(wrong))
