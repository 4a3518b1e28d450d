"""Shows what can be restored of a stack's backups: `python -m operations.backups --stack STACK`."""

import argparse
import json
import subprocess
import sys
from typing import Any

from components.checkout import CHECKOUT
from operations.command import Command
from operations.error import OperationError
from operations.stack import Stack


def account(stack: Stack) -> str:
    """Return the name of the storage account that a stack is backed up in.

    Raises:
        OperationError: it is not backed up.
    """
    told = str(stack.outputs.get("backup") or "OFF")
    if told.startswith("OFF"):
        raise OperationError(
            f"stack {stack.cli.stack} has no backups: set backup to true, then run {' '.join(stack.update)}"
        )
    return told.rpartition("/")[2]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _command(stack: Stack, *options: str) -> list[str]:
    # From where the stack's CLI is run, with its environment: a lab's storage is reached from within the lab only.
    return [*stack.cli.prefix, sys.executable, "-m", "operations.backup.listing", account(stack), *options]


def ask(stack: Stack) -> dict[str, Any]:
    """Return what `--json` shows.

    Raises:
        OperationError: the stack has no backups, or they cannot be read.
    """
    command = _command(stack, "--json")
    run = subprocess.run(command, cwd=CHECKOUT, env=stack.cli.environment, capture_output=True, text=True, check=False)
    if not run.stdout:
        raise OperationError(run.stderr.strip())
    return json.loads(run.stdout)


def _run(stack: Stack, options: argparse.Namespace) -> int:
    command = _command(stack, *(["--json"] if options.json else []))
    return subprocess.run(command, cwd=CHECKOUT, env=stack.cli.environment, check=False).returncode


COMMAND = Command(
    "backups", "Show what can be restored; exit code 0 if, and only if, there is no alarm.", _run, _add_options
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
