"""The load: sysbench inserts rows as fast as they are acknowledged."""

import resource
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from components import ports
from lab import application, preflight
from lab.application import Client
from lab.benchmarks.figures import Load, read_sysbench
from lab.lab import Lab
from operations.ssh import Node

PROGRAMS = {"sysbench": "sysbench"}
"""What the machine needs beside what a lab needs: program → Debian's package."""

_CLEAR_TEXT = "set global require_secure_transport = off"

_ROWS = 1000
"""Rows that a table begins with; further ones are inserted."""


def take_clear_text(machines: Iterable[Node]) -> None:
    """Have servers take the load in clear text, until they start anew: sysbench's TLS wants a client's certificate."""
    for machine in machines:
        # Not all have a server.
        machine.run(f"$(command -v mariadb mysql | head -n 1) --execute '{_CLEAR_TEXT}'", check=False)


class Sysbench:
    """sysbench's own test `oltp_insert`: one row of about 200 bytes with a secondary key, committed by itself.

    Args:
        prefix: what to run it with, such as `ip netns exec NAME`.
        target: its account may create tables.
        options: file that it is given its options in, for the password's sake; overwritten.
    """

    def __init__(self, prefix: Sequence[str], target: Client, options: Path) -> None:
        options.touch(mode=0o600)
        options.write_text(
            "db-driver=mysql\n"
            f"mysql-host={target.host}\n"
            f"mysql-port={target.port}\n"
            f"mysql-user={target.user}\n"
            f"mysql-password={target.password}\n"
            f"mysql-db={target.database}\n"
            f"tables=1\ntable-size={_ROWS}\n"
        )
        self._command = [*prefix, "sysbench", f"--config-file={options}"]

    def _do(self, verb: str, seconds: float, *options: str) -> str:
        done = subprocess.run(
            [*self._command, *options, "oltp_insert", verb],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 60, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"sysbench {verb}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def prepare(self) -> None:
        """Make the table anew.

        Raises:
            RuntimeError: sysbench failed; the text is what it said.
        """
        self._do("cleanup", 0)
        self._do("prepare", 0)

    def run(self, connections: int, seconds: int) -> Load:
        """Write for some time.

        Raises:
            RuntimeError: sysbench failed; the text is what it said.
            ValueError: some statements failed.
        """
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = self._do("run", seconds, f"--threads={connections}", f"--time={seconds}", "--events=0", "--histogram")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return read_sysbench(report, connections, processor)


def at_endpoint(lab: Lab) -> Sysbench:
    """Return the load on a lab's cluster, from inside the lab; the programs that it needs are installed."""
    preflight.install(lab.progress, PROGRAMS)
    target = replace(application.client(lab), host=lab.outputs()["endpoint"]["host"], port=ports.MYSQL)
    return Sysbench(lab.prefix, target, lab.paths.state / "sysbench.cnf")
