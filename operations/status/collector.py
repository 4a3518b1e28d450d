"""Runs on each node of a cluster that is monitored, all the time: writes its metrics for the node exporter.

All that a node knows is asked once in a while, in one process: to start Python anew each time would cost more than all
else together. In between it glances at what shows at once that something has happened, and costs next to nothing.
"""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from configs.pacemaker import look
from operations.status import facts, metrics

# A look took 0.35 s of the processor of a machine of the lab, which is slow: less than a percent.
EVERY_SECONDS = 45

GLANCE_SECONDS = 2
"""From one glance to the next: it reads two files of the kernel's."""

SOON_SECONDS, FOR_SECONDS = 8, 90
"""How often, and for how long, it looks after something has happened: until a fail-over has ended."""

_DRBD = re.compile(r"cs:\S+ ro:\S+ ds:\S+")


def glance() -> tuple[object, ...]:
    """Return what changes as soon as a node, the copying, or the server is lost or back."""
    return (*_DRBD.findall(look.content("/proc/drbd") or ""), look.listens(), look.FACTS["cannot_ask"]())


def wait(seen: Sequence[object], soon: bool) -> bool:
    """Wait until it is time for the next look; tell whether something has happened since the last one.

    Args:
        seen: the glance of the last look.
        soon: whether something has happened of late. Then no change makes it look earlier, so that a connection that
            comes and goes costs no more than this.
    """
    if soon:
        time.sleep(SOON_SECONDS)
        return glance() != seen
    end = time.monotonic() + EVERY_SECONDS
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, GLANCE_SECONDS))
        if glance() != seen:
            return True
    return False


def ask(node: str, peer: str, witness: str | None) -> str:
    """Return what is to be told of a node now."""
    seen = facts.read({node: look.tell(facts.wanted(witness)), peer: None}, witness)
    return metrics.text(seen, node, time.time())


def write(file: Path, text: str) -> None:
    """Write a file whole, or not at all."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.replace(file)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="collector", description=__doc__)
    parser.add_argument("node", help="this node's name in the cluster")
    parser.add_argument("peer", help="the other node's")
    parser.add_argument("file", type=Path, help="where the node exporter finds it, a name that ends with .prom")
    parser.add_argument("--witness", help="the witness's name, if there is one")
    options = parser.parse_args(arguments)
    happened = time.monotonic()  # a node that starts has been lost before
    while True:
        seen = glance()
        write(options.file, ask(options.node, options.peer, options.witness))
        if wait(seen, time.monotonic() - happened < FOR_SECONDS):
            happened = time.monotonic()


if __name__ == "__main__":
    sys.exit(main())
