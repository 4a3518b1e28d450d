"""Gathers what a stack's machines have logged into one folder: `python -m operations.logs --stack STACK`."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components.checkout import CHECKOUT
from operations.command import Command
from operations.ssh import Node
from operations.stack import Stack

FOLDER = CHECKOUT / "build" / "logs"
"""Has a folder for each stack, and each lab."""

_LOOK = "journalctl --no-pager; crm_mon --one-shot --inactive; cat /proc/drbd; true"
_SECONDS = 60


def keep(machines: Sequence[Node], folder: Path) -> None:
    """Write a file for each machine, NAME-journal.log: its journal, and how its Pacemaker and its DRBD are."""
    folder.mkdir(parents=True, exist_ok=True)

    def ask(node: Node) -> None:
        try:
            journal = node.run(_LOOK, timeout=_SECONDS)
        except subprocess.TimeoutExpired as error:
            journal = f"cannot be asked: {error}\n"
        except subprocess.CalledProcessError as error:
            journal = f"cannot be asked: {error.stderr}\n"
        (folder / f"{node.name}-journal.log").write_text(journal)

    with ThreadPoolExecutor() as pool:
        list(pool.map(ask, machines))


def _run(stack: Stack, _options: argparse.Namespace) -> int:
    folder = FOLDER / stack.cli.short_name
    keep(stack.machines, folder)
    print(folder)
    return 0


COMMAND = Command("logs", "Collect the journals of the stack's machines in one folder, and print its name.", _run)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
