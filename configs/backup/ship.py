"""Bring the binary log into the store: run every minute where the server serves.

The log is rotated when there is anything in it, and each closed file is brought that is not there yet. What was brought
is removed from the disk an hour later. It can be killed at any moment: the next run, on either node, goes on.
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import binary_log, state
from .blobs import BASES, LOGS, SEEN, Log, log_of
from .chain import Chain
from .configuration import Configuration, load
from .documents import Seen, to_json
from .files import write_whole
from .moments import from_stamp, stamp
from .packed import Failed, Packed
from .server import Server, ServerError, end_with, serving_pid
from .state import Lost, State
from .store import Store, StoreError

# What has been brought stays so long, for whoever wants to look at it here.
_KEPT = timedelta(hours=1)

# Of the data disk: beyond that the oldest logs go although they are not in the store, before the disk is full.
_SHARE = 0.2

# Of the data disk: less room than that is left for the server only where there is no log any more that could go.
_LEFT = 0.03

_BASE_AFTER = timedelta(hours=25)
# After a failure; after each further one twice as long.
_BASE_AGAIN_AFTER = timedelta(minutes=10)
_BASE_AGAIN_AT_LAST = timedelta(hours=2)


class OtherHistory(Exception):
    """The store has another log of the same number: these data are an older copy, and went on otherwise."""


@dataclass(frozen=True)
class File:
    """A binary log on the disk."""

    number: int
    path: Path

    @property
    def closed(self) -> datetime:
        """When it was last written to, by the machine's clock: what sessions say of the time does not matter."""
        return datetime.fromtimestamp(int(self.path.stat().st_mtime), UTC)

    def digest(self) -> str:
        """What its content is known by in the store."""
        with self.path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def files(configuration: Configuration, server: Server) -> list[File]:
    """Return the server's logs in their order; the last one is being written.

    One that somebody has deleted by hand is left out: the server lists it until it is purged.
    """
    names = [row[0] for row in server.ask("show binary logs")]
    found = [File(int(name.rpartition(".")[2]), configuration.directory / name) for name in names]
    return [file for file in found[:-1] if file.path.exists()] + found[-1:]


def began_anew(known: State, present: list[File]) -> bool:
    """Tell whether the numbering of the logs has begun anew since shipping has run last (RESET)."""
    log = next((file for file in present if file.number == known.current), None)
    if log is None:
        return present[-1].number < known.current
    return binary_log.created(log.path) != known.current_created


def history(configuration: Configuration, known: State, present: list[File]) -> State:
    """Return what is known of the history that the logs are of; a new one where numbering or account are others."""
    path = configuration.directory / state.HISTORY
    name = path.read_text(encoding="ascii").strip() if path.exists() else ""
    if name and name != known.history:
        return State(history=name, account=configuration.account)
    if name and known.account in ("", configuration.account) and not began_anew(known, present):
        return replace(known, account=configuration.account)
    return begin_history(configuration, present)


def begin_history(configuration: Configuration, present: list[File]) -> State:
    """Begin a new history, which needs a base, and return what is known of it."""
    name = stamp(now())
    write_whole(configuration.directory / state.HISTORY, name + "\n")
    print(f"history {name} begins")
    # What was before is of no use: no base is older.
    return State(history=name, account=configuration.account, shipped=present[-1].number - 1)


def from_store(store: Store, known: State) -> State:
    """Return what the store knows of a history, where nothing on the disk does."""
    found = Chain([*store.names(f"{LOGS}{known.history}/"), *store.names(f"{BASES}{known.history}/")])
    base = found.bases[-1] if found.bases else None
    return replace(
        known,
        shipped=max((log.number for log in found.logs), default=0),
        shipped_last=stamp(max(log.last for log in found.logs)) if found.logs else "",
        base_ended=stamp(base.ended) if base else "",
        base_log=base.log if base else 0,
    )


def bring(store: Store, known: State, file: File) -> State:
    """See that one log is in the store, and return what is known then.

    Raises:
        OtherHistory: another one is there with its number.
    """
    there = [log for name in store.names(f"{LOGS}{known.history}/{file.number:06}_") if (log := log_of(name))]
    if not there:
        return upload(store, known, file)
    # A machine that lost its power just after an upload has forgotten it.
    if any(log.sha != file.digest() for log in there):
        raise OtherHistory(f"the store has another log {file.number:06}: these data are an older copy")
    return replace(known, shipped=file.number, shipped_last=stamp(max(log.last for log in there)))


def upload(store: Store, known: State, file: File) -> State:
    """Bring one log into the store, and return what is known then."""
    last = file.closed
    first = datetime.fromtimestamp(binary_log.created(file.path), UTC)
    if known.shipped_last and not binary_log.is_first(file.path):
        # It began when the one before was closed: its own word is that of a session, which may have set its time.
        # Not so where the server has started: the one before may be another machine's, whose clock differs.
        first = max(first, from_stamp(known.shipped_last))
    with file.path.open("rb") as source:
        # What the server has written last, that the log is closed, may not be on the disk yet: after a power failure
        # the log would be another one than that in the store.
        os.fsync(source.fileno())
        log = Log(known.history, file.number, min(first, last), last, file.digest())
        store.add(log.name, Packed(source))
    return replace(known, shipped=file.number, shipped_last=stamp(last))


