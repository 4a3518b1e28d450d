"""Runs on each node of a cluster that is monitored, all the time: writes its metrics for the node exporter.

All that a node knows is asked once in a while, in one process: to start Python anew each time would cost more than all
else together.
"""

import argparse
import sys
import time
from pathlib import Path

from configs.pacemaker import look
from operations.status import facts, metrics

# A look took 0.35 s of the processor of a machine of the lab, which is slow: less than a percent.
EVERY_SECONDS = 45


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
    while True:
        write(options.file, ask(options.node, options.peer, options.witness))
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
