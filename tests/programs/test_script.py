"""What all scripts have in common: no line that they print is longer than the command provider can take."""

import subprocess
from types import SimpleNamespace

import pytest

from components.templates import render

LONGEST = 4 * 4096 + len("...")
"""Bytes of the longest line, all of it characters of 4 bytes; bufio.Scanner of Go takes 64 KiB."""


def run(body: str) -> subprocess.CompletedProcess[str]:
    """Run a script's own frame with another body."""
    names = {"purpose": "Tries it.", "cluster_name": "mysql", "node": SimpleNamespace(name="mysql-1")}
    script = render("host/script.sh.j2", names)
    head = script[: script.index("# One script of ours at a time")]
    return subprocess.run(
        ["bash", "-s"],
        input=f"{head}main() {{\n{body}\n}}\n{script.splitlines()[-1]}\n",
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("character", ["x", "\N{GRINNING FACE}"])
def test_long_lines_are_cut(character: str) -> None:
    long = f"printf '{character}%.0s' {{1..70000}}"
    done = run(f"for stream in 1 2; do {long} >&$stream; echo next >&$stream; echo z; done")
    for text in (done.stdout, done.stderr):
        assert text.startswith(character * 4096)
        assert all(len(line.encode()) <= LONGEST for line in text.splitlines()), "it would hang"
    assert done.stdout.splitlines()[1:] == ["z", "z"], done.stdout[-100:]
    assert done.returncode == 0


def test_streams_and_exit_code_stay_what_they_are() -> None:
    done = run("echo out; echo err >&2; printf rest; read -r line || echo end; trap 'echo last' EXIT; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == ("out\nrestend\nlast\n", "err\n", 3)
    assert run("false; echo never").stdout == ""
    assert run("false; echo never").returncode == 1
    stopped = run('stop "this" "that" "Do it."')
    assert stopped.returncode == 1 and stopped.stderr.startswith("STOPPED on ")
