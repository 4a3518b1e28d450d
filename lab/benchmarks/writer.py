"""The client whose patience an outage tries: the drills' writer, with a list of servers as a driver has it."""

import contextlib
import itertools
from collections.abc import Generator, Sequence
from pathlib import Path

from lab.application import Client
from lab.cloud import namespace
from lab.lab import Lab
from lab.writer import ANSWER_SECONDS, CONNECT_SECONDS, Connection, Writer, make_table, rows


@contextlib.contextmanager
def writing(lab: Lab, targets: Sequence[Client], file: Path) -> Generator[Writer]:
    """Write numbered rows, one a transaction, while the body runs.

    Args:
        targets: whom it may write to; it begins with the first, and on any error tries the next.
        file: gets a line of JSON for each attempt.
    """
    turns = itertools.cycle(targets)
    with namespace.inside(lab.paths.namespace), contextlib.closing(targets[0].connect()) as connection:
        make_table(connection)

    def connect() -> Connection:
        return next(turns).connect(ANSWER_SECONDS, connect_timeout=CONNECT_SECONDS, autocommit=True)

    writer = Writer(connect, lambda: namespace.inside(lab.paths.namespace), file)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def acknowledged(writer: Writer) -> list[float]:
    """Return when each row was acknowledged that was, in seconds of the epoch."""
    return [write.acknowledged for write in list(writer.writes) if write.acknowledged is not None]


def lost(lab: Lab, target: Client, writer: Writer) -> int:
    """Return how many acknowledged rows a server does not have."""
    with namespace.inside(lab.paths.namespace), contextlib.closing(target.connect(30)) as connection:
        there = rows(connection)
    return sum(write.acknowledged is not None and write.sequence not in there for write in writer.writes)
