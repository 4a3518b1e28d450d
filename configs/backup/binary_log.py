"""Binary logs as files: what a walk over the headers of their events tells, without reading what is in them.

The form is the same in MySQL and MariaDB: a magic number, then events, each with a header of 19 bytes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_MAGIC = b"\xfebin"
START = len(_MAGIC)
"""The position of a log's first event."""

# Time, kind, server, length of the event, position of its end, flags.
_HEADER = struct.Struct("<IBIIIH")

# How the description begins, the first event: version of the form, the server's, and the time of the server's start,
# which is 0 in each log that follows another one of the same run of the server's.
_DESCRIPTION = struct.Struct("<H50sI")

_STATEMENT = 2
# Session, seconds, length of the database's name, error, length of the variables, which come first.
_ABOUT_STATEMENT = struct.Struct("<IIBHH")

# Kinds of events that hold nothing of the database's: stop, rotation, description, GTID sets, checkpoint, encryption.
_EMPTY = frozenset((3, 4, 15, 35, 161, 163, 164))
# Kinds with which a transaction begins: MySQL's GTIDs (set, anonymous, tagged), MariaDB's.
_BEGINNING = frozenset((33, 34, 42, 162))


class NoBinaryLog(Exception):
    """A file does not begin as a binary log does."""


@dataclass(frozen=True)
class Event:
    """One event.

    Args:
        time: of the statement's start, by the clock or as the session has set it; seconds since 1970.
    """

    position: int
    end: int
    time: int
    kind: int


def events(path: Path, begin: int = len(_MAGIC)) -> Iterator[Event]:
    """Yield the events of a log in their order, up to the first that is not there as a whole.

    Args:
        begin: the position of the first one.

    Raises:
        NoBinaryLog: it is none.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise NoBinaryLog(f"{path} is not a binary log")
        size = path.stat().st_size
        position = begin
        file.seek(position)
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            time, kind, _, length, _, _ = _HEADER.unpack(header)
            if length < _HEADER.size or position + length > size:
                return
            yield Event(position, position + length, time, kind)
            position += length
            file.seek(position)


def has_content(path: Path) -> bool:
    """Tell whether there is anything of the database's in a log."""
    return any(event.kind not in _EMPTY for event in events(path))


def created(path: Path) -> int:
    """Return the time of a log's first event, seconds since 1970; 0 if there is none."""
    return next((event.time for event in events(path)), 0)


def statements(path: Path, begin: int) -> Iterator[tuple[int, bytes]]:
    """Yield what a log has as statements, not as rows, from a position on: where each ends, and its text.

    Raises:
        NoBinaryLog, OSError: as for `events`.
    """
    with path.open("rb") as file:
        for event in events(path, begin):
            if event.kind == _STATEMENT:
                file.seek(event.position + _HEADER.size)
                body = file.read(event.end - event.position - _HEADER.size)
                *_, database, _, variables = _ABOUT_STATEMENT.unpack_from(body)
                # The database's name ends with a zero byte.
                yield event.end, body[_ABOUT_STATEMENT.size + variables + database + 1 :]
            else:
                yield event.end, b""


def is_first(path: Path) -> bool:
    """Tell whether the server began this log as it started: then no session has had a say in its first event's time."""
    with path.open("rb") as file:
        file.seek(len(_MAGIC) + _HEADER.size + _DESCRIPTION.size - 4)
        return any(file.read(4))


def end(path: Path, to: datetime | None, last: datetime) -> int:
    """Return the position in a log to which a replay goes.

    That is the beginning of the first transaction of which anything has a time after `to`, as commits are in the order
    in which they were made; without such a one, the end of the last event that is whole, since a log that a crash has
    ended may end in the middle of one.

    Args:
        to: the last second that is wanted; None for all.
        last: when the log was closed. A later time comes from a session (SET TIMESTAMP), so it tells nothing.
    """
    beginning = whole = len(_MAGIC)
    for event in events(path):
        if event.kind in _EMPTY or event.kind in _BEGINNING:
            beginning = event.position
        if to and event.kind not in _EMPTY and to < datetime.fromtimestamp(event.time, UTC) <= last:
            return beginning
        whole = event.end
    return whole
