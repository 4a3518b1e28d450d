"""Watches a node over SSH for as long as a drill takes, through its crashes and returns."""

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from drills.proof.timeline import Sample, parse_sample
from operations.ssh import Node

_SCRIPT = Path(__file__).with_name("sampler.sh").read_text()

# A node that is gone says nothing: its stream is given up after 4 s, more than a busy guest has been silent.
_ALIVE = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=4")

_AGAIN_SECONDS = 0.5
"""Rest between two attempts to reach a node."""


class Stream(threading.Thread):
    """Runs a command on a node and hands over its lines; starts it again whenever it ends.

    Args:
        command: shell text; its standard input stays open as long as somebody listens.
        receive: called with each line, in this thread.
    """

    def __init__(self, node: Node, command: str, receive: Callable[[str], None]) -> None:
        super().__init__(name=f"stream {node.name}", daemon=True)
        self._node = node
        self._command = command
        self._receive = receive
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def stop(self) -> None:
        self._ended.set()
        if self._process is not None:
            self._process.kill()
        self.join()

    def run(self) -> None:
        """Listen; called by the thread."""
        while not self._ended.is_set():
            self._process = subprocess.Popen(
                self._node.command(self._command, *_ALIVE),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
            )  # fmt: skip
            if self._ended.is_set():  # stop() may have missed this process
                self._process.kill()
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self._receive(line.rstrip("\n"))
            self._process.kill()
            self._process.wait()
            self._ended.wait(_AGAIN_SECONDS)


class Sampler:
    """Samples of all nodes, about five a second each."""

    def __init__(self, nodes: list[Node]) -> None:
        self.samples: list[Sample] = []
        self.latest: dict[str, tuple[float, Sample]] = {}
        """By node: when it was received, in seconds of the epoch, and the sample."""
        self._streams = [Stream(node, _SCRIPT, self._receiver(node.name)) for node in nodes]

    def _receiver(self, node: str) -> Callable[[str], None]:
        def receive(line: str) -> None:
            sample = parse_sample(node, line)
            if sample is not None:
                self.samples.append(sample)
                self.latest[node] = time.time(), sample

        return receive

    def start(self) -> None:
        for stream in self._streams:
            stream.start()

    def stop(self) -> None:
        for stream in self._streams:
            stream.stop()

    def fresh(self, node: str, seconds: float = 2.0) -> Sample | None:
        """Return a node's last sample if it is not older than some seconds."""
        received, sample = self.latest.get(node, (0.0, None))
        return sample if time.time() - received <= seconds else None


class Journal:
    """A node's journal, followed: what a machine said just before its power failed is on no disk.

    Args:
        since: seconds of the epoch.
        file: gets the lines, in the form of short-unix; after an interruption those that were missed, and none twice.
    """

    def __init__(self, node: Node, since: float, file: Path) -> None:
        self.node = node
        self.lines: list[str] = []
        self._seen: set[str] = set()
        self._file = file
        self._output = file.open("w", buffering=1)
        self._stream = Stream(
            node, f"journalctl --follow --no-tail --quiet --output=short-unix --since=@{since:.0f}", self._receive
        )

    def _receive(self, line: str) -> None:
        if line not in self._seen:
            self._seen.add(line)
            self.lines.append(line)
            print(line, file=self._output)

    def start(self) -> None:
        self._stream.start()

    def stop(self) -> None:
        """End; what has not come by then is asked for by the caller."""
        self._stream.stop()
        self._output.close()
