"""A client that writes one row a transaction, and never forgets what was acknowledged."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql

TABLE = "drill_writes"
"""Made anew for each drill: sequence number, and the name of the server that took the row."""

CONNECT_SECONDS = 0.5
"""Longest wait for a TCP connection.  Without a node that serves the balancer drops the SYN, whose first repetition
comes after 1 s: a new attempt twice a second finds the service back at most this much later."""

ANSWER_SECONDS = 2.0
"""Longest wait for the answer to a statement.  A commit on a busy lab was seen to take 0.3 s; one that takes longer
than this is given up with its outcome unknown, so at most this much is added to an outage that the client could not
see the end of."""

PAUSE_SECONDS = 0.1
"""Rest after a failed attempt: what is refused at once is not asked for a thousand times a second."""

PACE = 50.0
"""Rows a second.  The lab's commits take 2 ms and its two processors are the cluster's, too."""

if TYPE_CHECKING:
    Connection = pymysql.Connection[Any]
else:  # generic in its stubs only
    Connection = pymysql.Connection


@dataclass(frozen=True)
class Write:
    """One attempt to write a row.

    Args:
        sequence: the row's number, never used twice in a drill.
        sent: seconds of the epoch when the attempt began.
        acknowledged: seconds of the epoch when the server's answer was here; None without one.
        error: why there was none; such a row may be there or not.
    """

    sequence: int
    sent: float
    acknowledged: float | None
    error: str | None

    def as_line(self) -> str:
        return json.dumps(asdict(self))


class Writer(threading.Thread):
    """Writes until told to stop.

    Args:
        connect: opens a connection with autocommit on.
        inside: the place to be in for that, such as a lab's network.
        file: gets a line of JSON for each attempt.
        pace: attempts a second.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        inside: Callable[[], AbstractContextManager[None]],
        file: Path,
        pace: float = PACE,
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self._connect = connect
        self._inside = inside
        self._file = file
        self._interval = 1 / pace
        self._ended = threading.Event()
        self.writes: list[Write] = []
        self.last_acknowledged = 0.0
        """Seconds of the epoch; 0 before the first."""

    def stop(self) -> None:
        """End after the attempt that is under way."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Write; called by the thread."""
        connection: Connection | None = None
        due = time.monotonic()
        with self._inside(), self._file.open("w", buffering=1) as output:
            sequence = 0
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._interval, time.monotonic())
                # A number is used once: the row of a failed attempt may be there.
                sequence += 1
                sent, acknowledged, error = time.time(), None, None
                try:
                    if connection is None:
                        connection = self._connect()
                    with connection.cursor() as cursor:
                        cursor.execute(f"insert into {TABLE} values (%s, @@hostname)", (sequence,))
                    acknowledged = self.last_acknowledged = time.time()
                except (pymysql.Error, OSError) as problem:
                    error = f"{type(problem).__name__}: {problem}"
                    _abandon(connection)
                    connection = None
                    due = time.monotonic() + PAUSE_SECONDS
                write = Write(sequence, sent, acknowledged, error)
                self.writes.append(write)
                print(write.as_line(), file=output)
        _abandon(connection)


def _abandon(connection: Connection | None) -> None:
    """Close; what has failed is closed already."""
    if connection is not None:
        with contextlib.suppress(pymysql.Error, OSError):
            connection.close()


def make_table(connection: Connection) -> None:
    """Make the table, empty."""
    with connection.cursor() as cursor:
        cursor.execute(f"drop table if exists {TABLE}")
        cursor.execute(
            f"create table {TABLE} (sequence bigint primary key, server varchar(255) not null) engine=InnoDB"
        )


def rows(connection: Connection) -> dict[int, str]:
    """Return the rows that are there: sequence number and the server that took it."""
    with connection.cursor() as cursor:
        cursor.execute(f"select sequence, server from {TABLE}")
        return {int(sequence): str(server) for sequence, server in cursor.fetchall()}
