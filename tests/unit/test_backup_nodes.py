"""What the nodes' programs of the backup decide: from files, without a server; the store is a folder of names."""

import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from configs.backup import binary_log, packed, state
from configs.backup.blobs import SEEN, log_of
from configs.backup.chain import Chain
from configs.backup.documents import Seen, from_json
from configs.backup.moments import from_said, stamp
from configs.backup.state import Lost, State
from tests.support.nodes_store import stand_in


@pytest.fixture(scope="module")
def ship() -> Iterator[Any]:
    with stand_in():
        from configs.backup import ship as module_of_shipping

        yield module_of_shipping
    sys.modules.pop("configs.backup.ship", None)


DESCRIPTION, ROTATION, GTID, QUERY, ROWS, XID = 15, 4, 162, 2, 23, 16
NOON = int(from_said("2026-11-27T12:00:00Z").timestamp())
H = "20261101T000000Z"


def event(kind: int, time: int, length: int = 40) -> bytes:
    return struct.pack("<IBIIIH", NOON + time, kind, 1, length, 0, 0) + b"\0" * (length - 19)


def transaction(*times: int) -> bytes:
    return event(GTID, times[0]) + b"".join(event(ROWS, time) for time in times) + event(XID, times[-1])


def description(time: int, *, starts: bool) -> bytes:
    """Return a log's first event; the server has started with it, or has had one before."""
    return event(DESCRIPTION, time, 94)[:71] + struct.pack("<I", NOON + time if starts else 0) + b"\0" * 19


def write_log(
    folder: Path, *content: bytes, number: int = 1, created: int = 0, closed: int = 60, starts: bool = False
) -> Path:
    path = folder / f"binlog.{number:06}"
    path.write_bytes(b"\xfebin" + description(created, starts=starts) + b"".join(content))
    os.utime(path, (NOON + closed, NOON + closed))
    return path


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(NOON + seconds, UTC)


def test_content_is_what_is_of_the_database(tmp_path: Path) -> None:
    assert not binary_log.has_content(
        write_log(tmp_path, event(35, 0), event(163, 0), event(161, 0), event(ROTATION, 9))
    )
    assert binary_log.has_content(write_log(tmp_path, event(GTID, 1), event(QUERY, 1)))


def test_event_that_is_being_written_is_none_yet(tmp_path: Path) -> None:
    path = write_log(tmp_path, transaction(1), event(GTID, 2)[:25])
    assert [each.kind for each in binary_log.events(path)] == [DESCRIPTION, GTID, ROWS, XID]
    path = write_log(tmp_path, transaction(1), b"\0" * 400)  # what a crash may leave
    assert len([*binary_log.events(path)]) == 4


def test_no_binary_log(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"#!/bin/sh\n")
    with pytest.raises(binary_log.NoBinaryLog):
        binary_log.has_content(tmp_path / "other")


# Where the events of a log with three transactions begin.
LOG = (transaction(10), transaction(20), transaction(30), event(ROTATION, 59))
BEGIN = 4 + 94
AFTER_FIRST, AFTER_SECOND, AFTER_THIRD = (BEGIN + 120 * n for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("to", "position"),
    [
        (9, BEGIN),
        (10, AFTER_FIRST),
        (19, AFTER_FIRST),
        (20, AFTER_SECOND),
        (30, AFTER_THIRD + 40),
        (None, AFTER_THIRD + 40),
    ],
)
def test_replay_goes_to_the_end_of_the_second(tmp_path: Path, to: int | None, position: int) -> None:
    path = write_log(tmp_path, *LOG)
    assert binary_log.end(path, None if to is None else at(to), at(60)) == position


def test_transaction_that_ends_later_is_left_out_whole(tmp_path: Path) -> None:
    """Also where its first statements were before that second."""
    assert binary_log.end(write_log(tmp_path, transaction(10), transaction(15, 25)), at(20), at(60)) == AFTER_FIRST


