"""Bring a base into the store: all data, streamed while the server serves, with no second copy on any disk.

Run every night where the server serves, and at once where shipping finds that one is missing. It can be killed at any
moment: what is not whole does not exist.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import IO

from . import lock, schema, ship, state, survey
from .blobs import Base
from .configuration import RUN, Configuration, load
from .documents import Details, to_json
from .files import size_of
from .moments import stamp
from .packed import Failed, Packed
from .server import Server, ServerError, end_with, serving_pid
from .store import Store, StoreError

# Bytes of data that are read in a second at most. The smallest data disk that is usual here, P10, gives 100 MB/s: more
# than half is left to the server. 40 MB/s are 144 GB an hour.
_RATE = 40 << 20

# Where the position is looked for: in what the dump says, and at the beginning of what it gives.
_HEAD = 64 << 10


class Position:
    """Where in the binary logs what comes after the base begins, as soon as the dump tells."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern.encode())
        self._head = b""
        self.found: tuple[int, int] | None = None
        self.at: datetime | None = None

    def look(self, piece: bytes) -> None:
        if self.found or len(self._head) > _HEAD:
            return
        self._head += piece[:_HEAD]
        self._search(self._head)

    def hear(self, line: bytes) -> None:
        if not self.found:
            self._search(line)

    def _search(self, text: bytes) -> None:
        if told := self._pattern.search(text):
            self.found = int(told[1]), int(told[2])
            # All that is in the base was committed before: not in the same second.
            self.at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)


def _listen(errors: IO[bytes], heard: Callable[[bytes], None], last: list[str]) -> None:
    for line in errors:
        heard(line)
        last[:] = [*last, line.decode(errors="replace").strip()][-5:]


def bring(configuration: Configuration, server: Server, history: str) -> Base:
    """Make a base and bring it into the store.

    Raises:
        Failed, ServerError, StoreError: it is not there.
    """
    begun = datetime.now(UTC).replace(microsecond=0)
    version = server.ask("select version()")[0][0]
    size = size_of(configuration.directory)
    logs = sum(file.path.stat().st_size for file in ship.files(configuration, server) if file.path.exists())
    store = Store(configuration.account, patient=True, largest=size)
    position, last = Position(configuration.position), list[str]()
    RUN.mkdir(mode=0o700, exist_ok=True)
    found = survey.look(server) if configuration.kind == "sql" else survey.Survey((), 0, "")
    for warning in found.warnings:
        print(warning, file=sys.stderr)
    changes = schema.Watch(configuration, server, lambda: position.found)
    if configuration.kind == "sql":
        lock.wait_for_statements(server)
    last_before = int(server.ask("select connection_id()")[0][0])
    with subprocess.Popen(
        ["bash", "-c", f'exec {configuration.dump} "$@"', "dump", *found.options],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=RUN,
    ) as dump:  # fmt: skip
        assert dump.stdout and dump.stderr
        listener = threading.Thread(target=_listen, args=(dump.stderr, position.hear, last), daemon=True)
        listener.start()
        if configuration.kind == "sql":
            watched = (server, last_before, dump, lambda: position.found is not None)
            threading.Thread(target=lock.guard, args=watched, daemon=True).start()
            threading.Thread(target=changes.keep_on, args=(dump,), daemon=True).start()

        def finish() -> None:
            listener.join()
            if configuration.kind == "sql" and (what := changes.found or changes.look()):
                raise Failed(f"the schema was changed while the base was made ({what}), so no log could follow it")
            if code := dump.wait():
                raise Failed(f"the dump failed with exit code {code}: {' / '.join(last)[-300:]}")
            if position.found is None:
                raise Failed("the dump did not say where in the binary log it is")

        packed = Packed(dump.stdout, after=found.stand_ins.encode(), rate=_RATE, look=position.look, finish=finish)
        try:
            # Its name is that of its beginning, since the rest is known at its end.
            store.add(Base(history, begun, begun, 0, 0).data, packed)
            assert position.found and position.at
        except BaseException:
            dump.kill()
            raise
    known = state.read(configuration)
    if known.history != history or ship.began_anew(known, ship.files(configuration, server)):
        raise Failed("the numbering of the binary logs has started again meanwhile")
    base = Base(history, position.at, begun, *position.found)
    details = Details(
        cluster=configuration.cluster,
        server=configuration.server,
        version=version,
        kind=configuration.kind,
        begun=stamp(base.begun),
        ended=stamp(base.ended),
        history=history,
        log=base.log,
        position=base.position,
        bytes=packed.bytes,
        sha256=packed.sha256,
        unpacked=packed.unpacked,
        data=max(0, size - logs),
        warnings=found.warnings,
    )
    store.add(base.name, to_json(details).encode())
    return base


def main() -> int:
    configuration = load()
    pid = serving_pid(configuration)
    known = state.read(configuration)
    # Shipping finds out which history it is; it comes every minute.
    if pid is None or not known.history or not os.path.ismount(configuration.mount_point):
        return 0
    end_with(pid)
    state.change(configuration, base_tried=stamp(datetime.now(UTC)))
    try:
        base = bring(configuration, Server(configuration), known.history)
    except (Failed, ServerError, StoreError, OSError) as error:
        failures = state.read(configuration).base_failures + 1
        state.change(configuration, base_error=str(error), base_failures=failures)
        print(error, file=sys.stderr)
        return 1
    if state.read(configuration).history == known.history:
        state.change(configuration, base_ended=stamp(base.ended), base_log=base.log, base_error="", base_failures=0)
    print(f"base {base.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
