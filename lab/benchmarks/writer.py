"""The client whose patience an outage tries: the drills' writer, with a list of servers as a driver has it."""

import contextlib
import itertools
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pymysql

from lab.benchmarks.load import Target
from lab.cloud import namespace
from lab.lab import Lab
from lab.writer import ANSWER_SECONDS, CONNECT_SECONDS, Connection, Writer, make_table, rows


@contextlib.contextmanager
def writing(lab: Lab, targets: Sequence[Target], file: Path) -> Generator[Writer]:
    """Write numbered rows, one a transaction, while the body runs.

    Args:
        targets: whom it may write to; it begins with the first, and on any error tries the next.
        file: gets a line of JSON for each attempt.
    """
    turns = itertools.cycle(targets)
    with namespace.inside(lab.paths.namespace), contextlib.closing(_connect(targets[0], ANSWER_SECONDS)) as connection:
        make_table(connection)
    writer = Writer(lambda: _connect(next(turns), ANSWER_SECONDS), lambda: namespace.inside(lab.paths.namespace), file)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def acknowledged(writer: Writer) -> list[float]:
    """Return when each row was acknowledged that was, in seconds of the epoch."""
    return [write.acknowledged for write in list(writer.writes) if write.acknowledged is not None]


def lost(lab: Lab, target: Target, writer: Writer) -> int:
    """Return how many acknowledged rows a server does not have."""
    with namespace.inside(lab.paths.namespace), contextlib.closing(_connect(target, 30)) as connection:
        there = rows(connection)
    return sum(write.acknowledged is not None and write.sequence not in there for write in writer.writes)


def _connect(target: Target, answer_seconds: float) -> Connection:
    options: dict[str, Any] = {"read_timeout": answer_seconds, "write_timeout": answer_seconds}
    return pymysql.connect(
        host=target.host, port=target.port, user=target.user, password=target.password, database=target.database,
        ssl=target.tls, autocommit=True, connect_timeout=CONNECT_SECONDS, **options,
    )  # fmt: skip
