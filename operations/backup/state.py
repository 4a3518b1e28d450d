"""The backups, as the programs on the nodes have noted what became of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Proof:
    """A base that was restored on the idle node, and looked through.

    Args:
        why: what was wrong; empty where it went well.
    """

    at: datetime
    ok: bool
    why: str = ""


@dataclass(frozen=True)
class Backup:
    """What the backups have. Times are None for what has not been yet.

    Args:
        asked: the node's own time when it was asked.
        since: when the binary log's history has begun.
        complete_to: what was committed before is in the storage account.
        base: when the last base was whole.
        unshipped: how many binary logs had to go before they were copied, since the last base.
        error: what the last copy, or the last base, has failed with; empty where it has not.
    """

    asked: datetime
    since: datetime
    complete_to: datetime | None = None
    base: datetime | None = None
    unshipped: int = 0
    error: str = ""


def read(text: str | None, asked: float) -> Backup | None:
    """Read what the node that has the data has noted.

    Args:
        text: the file; None where it is not there.
        asked: the node's time, in seconds of the epoch.
    """
    noted = _object(text)
    if "history" not in noted:
        return None
    return Backup(
        asked=datetime.fromtimestamp(asked, UTC),
        since=_time(noted["history"]) or datetime.fromtimestamp(asked, UTC),
        complete_to=_time(noted.get("complete_to")),
        base=_time(noted.get("base")),
        unshipped=int(noted.get("unshipped") or 0),
        error=str(noted.get("error") or ""),
    )


def read_proof(text: str | None) -> Proof | None:
    """Read what a node has noted of the last proof that ran on it; None where none has."""
    noted = _object(text)
    at = _time(noted.get("at"))
    return Proof(at, bool(noted.get("ok")), str(noted.get("why") or "")) if at else None


def _object(text: str | None) -> Mapping[str, Any]:
    try:
        found: Any = json.loads(text or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _time(written: Any) -> datetime | None:
    """Return a time that is written as 20261127T115959Z."""
    try:
        return datetime.strptime(str(written), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
