"""The sampler's script, by bash itself, on a machine without DRBD; and streams that come and go."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.checkout import CHECKOUT
from drills.proof.sampler import Journal, Stream
from drills.proof.timeline import parse_sample
from lab.lab import wait_until
from operations.ssh import Node
from operations.ssh_agent import Agent

SCRIPT = CHECKOUT / "drills/proof/sampler.sh"


def test_it_samples_and_ends_with_who_listens() -> None:
    process = subprocess.Popen(
        ["bash", "-c", SCRIPT.read_text()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    samples = [parse_sample("a", process.stdout.readline()) for _ in range(3)]
    process.stdin.close()
    assert process.wait(5) == 0
    times: list[float] = []
    for sample in samples:
        assert sample is not None and (sample.role, sample.connection, sample.disks) == ("-", "-", "-")
        assert sample.booted < sample.at
        times.append(sample.at)
    assert abs(times[-1] - time.time()) < 5
    assert 0.35 < times[2] - times[0] < 5, "five a second, or fewer where the machine is busy"


@pytest.mark.parametrize("name", ["mariadbd", "mysqld"])
def test_it_finds_a_server_that_starts_and_misses_one_that_has_gone(tmp_path: Path, name: str) -> None:
    process = subprocess.Popen(
        ["bash", "-c", SCRIPT.read_text()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None

    def next_server() -> int | None:
        assert process.stdout is not None
        sample = parse_sample("a", process.stdout.readline())
        assert sample is not None
        return sample.server

    before = next_server()
    if before is not None:
        pytest.skip("a database server runs here")
    program = tmp_path / name
    program.symlink_to(os.path.realpath("/bin/sleep"))
    server = subprocess.Popen([program, "60"])
    try:
        wait_until("the server to be seen", lambda: next_server() == server.pid, 10, every=0)
        server.kill()
        # A zombie until it is waited for: it serves nobody.
        wait_until("its end to be seen", lambda: next_server() is None, 10, every=0)
    finally:
        server.kill()
        server.wait()
        process.stdin.close()
        process.wait(5)


class Here(Node):
    """A node that is this machine: its commands are run by the shell."""

    def command(self, remote: str, *options: str) -> list[str]:
        return ["bash", "-c", remote]


HERE = Here("here", "", Agent(Path()))


def test_a_stream_is_taken_up_again() -> None:
    lines: list[str] = []
    stream = Stream(HERE, "echo $$; echo over", lines.append)
    stream.start()
    wait_until("a second run", lambda: lines.count("over") >= 2, 10)
    stream.stop()
    assert len(set(lines)) >= 3, "each run is a process of its own"


def test_a_journal_has_no_line_twice(tmp_path: Path) -> None:
    journal = Journal(HERE, 5.5, tmp_path / "journal.log")
    (tmp_path / "journalctl").write_text(f'#!{sys.executable}\nprint("1.5 n kernel: once", "2.5 n x: y", sep="\\n")\n')
    (tmp_path / "journalctl").chmod(0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{tmp_path}:{path}"
    try:
        begin = time.monotonic()
        journal.start()
        wait_until("two runs of it", lambda: journal.lines and time.monotonic() - begin > 1.5, 10)
        journal.stop()
    finally:
        os.environ["PATH"] = path
    assert journal.lines == ["1.5 n kernel: once", "2.5 n x: y"]
    assert (tmp_path / "journal.log").read_text() == "1.5 n kernel: once\n2.5 n x: y\n"