def purge(configuration: Configuration, server: Server, known: State, present: list[File]) -> State:
    """Remove logs that have been in the store for long, and beyond the bound others too; return what is known then."""
    closed = present[:-1]
    disk = os.statvfs(configuration.mount_point)
    size = disk.f_blocks * disk.f_frsize
    sizes = {file.number: file.path.stat().st_size for file in closed}
    total = sum(sizes.values())
    bound = int(min(_SHARE * size, total + disk.f_bavail * disk.f_frsize - _LEFT * size))
    kept = list(closed)
    while kept and ((kept[0].number <= known.shipped and kept[0].closed < now() - _KEPT) or total > bound):
        total -= sizes[kept.pop(0).number]
    gone = closed[: len(closed) - len(kept)]
    if not gone:
        return known
    unshipped = [file for file in gone if file.number > known.shipped]
    lost = Lost(unshipped[0].number, unshipped[-1].number, stamp(unshipped[-1].closed)) if unshipped else None
    server.ask(f"purge binary logs to '{present[len(gone)].path.name}'")
    if lost is None:
        return known
    print(
        f"logs {lost.first:06} to {lost.last:06} removed before they were uploaded: no room on the disk",
        file=sys.stderr,
    )
    return replace(known, shipped=lost.last, shipped_last=lost.until, lost=[*known.lost, lost])


def note_missing(known: State, file: File) -> State:
    """Note the logs before one that somebody has removed before they were in the store; return what is known then."""
    if file.number <= known.shipped + 1:
        return known
    lost = Lost(known.shipped + 1, file.number - 1, stamp(now()))
    return replace(known, shipped=file.number - 1, shipped_last="", lost=[*known.lost, lost])


def base_is_due(known: State) -> bool:
    """Tell whether a base is due now: there is none, none since something was lost, or the night's has failed."""
    again = min(_BASE_AGAIN_AFTER * 2 ** min(max(known.base_failures - 1, 0), 10), _BASE_AGAIN_AT_LAST)
    if known.base_tried and from_stamp(known.base_tried) > now() - again:
        return False
    return (
        not known.base_ended or bool(state.lost_since_base(known)) or from_stamp(known.base_ended) < now() - _BASE_AFTER
    )


def ship(configuration: Configuration, server: Server, store: Store) -> State:
    """Bring what is there; return what is known then."""
    before = now()
    present = files(configuration, server)
    known = history(configuration, state.read(configuration), present)
    if binary_log.has_content(present[-1].path):
        server.ask("flush binary logs")
        present = files(configuration, server)
    closed, current = present[:-1], present[-1]
    known = replace(known, current=current.number, current_created=binary_log.created(current.path))
    error = ""
    try:
        if known.shipped < 0:
            known = from_store(store, known)
        for file in closed:
            known = note_missing(known, file)
            if file.number > known.shipped:
                known = bring(store, known, file)
                save(configuration, known)
        known = note_missing(known, current)
        store.write_state(SEEN, to_json(Seen(stamp(now()), known.history, current.number - 1, stamp(before))))
        known = replace(known, complete_to=stamp(before))
    except OtherHistory as other:
        # The base that is due with it has what these logs have.
        begun = begin_history(configuration, present)
        known, error = replace(begun, current=known.current, current_created=known.current_created), str(other)
    except (StoreError, Failed, binary_log.NoBinaryLog, OSError) as failure:
        error = str(failure)
    known = purge(configuration, server, known, present)
    waiting = sum(1 for file in closed if file.number > known.shipped and file.path.exists())
    return save(configuration, replace(known, ship_at=stamp(now()), ship_error=error, waiting=waiting))


_OF_BASES = ("base_ended", "base_log", "base_tried", "base_error", "base_failures")


def save(configuration: Configuration, known: State) -> State:
    """Write what shipping knows. What is known of bases is theirs to write, but where the history is another one."""
    same = state.read(configuration).history == known.history
    own = {name: value for name, value in vars(known).items() if not (same and name in _OF_BASES)}
    return state.change(configuration, **own)


def main() -> int:
    configuration = load()
    pid = serving_pid(configuration)
    if pid is None or not os.path.ismount(configuration.mount_point):
        return 0
    end_with(pid)
    try:
        known = ship(configuration, Server(configuration), Store(configuration.account))
    except (ServerError, binary_log.NoBinaryLog, OSError) as error:
        known = state.change(configuration, ship_at=stamp(now()), ship_error=str(error))
    if base_is_due(known):
        subprocess.run(["systemctl", "start", "--no-block", "azure-mysql-ha-base.service"], check=False)
    if known.ship_error:
        print(known.ship_error, file=sys.stderr)
    return 1 if known.ship_error else 0


if __name__ == "__main__":
    sys.exit(main())
