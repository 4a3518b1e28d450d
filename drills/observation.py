"""What is seen of a cluster while a drill goes on: the writer's rows, samples and journals of its nodes, its power."""

import contextlib
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from drills.proof import timeline
from drills.proof.sampler import Journal, Sampler
from drills.proof.timeline import Power, Sample
from drills.target import Fencing, Target
from lab.cloud.client import CloudError
from lab.writer import Writer
from operations.ssh import Node

_POWER_SECONDS = 0.5
"""Time between two looks at the machines' power; the lab cloud itself looks as often."""


class Observation:
    """The observation of one drill, from now on.

    Args:
        folder: gets the attempts and the journals; it is there.
        pace: rows a second.
    """

    def __init__(self, target: Target, folder: Path, pace: float) -> None:
        self.begin = time.time()
        self.powers: list[Power] = []
        self.sampler = Sampler(list(target.nodes))
        self.writer = Writer(target.connect, target.inside, folder / "writes.jsonl", pace)
        self.journals = [Journal(node, self.begin, folder / f"journal-{node.name}.log") for node in target.nodes]
        self._target = target

    @contextmanager
    def running(self) -> Generator[None]:
        """Write, sample, and follow journals and power while the body runs; it may stop the writer itself."""
        done = threading.Event()
        watcher = threading.Thread(target=self._watch_power, args=(done,), daemon=True)
        for part in (self.sampler, *self.journals, watcher, self.writer):
            part.start()
        try:
            yield
        finally:
            if self.writer.is_alive():
                self.writer.stop()
            done.set()
            watcher.join()
            self.sampler.stop()
            for journal in self.journals:
                journal.stop()

    def _watch_power(self, done: threading.Event) -> None:
        while not done.is_set():
            with contextlib.suppress(CloudError, OSError):
                powers = self._target.power()
                self.powers += [Power(node, time.time(), on) for node, on in powers.items()]
            done.wait(_POWER_SECONDS)

    # --- now

    def sample(self, node: Node) -> Sample | None:
        """Return what a node is like now; None where it does not say."""
        return self.sampler.fresh(node.name)

    def is_promoted(self, node: Node) -> bool:
        """Tell whether a node has DRBD promoted now."""
        sample = self.sample(node)
        return sample is not None and sample.is_promoted

    def serves(self, node: Node) -> bool:
        """Tell whether a node has DRBD promoted and a server running now."""
        sample = self.sample(node)
        return sample is not None and sample.is_promoted and sample.server is not None

    def is_whole(self) -> bool:
        """Tell whether DRBD says on both nodes that both copies are good."""
        seen = [self.sample(node) for node in self._target.nodes]
        return all(sample is not None and sample.is_whole for sample in seen)

    # --- as last seen

    def _last(self, node: Node) -> Sample:
        _, sample = self.sampler.latest[node.name]
        return sample

    def role(self, node: Node) -> str:
        """Return DRBD's role on a node as last seen, - where it is down."""
        return self._last(node).role

    def disk(self, node: Node) -> str:
        """Return DRBD's own disk on a node as last seen, such as UpToDate; - where DRBD is down."""
        return self._last(node).disks.split("/")[0]

    def server(self, node: Node) -> int | None:
        """Return the process id of a node's server as last seen; None without one."""
        return self._last(node).server

    def last_boot(self, node: Node) -> float:
        """Return when a node's kernel started as last seen, in seconds of the epoch, to the second before."""
        return self._last(node).booted - timeline.BOOT_SLACK_SECONDS

    # --- since

    def writes_since(self, at: float) -> bool:
        """Tell whether a row was acknowledged that was sent after a time in seconds of the epoch."""
        return any(write.acknowledged is not None and write.sent > at for write in reversed(self.writer.writes[-200:]))

    def was_promoted_on_bad_data(self, node: Node, since: float) -> bool:
        """Tell whether a node had DRBD promoted without all of the data, since a time in seconds of the epoch."""
        return any(
            one.node == node.name and one.at > since and one.is_promoted and not one.disks.startswith("UpToDate/")
            for one in list(self.sampler.samples)
        )

    def fencings(self) -> list[Fencing]:
        return self._target.fencings(self.begin, [journal.lines for journal in self.journals])

    def fenced(self) -> bool:
        """Tell whether a machine has been fenced, to the end."""
        return any(one.ended is not None for one in self.fencings())

    def last_fencing(self) -> float:
        """Return when the last fencing ended, in seconds of the epoch; 0 without one."""
        return max((one.ended or 0 for one in self.fencings()), default=0)