def test_commits_behind_a_later_one_are_left_out(tmp_path: Path) -> None:
    """A slow statement that began before, and was committed after that second: nobody had been told of it."""
    assert binary_log.end(write_log(tmp_path, transaction(25), transaction(5)), at(20), at(60)) == BEGIN


def test_time_that_a_session_has_set_ends_no_replay(tmp_path: Path) -> None:
    """Later than the log was closed it cannot have been."""
    path = write_log(tmp_path, transaction(10), transaction(99999), transaction(15))
    assert binary_log.end(path, at(20), at(60)) == AFTER_THIRD


def test_log_that_a_crash_has_ended_is_replayed_to_its_last_whole_event(tmp_path: Path) -> None:
    path = write_log(tmp_path, transaction(10), event(GTID, 20)[:30])
    assert binary_log.end(path, None, at(60)) == AFTER_FIRST


class Folder:
    """A store, of names."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.is_away = False

    def names(self, prefix: str = "") -> list[str]:
        return [name for name in self.blobs if name.startswith(prefix)]

    def add(self, name: str, content: packed.Packed) -> None:
        self._answer()
        data = b""
        while piece := content.read(1 << 16):
            data += piece
        self.blobs.setdefault(name, data)

    def write_state(self, name: str, text: str) -> None:
        self._answer()
        self.blobs[name] = text.encode()

    def _answer(self) -> None:
        if self.is_away:
            from configs.backup.store import StoreError

            raise StoreError("no answer")


class Logs:
    """A server, as far as its binary logs go: of two transactions each, and closed at noon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []

    def write(self, number: int, *content: bytes, **more: Any) -> None:
        write_log(self.folder, *content, number=number, **more)

    def ask(self, statement: str) -> list[list[str]]:
        self.asked.append(statement)
        paths = sorted(self.folder.glob("binlog.*"))
        if statement == "flush binary logs":
            self.write(int(paths[-1].suffix[1:]) + 1, created=60)
        elif statement.startswith("purge"):
            for path in paths:
                if path.name < statement.split("'")[1]:
                    path.unlink()
        return [[path.name, "0"] for path in sorted(self.folder.glob("binlog.*"))]


