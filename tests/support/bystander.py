"""A client that writes while something is done to a cluster, and what it may notice of it."""

import contextlib
import itertools
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from drills.target import LabTarget
from lab import application, service
from lab.cloud import client as cloud
from lab.lab import Lab, wait_until
from lab.writer import TABLE, Connection, Writer, make_table
from tests.support import trial

PAUSE_SECONDS = 5.0
"""Longest pause between two acknowledged writes that counts as none, on a machine that boots another one meanwhile: far
below a fail-over's."""

MOVE_SECONDS = 45.0
"""Longest pause of a move that is planned: 8 to 12 s alone (docs/drills.md), on a machine that boots another one
meanwhile."""

_PACE = 10.0
"""Rows a second: enough to tell a pause from none, and no load."""


class Bystander(Writer):
    """One connection, on which a row is written all the time; another one only where it breaks.

    It waits for an answer as long as an application may, so that a slow machine is no broken connection.

    Args:
        lab: with a cluster that serves.
        file: gets a line of JSON for each attempt.
    """

    def __init__(self, lab: Lab, file: Path) -> None:
        self._client = application.client(lab)
        self.connections = 0
        with contextlib.closing(self._open()) as connection:
            make_table(connection)
        super().__init__(self._connect, contextlib.nullcontext, file, _PACE)

    def _open(self) -> Connection:
        return self._client.connect(30, connect_timeout=2, autocommit=True)

    def _connect(self) -> Connection:
        connection = self._open()
        self.connections += 1
        return connection

    def acknowledged(self) -> dict[int, float]:
        """Return when each row was acknowledged, in seconds of the epoch, by its number."""
        return {write.sequence: write.acknowledged for write in self.writes if write.acknowledged is not None}


@contextmanager
def nobody_notices(lab: Lab) -> Generator[None]:
    """Write all the time; afterwards no write was lost or late, no connection broken, no server and no node started."""
    before = _lives(lab)
    with _writes(lab, PAUSE_SECONDS) as one:
        yield
    assert one.connections == 1, [write.error for write in one.writes if write.error]
    assert _lives(lab) == before


@contextmanager
def server_restarts(lab: Lab, seconds: float) -> Generator[None]:
    """Write all the time; afterwards no write was lost, and the server was restarted, once and on the same node.

    Args:
        lab: the lab.
        seconds: longest pause between two acknowledged writes.
    """
    before = _lives(lab)
    node = service.serving(lab)
    # Of the server itself: MySQL's X plugin says so too.
    starts = f"grep --count ': ready for connections' {_error_log(lab)}"
    count = int(node.run(starts))
    with _writes(lab, seconds):
        yield
    after = _lives(lab)
    assert after["server"] != before["server"]
    assert after | {"server": ""} == before | {"server": ""}
    assert int(node.run(starts)) == count + 1


@contextmanager
def service_moves(lab: Lab, times: int, seconds: float) -> Generator[None]:
    """Write all the time; afterwards no write was lost, and at no time both nodes' machines were off.

    Args:
        lab: the lab.
        times: how often the service moves from one node to the other.
        seconds: longest pause between two acknowledged writes.
    """
    names, done, off_together = {node.name for node in lab.nodes()}, threading.Event(), list[object]()

    def watch() -> None:
        while not done.wait(0.2):
            machines = cloud.status(lab.paths)["machines"]
            if not any(m["name"] in names and m["power"] == "running" and m["boot_seconds"] for m in machines):
                off_together.append(machines)

    watcher = threading.Thread(target=watch)
    with _writes(lab, seconds) as one:
        watcher.start()
        try:
            yield
            # What was begun is seen to its end.
            begin = time.time()
            wait_until("a row more", lambda: one.last_acknowledged > begin, 120)
        finally:
            done.set()
            watcher.join()
    servers = [server for (server,) in application.query(lab, f"select server from {TABLE} order by sequence")]
    assert sum(before != after for before, after in itertools.pairwise(servers)) == times
    assert off_together == []


@contextmanager
def nothing_is_lost(lab: Lab) -> Generator[None]:
    """Write all the time; afterwards every acknowledged write is there, however long others took."""
    with _writes(lab, None):
        yield


def _error_log(lab: Lab) -> str:
    node = service.serving(lab)
    return node.run("sed --quiet 's/^log_error *= *//p' /etc/mysql/*.conf.d/*azure-mysql-ha.cnf").strip()


def _lives(lab: Lab) -> dict[str, str]:
    """Return what is another after a start: of each machine, of the server; and which node serves."""
    boots = {node.name: node.run("cat /proc/sys/kernel/random/boot_id") for node in lab.nodes()}
    serving = service.serving(lab)
    return boots | {"server": trial.server_pid(serving), "serving": serving.name}


@contextmanager
def _writes(lab: Lab, seconds: float | None) -> Generator[Bystander]:
    """Write; where there is a longest pause, nobody may be fenced either."""
    target, begin = LabTarget(lab), time.time()
    with tempfile.TemporaryDirectory() as folder:
        one = Bystander(lab, Path(folder) / "writes.jsonl")
        one.start()
        try:
            yield one
        finally:
            one.stop()
    acknowledged = one.acknowledged()
    pauses = itertools.pairwise([begin, *acknowledged.values(), time.time()])
    pause = max(later - earlier for earlier, later in pauses)
    print(f"{len(acknowledged)} rows, longest pause {pause:.1f} s")
    there = {sequence for (sequence,) in application.query(lab, f"select sequence from {TABLE}")}
    assert set(acknowledged) - there == set(), "acknowledged rows are missing"
    if seconds is not None:
        assert pause < trial.bar(seconds)
        assert target.fencings(begin, []) == []
