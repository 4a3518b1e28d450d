"""What the programs on the nodes have noted of the backups: configs/backup/state.py has their side of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from configs.backup.documents import Verified, from_json
from configs.backup.moments import from_stamp

_LONGEST_BASE = timedelta(hours=12)
"""1.7 TB at 40 MiB/s. What takes longer has come to a standstill."""


@dataclass(frozen=True)
class Backup:
    """How far the backups are. Times are None for what has not been yet.

    Args:
        asked: when it was so.
        since: when the binary log's history has begun.
        complete_to: what was committed before is in the storage account.
        base: when the last base of this history was whole.
        base_took: how long it took to make, or the next one takes so far.
        lost: how many binary logs were removed before they were copied, and are in no base since.
        log_error: why the last run has not copied all; empty where it has.
        base_error: why the last base has failed; empty where it has not.
    """

    asked: datetime
    since: datetime
    complete_to: datetime | None = None
    base: datetime | None = None
    base_took: timedelta = timedelta()
    lost: int = 0
    log_error: str = ""
    base_error: str = ""


def read(text: str | None, asked: float) -> Backup | None:
    """Read what the node that has the data has noted; None where there is nothing to read.

    Args:
        text: the file; None where it is not there.
        asked: the node's time, in seconds of the epoch.
    """
    noted = _object(text)
    since = _time(noted, "history")
    if since is None:
        return None
    lost: list[Mapping[str, Any]] = noted.get("lost") or []
    now = datetime.fromtimestamp(asked, UTC)
    begun, ended = _time(noted, "base_tried"), _time(noted, "base_ended")
    return Backup(
        asked=now,
        since=since,
        complete_to=_time(noted, "complete_to"),
        base=ended,
        base_took=_took(begun, ended, now),
        lost=sum(each["last"] - each["first"] + 1 for each in lost if each["last"] >= (noted.get("base_log") or 0)),
        log_error=_line(noted, "ship_error"),
        base_error=_line(noted, "base_error"),
    )


def _took(begun: datetime | None, ended: datetime | None, now: datetime) -> timedelta:
    if begun is None:
        return timedelta()
    return min((ended if ended and ended > begun else now) - begun, _LONGEST_BASE)


def read_proof(text: str | None) -> Verified | None:
    """Read what a node has noted of the last proof that ran on it; None where none has."""
    try:
        found = from_json(Verified, text or "")
        from_stamp(found.at)
    except ValueError:
        return None
    return found


def _object(text: str | None) -> Mapping[str, Any]:
    try:
        found: object = json.loads(text or "")
    except ValueError:
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _time(noted: Mapping[str, Any], key: str) -> datetime | None:
    try:
        return from_stamp(str(noted.get(key)))
    except ValueError:
        return None


def _line(noted: Mapping[str, Any], key: str) -> str:
    """Return a program's words in one line."""
    return " ".join(str(noted.get(key) or "").split()).rstrip(".")
