"""Make a data directory of a backup: a base, and the binary logs up to a second, replayed by a server of its own.

Usage: python3 -m backup.restore DIRECTORY: fills the empty directory with the data that a new cluster begins with.
"""

import contextlib
import hashlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import IO

from . import binary_log, replay_options
from .blobs import Base, Log
from .chain import Chain
from .configuration import Configuration, load
from .documents import Details, from_json
from .moments import from_said, said
from .packed import Failed
from .plan import Plan, Refusal, choose, refuse_other_server
from .server import Server, ServerError
from .store import Store, StoreError

# For how long a store that refuses is asked again: Azure takes minutes to spread the news of a role.
_STORE_SECONDS = 900

_UNZIP = ("zstd", "-q", "-d", "-c")

# A server that recovers from its log first.
_START_SECONDS = 1800


# With so many bases a restore may fail before it is given up: each takes its time, and what is no base's fault remains.
_FAILURES = 3


class Damaged(Exception):
    """A blob is not what it was when it was brought; one line."""


def say(text: str) -> None:
    print(text, flush=True)


class Restore:
    """A restore into one directory; a folder beside it has the server's socket and what else is needed meanwhile.

    Args:
        options: of the server that replays, besides those of the operating system.
    """

    def __init__(self, configuration: Configuration, store: Store, directory: Path, *options: str) -> None:
        self._configuration, self._store, self._directory = configuration, store, directory
        self._beside = directory.with_name(f"{directory.name}.restore")
        self._options = options
        self._socket = f"{self._beside}/socket"
        self.server = Server(configuration, self._socket)

    def details(self, base: Base) -> Details:
        """Return what a base says of itself: the server takes it.

        Raises:
            Refusal: it does not.
            StoreError, ValueError: it says nothing that this program knows.
        """
        details = from_json(Details, self._store.read(base.name))
        refuse_other_server(details, self._configuration.server, self._configuration.series())
        return details

    @contextlib.contextmanager
    def run(self, plan: Plan, details: Details) -> Generator[None]:
        """Fill the directory; while the context is open, its server can be asked. Afterwards that has ended.

        Args:
            details: of the plan's base.

        Raises:
            Refusal: a log is damaged.
            Damaged: the base is.
            Failed, ServerError, StoreError: see there.
        """
        say(f"restoring the base of {said(plan.base.begun)}, {details.bytes >> 20} MiB, and {len(plan.logs)} logs")
        self._empty()
        into_server = not self._configuration.unpack
        if into_server:
            self._shell(*self._configuration.initialize)
        else:
            self._unpack(plan.base, details)
        with self._serving():
            if into_server:
                self._feed_base(plan.base, details)
            self._replay(plan)
            say(f"restored to {said(plan.to)}")
            yield
        shutil.rmtree(self._beside)

    def _empty(self) -> None:
        for folder in (self._directory, self._beside):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o750)
            shutil.chown(folder, self._configuration.user, self._configuration.user)

    def _shell(self, *lines: str, stdin: "IO[bytes] | int" = subprocess.DEVNULL) -> None:
        for line in lines:
            run = subprocess.run(
                ["bash", "-c", line], env=self._environment(), stdin=stdin, capture_output=True, text=True, check=False
            )
            if run.returncode:
                raise Failed(f"{line.split()[0]} failed with exit code {run.returncode}: {_last(run.stderr)}")

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "directory": str(self._directory)}

    def _unpack(self, base: Base, details: Details) -> None:
        first, *others = self._configuration.unpack
        self._feed(base, details, ["bash", "-c", first])
        self._shell(*others, f'chown -R {self._configuration.user}: "$directory"')

    def _feed_base(self, base: Base, details: Details) -> None:
        self._feed(base, details, self.server.client("--binary-mode", "--max-allowed-packet=1G"))

    def _feed(self, base: Base, details: Details, into: list[str]) -> None:
        """Give a base, unpacked, to a program; what has come is compared with what was brought.

        It is read to its end also where the program has ended: a base that is whole is not called damaged.
        """
        sha, size, told, is_taken = hashlib.sha256(), 0, time.monotonic(), True
        errors = self._beside / "errors"
        with (
            errors.open("wb") as complaints,
            subprocess.Popen(_UNZIP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints) as zstd,
            subprocess.Popen(
                into, stdin=zstd.stdout, stdout=subprocess.DEVNULL, stderr=complaints, env=self._environment()
            ) as taker,
        ):
            assert zstd.stdin and zstd.stdout
            zstd.stdout.close()
            try:
                with contextlib.suppress(BrokenPipeError), zstd.stdin as sink:
                    for piece in self._store.pieces(base.data):
                        sha.update(piece)
                        size += len(piece)
                        if is_taken:
                            try:
                                sink.write(piece)
                            except BrokenPipeError:
                                is_taken = False
                        if time.monotonic() - told > 20:
                            told = time.monotonic()
                            say(f"{size >> 20} of {details.bytes >> 20} MiB of the base")
            except BaseException:
                taker.kill()
                raise
        if (size, sha.hexdigest()) != (details.bytes, details.sha256):
            raise Damaged(f"the base {base.data} is damaged: it is not what was uploaded")
        if zstd.returncode or taker.returncode:
            raise Failed(f"{Path(into[0]).name} rejects the base: {_last(errors.read_text(errors='replace'))}")

    @contextlib.contextmanager
    def _serving(self) -> Generator[None]:
        """Run a server on the directory that only root reaches, by a socket of its own."""
        log = self._beside / "error.log"
        command = [
            self._configuration.program,
            *self._defaults(),
            f"--user={self._configuration.user}",
            f"--datadir={self._directory}",
            f"--socket={self._socket}",
            f"--pid-file={self._beside}/pid",
            f"--log-error={log}",
            "--skip-networking",
            "--skip-slave-start",
            "--event-scheduler=OFF",
            "--max-allowed-packet=1G",
            # Only whole is it of any use, and then the server has ended by itself.
            "--innodb-flush-log-at-trx-commit=0",
            *self._configuration.restore_options,
            *self._options,
        ]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server:
            try:
                self._wait_for_answer(server, log)
                yield
            except BaseException:
                server.kill()
                raise
            server.terminate()
            if server.wait():
                raise Failed(
                    f"the server that replayed the logs failed with exit code {server.returncode}: {_last_error(log)}"
                )

    def _defaults(self) -> list[str]:
        """Return where the server has its options from: where a dump is to be loaded, from no file."""
        program, file = self._configuration.program, self._configuration.main_config_file
        if self._configuration.kind != "sql":
            return [f"--defaults-file={file}"]
        return ["--no-defaults", *replay_options.of_file(program, file)]

    def _wait_for_answer(self, server: "subprocess.Popen[bytes]", log: Path) -> None:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.server.ask("select 1")
                return
            except ServerError as error:
                if server.poll() is not None or time.monotonic() > until:
                    raise Failed(f"the server does not start on the restored data: {_last_error(log)}") from error
                time.sleep(0.5)

    def _replay(self, plan: Plan) -> None:
        errors = self._beside / "errors"
        with errors.open("wb") as complaints:
            client = subprocess.Popen(
                self.server.client("--binary-mode", "--max-allowed-packet=1G"),
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints,
            )  # fmt: skip
            assert client.stdin
            try:
                for log in plan.logs:
                    self._replay_log(plan, log, client.stdin)
                    if client.poll() is not None:
                        break
                with contextlib.suppress(BrokenPipeError):
                    client.stdin.close()
            except BaseException:
                client.kill()
                raise
            if client.wait():
                raise Failed(f"the server rejects the logs: {_last(errors.read_text(errors='replace'))}")

    def _replay_log(self, plan: Plan, log: Log, client: IO[bytes]) -> None:
        path = self._fetch(log)
        # Only the last one is cut: what follows in another one was made on what was made before.
        is_cut = plan.stops and log == plan.logs[-1]
        stop = binary_log.end(path, plan.to if is_cut else None, log.last)
        start = plan.base.position if log.number == plan.base.log else 4
        if stop > start:
            reader = f'{self._configuration.log_reader} --start-position={start} --stop-position={stop} "{path}"'
            # The client's end is noticed by the client's own exit code.
            run = subprocess.run(["bash", "-c", reader], stdout=client, stderr=subprocess.PIPE, text=True, check=False)
            if run.returncode not in (0, -signal.SIGPIPE):
                raise Failed(f"log {log.number:06} cannot be read: {_last(run.stderr)}")
        path.unlink()

    def _fetch(self, log: Log) -> Path:
        path = self._beside / f"log.{log.number:06}"
        with (
            path.open("wb") as file,
            subprocess.Popen(_UNZIP, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.DEVNULL) as zstd,
        ):
            assert zstd.stdin
            with contextlib.suppress(BrokenPipeError), zstd.stdin as sink:
                for piece in self._store.pieces(log.name):
                    sink.write(piece)
        with path.open("rb") as file:
            sha = hashlib.file_digest(file, "sha256").hexdigest()
        if zstd.returncode or not sha.startswith(log.sha):
            raise Refusal(f"log {log.number:06} of history {log.history} is damaged ({log.name})")
        return path


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "no message"


