"""A server that runs on this machine, asked and told as its root, who needs no password at the local socket."""

import os
import select
import signal
import subprocess
import threading
from pathlib import Path

from .configuration import Configuration


class ServerError(Exception):
    """The server does not answer, or refuses; one line."""


class Server:
    """A server by its socket."""

    def __init__(self, configuration: Configuration, socket: str | None = None) -> None:
        self.options = [f"--socket={socket or configuration.socket}", "--user=root"]
        """By which each of its programs finds it."""
        self._client = configuration.client

    def client(self, *options: str) -> list[str]:
        """Return the command line of a client."""
        return [self._client, "--no-defaults", *self.options, "--batch", *options]

    def ask(self, statement: str) -> list[list[str]]:
        """Return the rows of a statement's answer.

        Raises:
            ServerError: there is none.
        """
        try:
            run = subprocess.run(
                self.client("--skip-column-names", "--connect-timeout=10"),
                input=statement, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ServerError(f"no answer to {statement} for 120 s") from error
        if run.returncode:
            raise ServerError(
                run.stderr.strip().splitlines()[-1] if run.stderr.strip() else f"no answer to {statement}"
            )
        return [line.split("\t") for line in run.stdout.splitlines()]


def serving_pid(configuration: Configuration) -> int | None:
    """Return the process of the server that serves here; None where none does."""
    try:
        pid = int(Path(configuration.pid_file).read_text(encoding="ascii"))
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return pid if name == Path(configuration.program).name else None


def end_with(pid: int) -> None:
    """End this program, with all that it has started, as soon as a process ends.

    The server is stopped where the service moves away, and the file system is to be free at once.
    """
    watched = os.pidfd_open(pid)

    def wait() -> None:
        select.select([watched], [], [])
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def end_when_mounted(mount_point: str) -> None:
    """The same as soon as a file system is mounted there: this node is to serve, and needs its memory."""

    def wait() -> None:
        # The kernel says so when anything is mounted or unmounted.
        with Path("/proc/self/mounts").open("rb") as mounts:
            changes = select.poll()
            changes.register(mounts, select.POLLPRI)
            while not os.path.ismount(mount_point):
                changes.poll()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