@pytest.fixture
def bench(ship: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A data directory, a server's logs in it, and a store."""
    monkeypatch.setattr(state, "RUN", tmp_path / "run")
    monkeypatch.setattr(ship, "now", lambda: at(120))
    data = tmp_path / "data"
    data.mkdir()
    configuration = SimpleNamespace(directory=data, mount_point=str(tmp_path), account="stone")
    server, store = Logs(data), Folder()
    return SimpleNamespace(
        configuration=configuration,
        server=server,
        store=store,
        ship=lambda: ship.ship(configuration, server, store),
        begin=lambda: (server.write(1), ship.ship(configuration, server, store)),
        numbers=lambda: [each.number for each in Chain(store.blobs).logs],
    )


def test_first_run_begins_a_history_and_leaves_out_what_was_before(bench: Any) -> None:
    bench.server.write(7, transaction(10))
    bench.server.write(8, transaction(20))
    known = bench.ship()
    assert (known.history, known.shipped, known.current) == (stamp(at(120)), 8, 9)
    assert bench.numbers() == [8]
    assert (bench.configuration.directory / state.HISTORY).read_text() == known.history + "\n"
    seen = from_json(Seen, bench.store.blobs[SEEN].decode())
    assert (seen.history, seen.log, seen.complete_to) == (known.history, 8, known.history)


def test_log_with_nothing_in_it_is_not_rotated(bench: Any) -> None:
    bench.server.write(1)
    bench.ship()
    assert "flush binary logs" not in bench.server.asked
    assert bench.numbers() == []


def test_each_log_is_brought_once(bench: Any) -> None:
    bench.begin()
    bench.server.write(1, transaction(10))
    bench.ship()
    bench.server.write(2, transaction(70), created=60, closed=90)
    bench.ship()
    again = bench.ship()
    assert (bench.numbers(), again.shipped, again.waiting) == ([1, 2], 2, 0)
    first, second = Chain(bench.store.blobs).logs
    assert (first.first, first.last, second.first, second.last) == (at(0), at(60), at(60), at(90))


def test_log_begins_where_the_one_before_was_closed(bench: Any) -> None:
    """Not where a session that sets its time says so: what is replayed by hand has old times."""
    bench.begin()
    bench.server.write(1, transaction(10))
    bench.ship()
    bench.server.write(2, transaction(-9000), created=60, closed=90)
    bench.server.write(3, transaction(-9000), created=-9000, closed=110)  # that session has filled the one before
    bench.ship()
    assert [each.first for each in Chain(bench.store.blobs).logs] == [at(0), at(60), at(90)]


def test_log_that_a_server_starts_with_begins_by_its_own_clock(bench: Any) -> None:
    """The one before was closed by a machine that was 90 s ahead: what this one has acknowledged begins before."""
    bench.begin()
    bench.server.write(1, transaction(80), closed=150)
    bench.ship()
    bench.server.write(2, transaction(70), created=60, closed=90, starts=True)
    bench.server.write(3, transaction(170), created=90, closed=200)
    bench.server.write(4, created=200, closed=200)
    bench.ship()
    assert [(each.first, each.last) for each in Chain(bench.store.blobs).logs] == [
        *((at(0), at(150)), (at(60), at(90)), (at(90), at(200))),
    ]


def test_without_its_notes_it_asks_the_store(bench: Any) -> None:
    bench.begin()
    bench.server.write(1, transaction(10))
    before = bench.ship()
    (bench.configuration.directory / state.NAME).unlink()
    bench.server.write(2, transaction(70), created=60, closed=90)
    after = bench.ship()
    assert (after.history, after.shipped, after.lost) == (before.history, 2, [])
    assert bench.numbers() == [1, 2]


def test_numbering_that_begins_anew_is_another_history(bench: Any, ship: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.begin()
    bench.server.write(1, transaction(10))
    before = bench.ship()
    state.change(bench.configuration, base_ended=H, base_log=1)
    for path in bench.configuration.directory.glob("binlog.*"):
        path.unlink()
    bench.server.write(1, transaction(130), created=125)
    monkeypatch.setattr(ship, "now", lambda: at(180))
    known = bench.ship()
    assert (known.history, known.base_ended, known.shipped) == (stamp(at(180)), "", 1)
    assert [(each.history, each.number) for each in Chain(bench.store.blobs).logs] == [
        (before.history, 1),
        (known.history, 1),
    ]


@pytest.mark.parametrize(
    ("number", "created", "anew"), [(4, 60, False), (5, 0, False), (4, 61, True), (3, 0, True), (1, 0, True)]
)
def test_numbering_is_known_by_the_log_that_was_written(
    ship: Any, tmp_path: Path, number: int, created: int, anew: bool
) -> None:
    file = ship.File(number, write_log(tmp_path, number=number, created=created))
    assert ship.began_anew(State(history=H, current=4, current_created=NOON + 60), [file]) is anew


def test_store_that_is_away_keeps_all_and_is_caught_up(bench: Any) -> None:
    bench.begin()
    bench.server.write(1, transaction(10))
    bench.store.is_away = True
    known = bench.ship()
    assert (known.ship_error, known.waiting, known.shipped) == ("no answer", 1, 0)
    bench.store.is_away = False
    known = bench.ship()
    assert (known.ship_error, known.waiting, known.shipped) == ("", 0, 1)


def test_brought_logs_are_removed_an_hour_later(bench: Any, ship: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.begin()
    bench.server.write(1, transaction(10))
    bench.ship()
    bench.server.write(2, transaction(70), created=60, closed=90)
    bench.ship()
    assert not any("purge" in each for each in bench.server.asked)
    monkeypatch.setattr(ship, "now", lambda: at(3600 + 75))
    bench.ship()
    assert bench.server.asked[-1] == "purge binary logs to 'binlog.000002'"


def test_beyond_the_bound_the_oldest_goes_unshipped_and_a_base_is_due(
    bench: Any, ship: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SimpleNamespace(f_blocks=5 * 500, f_bavail=5 * 500, f_frsize=1)  # a fifth of it: two of the three logs

    def statvfs(_: str) -> SimpleNamespace:
        return disk

    monkeypatch.setattr(ship.os, "statvfs", statvfs)
    bench.server.write(1)
    known = bench.ship()
    state.change(bench.configuration, base_ended=stamp(at(0)), base_log=1)
    bench.store.is_away = True
    for number in (1, 2, 3):
        bench.server.write(number, transaction(number), created=0)
    known = bench.ship()
    assert known.lost == [Lost(1, 1, stamp(at(60)))]
    assert (known.shipped, known.waiting) == (1, 2)
    assert ship.base_is_due(known)
    bench.store.is_away = False
    assert (bench.ship().shipped, bench.numbers()) == (3, [2, 3])


@pytest.mark.parametrize("room", [74, 73])
def test_little_room_ends_the_bound_earlier(bench: Any, ship: Any, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """The data have taken it. Three in a hundred of the disk are left for the server."""
    bench.server.write(1)
    bench.ship()
    bench.store.is_away = True
    bench.server.write(1, transaction(1), created=0)

    def statvfs(_: str) -> SimpleNamespace:
        return SimpleNamespace(f_blocks=100_000, f_bavail=3000 + room - 74, f_frsize=1)

    monkeypatch.setattr(ship.os, "statvfs", statvfs)
    assert [each.first for each in bench.ship().lost] == ([] if room == 74 else [1])


def test_log_that_is_there_is_not_brought_again(bench: Any, ship: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power failure just after an upload: what shipping knew of it is lost, and not the log, which is on the disk."""
    synced: list[int] = []
    monkeypatch.setattr(ship.os, "fsync", synced.append)
    bench.begin()
    before = state.read(bench.configuration)
    bench.server.write(1, transaction(10))
    bench.ship()
    assert synced
    state.change(bench.configuration, **vars(before))
    bench.server.write(2, transaction(70), created=60, closed=90)
    known = bench.ship()
    assert (known.history, known.shipped, known.waiting, bench.numbers()) == (before.history, 2, 0, [1, 2])
    assert not Chain(bench.store.blobs).gaps()


def test_older_copy_that_goes_on_begins_a_history(bench: Any, ship: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node that served is lost for good, and the other one's data lack what it had brought last."""
    bench.begin()
    older = state.read(bench.configuration)
    for number in (1, 2, 3):
        bench.server.write(number, transaction(number), created=0)
    bench.ship()
    state.change(bench.configuration, **vars(older))
    for number in (2, 3, 4):
        (bench.configuration.directory / f"binlog.{number:06}").unlink()
    bench.server.write(2, transaction(30), created=0)
    monkeypatch.setattr(ship, "now", lambda: at(180))
    known = bench.ship()
    assert (known.history, known.ship_error) == (
        stamp(at(180)),
        "the store has another log 000002: these data are an older copy",
    )
    assert ship.base_is_due(known), "what was written since is in no log of the store"
    bench.server.write(3, transaction(70), created=60, closed=90)
    assert bench.ship().ship_error == ""
    assert [(log.history, log.number) for name in bench.store.blobs if (log := log_of(name))] == [
        *((older.history, number) for number in (1, 2, 3)),
        (known.history, 3),
    ]


def test_another_account_needs_a_base(bench: Any, ship: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.begin()
    bench.server.write(1, transaction(10))
    state.change(bench.configuration, base_ended=stamp(at(0)), base_log=1)
    known = bench.ship()
    assert not ship.base_is_due(known)
    # What earlier programs have noted does not say which one it was.
    state.change(bench.configuration, account="")
    assert bench.ship().history == known.history
    bench.configuration.account, bench.store.blobs = "stother", {}
    bench.server.write(2, transaction(70), created=60, closed=90)
    monkeypatch.setattr(ship, "now", lambda: at(180))
    known = bench.ship()
    assert (known.history, known.account) == (stamp(at(180)), "stother")
    assert ship.base_is_due(known)


def test_log_that_is_deleted_by_hand_stops_nothing(bench: Any, ship: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server lists it still: one that was brought, and one that was not."""
    bench.begin()
    for number in (1, 2, 3, 4):
        bench.server.write(number, transaction(number), created=0)
        if number == 2:
            bench.ship()
    bench.server.write(5, created=60)
    listed = bench.server.ask("show binary logs")
    for number in (1, 3):
        (bench.configuration.directory / f"binlog.{number:06}").unlink()
    asked: list[str] = []

    def ask(statement: str) -> list[list[str]]:
        asked.append(statement)
        return listed

    monkeypatch.setattr(bench.server, "ask", ask)
    monkeypatch.setattr(ship, "now", lambda: at(3600 + 75))
    known = bench.ship()
    assert ([(each.first, each.last) for each in known.lost], known.ship_error) == ([(3, 3)], "")
    assert (known.shipped, known.waiting, bench.numbers()) == (4, 0, [1, 2, 4])
    assert asked[-1] == "purge binary logs to 'binlog.000005'"


def test_log_that_cannot_be_read_does_not_end_the_bound(bench: Any, ship: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.begin()
    bench.server.write(1, transaction(10))
    bench.ship()
    bench.server.write(2, transaction(70), created=60, closed=90)
    (bench.configuration.directory / "binlog.000003").write_bytes(b"nonsense")
    bench.server.write(4, created=90)
    monkeypatch.setattr(ship, "now", lambda: at(3600 + 75))
    known = bench.ship()
    assert "binlog.000003 is not a binary log" in known.ship_error
    assert (known.shipped, known.waiting) == (2, 1)
    assert bench.server.asked[-1] == "purge binary logs to 'binlog.000002'"


def test_what_others_remove_before_it_is_brought_is_lost(bench: Any) -> None:
    bench.begin()
    bench.server.write(1, transaction(10))
    bench.ship()
    for number in (1, 2):
        (bench.configuration.directory / f"binlog.{number:06}").unlink()
    bench.server.write(5, transaction(70), created=60, closed=90)
    known = bench.ship()
    assert [(each.first, each.last) for each in known.lost] == [(2, 4)]
    assert bench.numbers() == [1, 5]


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("known", "due"),
    [
        (State(), True),
        (State(base_tried=stamp(at(60))), False),  # a minute ago
        (State(base_tried=stamp(at(-600))), True),
        (State(base_tried=stamp(at(-600)), base_failures=1), True),
        (State(base_tried=stamp(at(-600)), base_failures=2), False),
        (State(base_tried=stamp(at(-1200)), base_failures=2), True),
        (State(base_tried=stamp(at(-7000)), base_failures=99), False),
        (State(base_tried=stamp(at(-7200)), base_failures=99), True),
        (State(base_ended=stamp(at(0))), False),
        (State(base_ended=stamp(at(0) - DAY)), False),  # the night's comes
        (State(base_ended=stamp(at(0) - 2 * DAY)), True),
        (State(base_ended=stamp(at(0)), base_log=4, lost=[Lost(3, 4, "")]), True),
        (State(base_ended=stamp(at(0)), base_log=5, lost=[Lost(3, 4, "")]), False),
    ],
)
def test_base_is_due(ship: Any, monkeypatch: pytest.MonkeyPatch, known: State, due: bool) -> None:
    monkeypatch.setattr(ship, "now", lambda: at(120))
    assert ship.base_is_due(known) is due


def test_notes_of_base_and_shipping_do_not_undo_each_other(bench: Any, ship: Any) -> None:
    bench.server.write(1)
    known = bench.ship()
    state.change(bench.configuration, base_ended=H, base_log=1)
    ship.save(bench.configuration, replace(known, shipped=5))
    after = state.read(bench.configuration)
    assert (after.base_ended, after.base_log, after.shipped) == (H, 1, 5)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"unknown": 1}', '{"lost": [1]}'])
def test_notes_that_are_none_say_nothing(bench: Any, text: str) -> None:
    (bench.configuration.directory / state.NAME).write_text(text)
    assert state.read(bench.configuration) == State()