def _last_error(log: Path) -> str:
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if "error" in line.lower()]
    except OSError:
        lines = []
    return _last("\n".join(line for line in lines if "Aborting" not in line))


def fill(restore: Restore, chain: Chain, to: datetime | None) -> Base:
    """Fill a directory with the data of a second; a base that is damaged, or fails, is replaced by the one before it.

    Args:
        to: the last second wanted; None for all that there is.

    Returns:
        The base that was taken.

    Raises:
        Refusal: the backup does not have what it takes.
        Failed, ServerError, StoreError: see there; `Failed` also where it has failed with several bases.
    """
    unusable: list[Base] = []
    failures: list[Failed] = []
    while True:
        try:
            plan = choose(chain, to, without=unusable)
        except Refusal:
            if failures:
                raise failures[0] from None
            raise
        try:
            with restore.run(plan, restore.details(plan.base)):
                return plan.base
        except (Damaged, ValueError, Failed) as error:
            if isinstance(error, Failed):
                failures.append(error)
            if len(failures) == _FAILURES:
                raise
            say(f"the base of {said(plan.base.begun)} cannot be used: {error}; trying the base before it")
            unusable.append(plan.base)


def found(store: Store) -> Chain:
    """Return what is in a store; where it refuses, it is asked again for some minutes."""
    until = time.monotonic() + _STORE_SECONDS
    while True:
        try:
            return store.chain()
        except StoreError as error:
            if time.monotonic() > until:
                raise
            say(f"waiting for the storage account {store.account}: {error}")
            time.sleep(15)


def main(arguments: list[str]) -> int:
    (directory,) = arguments
    configuration = load()
    store = Store(configuration.restore_account, patient=True)
    to = None if configuration.restore_to == "latest" else from_said(configuration.restore_to)
    try:
        fill(Restore(configuration, store, Path(directory)), found(Store(configuration.restore_account)), to)
    except (Refusal, Failed, ServerError, StoreError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
