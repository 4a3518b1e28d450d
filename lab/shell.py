"""Runs commands that take long: a log of what they say, and a sign of life for who waits."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Progress = Callable[[str], None]


class CommandError(RuntimeError):
    """A command failed; the message has the end of what it said."""


def say(line: str) -> None:
    """Print one line of progress at once: the default `Progress` of the command lines."""
    print(line, flush=True)


def end_group(process: subprocess.Popen[bytes], grace_seconds: float = 5.0) -> None:
    """End a process that leads its own group, and the whole group: first by request, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def run(
    argv: Sequence[str],
    *,
    label: str,
    log: Path,
    progress: Progress,
    every_seconds: float = 10.0,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Run a command to its end.

    Args:
        log: file that receives all it prints, at its end.
        progress: called with `label` and the elapsed time, once every `every_seconds`.
        every_seconds: time between two lines of progress.
        environment: variables instead of the caller's own.
        folder: where it runs; the caller's own by default.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    with log.open("ab") as out:
        start_of_output = out.tell()
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=None if environment is None else dict(environment),
        )
        try:
            while True:
                try:
                    status = process.wait(every_seconds)
                    break
                except subprocess.TimeoutExpired:
                    progress(f"{label}: {time.monotonic() - begin:.0f} s")
        except BaseException:
            end_group(process)
            raise
    if status != 0:
        with log.open("rb") as text:
            text.seek(start_of_output)
            last = text.read().decode(errors="replace").splitlines()[-12:]
        raise CommandError(f"{label}: {argv[0]} ended with status {status}; log {log}:\n  " + "\n  ".join(last))
