"""Backups in storage accounts that are not there: a base, and a log a minute."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from components.azure import stored_backup
from components.azure.blobs import Blobs
from components.azure.stored_backup import StoredBackup
from configs.backup.blobs import CONTAINER, SEEN, STATE_CONTAINER, VERIFIED, Base, Log
from configs.backup.documents import Seen, Verified, to_json
from configs.backup.moments import stamp

HISTORY = "20261101T090000Z"
BEGUN = datetime(2026, 11, 27, 2, 0, 0, tzinfo=UTC)
ENDED = BEGUN + timedelta(minutes=10)
NUMBER = 41
MINUTES = 12 * 60
"""Of logs behind the base: to 14:00."""

BASE = Base(HISTORY, ENDED, BEGUN, NUMBER, 1234)
VERIFIED_ONCE = Verified("20261122T040000Z", "20261122T020000Z", "20261122T035900Z", True, 421, 5 << 30, 37, "")


class Remembered(Blobs):
    """Blobs that are remembered, by container."""

    def __init__(self, account: str, contents: Mapping[str, Mapping[str, bytes]]) -> None:
        self.account = account
        self._contents = contents

    def sizes(self, container: str) -> dict[str, int]:
        return {name: len(content) for name, content in self._contents[container].items()}

    def content(self, container: str, name: str) -> bytes | None:
        return self._contents[container].get(name)


def details(**changes: Any) -> str:
    """Return what the base says of itself, with changes."""
    usual: dict[str, Any] = {
        "cluster": "mysql-prod",
        "server": "mysql",
        "version": "8.4.6",
        "kind": "sql",
        "begun": stamp(BEGUN),
        "ended": stamp(ENDED),
        "history": HISTORY,
        "log": NUMBER,
        "position": 1234,
        "bytes": 4,
        "sha256": "0" * 64,
        "unpacked": 3 << 30,
    }
    return json.dumps(usual | changes)


def logs(*missing: int) -> list[Log]:
    """Return the logs, one for each minute, without some numbers."""
    return [
        Log(
            HISTORY,
            NUMBER + minute,
            BEGUN + timedelta(minutes=minute),
            BEGUN + timedelta(minutes=minute + 1),
            f"{minute:016x}",
        )
        for minute in range(MINUTES)
        if NUMBER + minute not in missing
    ]


def stored(
    *missing: int, base: Base | None = BASE, said: str | None = None, verified: Verified | None = VERIFIED_ONCE
) -> StoredBackup:
    """Return a backup, without the logs of some numbers."""
    blobs = {log.name: b"log." for log in logs(*missing)}
    if base:
        blobs |= {base.data: b"data", base.name: (said or details()).encode()}
    end = stamp(BEGUN + timedelta(minutes=MINUTES))
    state = {SEEN: to_json(Seen(end, HISTORY, NUMBER + MINUTES - 1, end)).encode()}
    if verified:
        state[VERIFIED] = to_json(verified).encode()
    return stored_backup.of(Remembered("stmysqlprod", {CONTAINER: blobs, STATE_CONTAINER: state}))
