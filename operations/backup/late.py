"""What is not as it should be with backups: a line for each, without a full stop."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from configs.backup.documents import Verified
from configs.backup.moments import from_stamp, said
from operations.backup.state import Backup
from operations.words import because

LOG_MINUTES = 5
"""The log is copied every minute, and a fail-over may take some of them."""

BASE_HOURS = 26
"""A base is begun every night at a time that differs, and after 25 hours at the latest; what it takes comes to that."""

PROOF_DAYS = 8
"""A base is proved every week."""


def log_is_late(backup: Backup) -> Iterator[str]:
    age = backup.asked - (backup.complete_to or backup.since)
    if age > timedelta(minutes=LOG_MINUTES):
        until = f"is complete until {said(backup.complete_to)}" if backup.complete_to else "has no log yet"
        yield f"the backup {until}, and lacks the last {long(age)}{because(backup.log_error)}"


def base_is_late(backup: Backup) -> Iterator[str]:
    age = backup.asked - (backup.base or backup.since)
    # The next one is larger.
    if age > timedelta(hours=BASE_HOURS) + 2 * backup.base_took:
        last = f"the last one is from {said(backup.base)}" if backup.base else "there is none yet"
        yield f"the backup has had no new base for {long(age)}: {last}{because(backup.base_error)}"


def log_is_lost(backup: Backup) -> Iterator[str]:
    if backup.lost:
        went = "log was deleted before it was" if backup.lost == 1 else "logs were deleted before they were"
        yield (
            f"{backup.lost} binary {went} backed up, by hand or because the disk was filling: until there is a new"
            " base, nothing later can be restored"
        )


def proof_fails(proof: Verified | None) -> Iterator[str]:
    if proof and proof.undecided:
        yield f"the backup could not be proved at {said(from_stamp(proof.at))}{because(proof.why)}"
    elif proof and not proof.ok:
        yield f"the backup's last proof, a restore at {said(from_stamp(proof.at))}, has failed{because(proof.why)}"


def proof_is_late(backup: Backup, proof: Verified | None) -> Iterator[str]:
    age = backup.asked - (from_stamp(proof.at) if proof else backup.since)
    if age > timedelta(days=PROOF_DAYS):
        last = f"the last one was on {said(from_stamp(proof.at))}" if proof else "there is none yet"
        yield f"no base of the backup has been proved by a restore for {long(age)}: {last}"


def long(span: timedelta) -> str:
    """Return a span in its largest unit of which there are at least two."""
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago something was."""
    return f"{long(now - at)} ago"
