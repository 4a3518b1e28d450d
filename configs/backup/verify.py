"""Prove the backup by a restore, on the node that does not serve: the last base and all logs, and each table checked.

The server that it starts is reached by nobody. As soon as this node is to serve, all of it ends at once.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .blobs import VERIFIED
from .configuration import Configuration, load
from .documents import Verified, to_json
from .files import size_of, write_whole
from .moments import said, stamp
from .packed import Failed
from .plan import Plan, Refusal, choose
from .restore import Damaged, Restore
from .server import Server, ServerError, end_when_mounted
from .store import Store, StoreError

PLACE = Path("/var/lib/mysql-files/azure-mysql-ha-proof")
"""On the system disk. AppArmor's profile of MySQL's server lets it work there."""

NOTE = Path("/var/lib/azure-mysql-ha/verified.json")
"""What came of it, for `operations/status`."""

# Of the file system, which is the node's own.
_LEFT = 2 << 30
_LOOK_SECONDS = 1.0

# What of the data does not go into memory is read again; more is not taken from a node that may have to serve.
_OPTIONS = ("--innodb-buffer-pool-size=256M",)


class NoRoom(Exception):
    """The proof cannot go on for want of room, which says nothing of the backup; one line."""


@dataclass(frozen=True)
class Restored:
    """What was restored; its fields are those of `Verified`."""

    base: str = ""
    to: str = ""
    tables: int = 0
    bytes: int = 0


def check(configuration: Configuration, server: Server) -> int:
    """Check all tables of a server; return how many there are.

    Raises:
        Failed: one of them is not well.
    """
    command = [*configuration.check.split(), *server.options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line.strip() for line in run.stdout.splitlines() if line.strip()]
    wrong = [line for line in lines if line.lower().startswith(("error", "warning"))]
    if run.returncode or wrong:
        raise Failed(f"tables have errors: {' / '.join(wrong[:3]) or run.stderr.strip()[-300:]}")
    return sum(1 for line in lines if line.endswith(" OK"))


def prove(configuration: Configuration, store: Store, now: Callable[[], str]) -> Verified:
    """Restore, check, and return what came of it.

    Where the last base cannot be used, the proof has failed; whether the one before it can, it tells too.
    """
    begin = time.monotonic()
    restored = Restored()
    why, undecided = "", False
    try:
        chain = store.chain()
        last = choose(chain, None)
        try:
            restored = _restore(configuration, store, last)
        except (Damaged, Failed, ValueError) as error:
            restored = Restored(stamp(last.base.begun), stamp(last.to))
            why = f"the last base, of {said(last.base.begun)}, cannot be used: {error}"
            with contextlib.suppress(Refusal):
                before = choose(chain, None, without=[last.base])
                try:
                    restored = _restore(configuration, store, before)
                    why += f"; the one before it, of {said(before.base.begun)}, can"
                except (Damaged, Failed, ValueError) as worse:
                    why += f"; nor can the one before it: {worse}"
    except NoRoom as error:
        # Of the last base it is known by then that it cannot be used.
        undecided = not why
        why = f"{why}; {error}" if why else str(error)
    except (Refusal, ServerError, StoreError, OSError) as error:
        why = f"{why}; {error}" if why else str(error)
    seconds = int(time.monotonic() - begin)
    return Verified(
        now(), restored.base, restored.to, not why, seconds, restored.bytes, restored.tables, why, undecided
    )  # fmt: skip


def _restore(configuration: Configuration, store: Store, plan: Plan) -> Restored:
    restore = Restore(configuration, store, PLACE / "data", *_OPTIONS)
    details = restore.details(plan.base)
    # What a base before this one has left.
    shutil.rmtree(PLACE / "data", ignore_errors=True)
    _check_room(details.room)
    with _room_is_kept(), restore.run(plan, details):
        tables = check(configuration, restore.server)
        return Restored(stamp(plan.base.begun), stamp(plan.to), tables, size_of(PLACE / "data"))


def _check_room(needed: int) -> None:
    free = shutil.disk_usage(PLACE).free
    # Logs, and what the server adds.
    if free < needed * 1.3 + _LEFT:
        raise NoRoom(
            f"no room for the proof: {PLACE} has {free >> 20} MiB, the base alone {needed >> 20} MiB;"
            " mount a larger disk there"
        )


@contextlib.contextmanager
def _room_is_kept() -> Generator[None]:
    """Have `NoRoom` raised in the body before the file system is full: Pacemaker of this node writes there too."""
    main, over = threading.main_thread().ident, threading.Event()
    assert main

    def end(*_: object) -> None:
        raise NoRoom(
            f"the proof was ended, since {PLACE} has less than {_LEFT >> 20} MiB left; mount a larger disk there"
        )

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            if shutil.disk_usage(PLACE).free < _LEFT:
                signal.pthread_kill(main, signal.SIGUSR1)
                return

    before = signal.signal(signal.SIGUSR1, end)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        signal.signal(signal.SIGUSR1, before)


def main() -> int:
    configuration = load()
    if os.path.ismount(configuration.mount_point):
        return 0
    end_when_mounted(configuration.mount_point)
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True, exist_ok=True)
    store = Store(configuration.account, patient=True)
    proof = prove(configuration, store, lambda: stamp(datetime.now(UTC)))
    shutil.rmtree(PLACE, ignore_errors=True)
    NOTE.parent.mkdir(exist_ok=True)
    write_whole(NOTE, to_json(proof))
    print(to_json(proof), end="")
    try:
        store.write_state(VERIFIED, to_json(proof))
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if proof.ok else 1


if __name__ == "__main__":
    sys.exit(main())
