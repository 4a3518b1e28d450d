"""A shell on one of a stack's machines."""

import argparse
import sys

from operations.command import Command
from operations.error import OperationError
from operations.stack import Stack
from operations.terminal import hand_over


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE", nargs="?", help="the machine's name, such as mysql-prod-1")


def _run(stack: Stack, options: argparse.Namespace) -> int:
    machines = {machine.name: machine for machine in stack.machines}
    if options.node not in machines:
        wrong = f"there is no {options.node}" if options.node else "no machine is named"
        raise OperationError(f"{wrong}: NODE is one of {', '.join(machines)}")
    # Without a terminal a login shell would tell the message of the day first.
    return hand_over([*machines[options.node].ssh(), *([] if sys.stdin.isatty() else ["bash", "-s"])])


COMMAND = Command(
    "ssh", "Open a shell on one of the stack's machines, or run there what you pipe in.", _run, _add_options
)
