"""The backups.

A function for each kind of alarm, which tells a line for each case of it. What a copy waits for while nobody serves,
another alarm tells.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from operations.status.alarms.words import because
from operations.status.facts import Facts

LOG_MINUTES = 5
"""The log is copied every minute, and a fail-over may take some of them."""

BASE_HOURS = 26
"""A base is made every night, at a time that differs by an hour, and takes its time."""

PROOF_DAYS = 8
"""A base is proved every week."""


def log_is_late(facts: Facts) -> Iterator[str]:
    backup = facts.backup
    if backup is None or not facts.serving:
        return
    age = backup.asked - (backup.complete_to or backup.since)
    if age > timedelta(minutes=LOG_MINUTES):
        upto = f"what was committed until {_said(backup.complete_to)}" if backup.complete_to else "nothing yet"
        yield f"the backup has {upto}, and nothing of the last {_long(age)}{because(backup.error)}"


def base_is_late(facts: Facts) -> Iterator[str]:
    backup = facts.backup
    if backup is None or not facts.serving:
        return
    age = backup.asked - (backup.base or backup.since)
    if age > timedelta(hours=BASE_HOURS):
        last = f"the last is of {_said(backup.base)}" if backup.base else "there is none yet"
        yield f"the backup has got no new base for {_long(age)}: {last}{because(backup.error)}"


def log_is_lost(facts: Facts) -> Iterator[str]:
    if facts.backup and facts.backup.unshipped:
        count = facts.backup.unshipped
        logs = "1 binary log" if count == 1 else f"{count} binary logs"
        yield (
            f"{logs} had to go before the backup had it, or the disk would have been full: until there is a new base,"
            " nothing after that can be restored"
        )


def proof_fails(facts: Facts) -> Iterator[str]:
    proof, backup = facts.proof, facts.backup
    if proof and not proof.ok:
        yield f"the backup's last proof, a restore at {_said(proof.at)}, has failed{because(proof.why)}"
    # A node that is not reached may have proved one since.
    elif backup and all(node.reached for node in facts.nodes):
        age = backup.asked - (proof.at if proof else backup.since)
        if age > timedelta(days=PROOF_DAYS):
            last = f"last on {_said(proof.at)}" if proof else "not yet"
            yield f"no base of the backup has been proved by a restore for {_long(age)}: {last}"


def _said(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _long(span: timedelta) -> str:
    """Return a span in its largest unit of which there are at least two."""
    minutes = int(span.total_seconds() // 60)
    for unit, size in (("days", 24 * 60), ("hours", 60)):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit}"
    return f"{minutes} minutes"
