"""What the commands of this folder have in common: how a stack is named, how one is reached, what a failure says."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from operations.cli import Cli
from operations.error import OperationError
from operations.stack import Stack


def _no_options(parser: argparse.ArgumentParser) -> None:
    """Add nothing."""


@dataclass(frozen=True)
class Command:
    """What a person runs on a stack that can be reached.

    Args:
        name: the verb of the lab's command, and the module's, which has `_` for `-`.
        run: does it; returns the exit code, or raises OperationError.
    """

    name: str
    text: str
    run: Callable[[Stack, argparse.Namespace], int]
    add_options: Callable[[argparse.ArgumentParser], None] = _no_options

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run it as a module of its own; return the exit code."""
        parser = stack_parser(self.name, self.text)
        self.add_options(parser)
        options = parser.parse_args(arguments)

        def run() -> int:
            return self.run(Stack(cli_of(options)), options)

        return exit_code_of(self.name, run)


def stack_parser(name: str, text: str) -> argparse.ArgumentParser:
    """Return a parser that knows how a stack is named."""
    parser = argparse.ArgumentParser(prog=f"python -m operations.{name.replace('-', '_')}", description=text)
    parser.add_argument("--stack", help="the stack (default: the selected one)")
    parser.add_argument(
        "--config-file", type=Path, metavar="FILE", help="the file with its settings (default: Pulumi.STACK.yaml)"
    )
    parser.add_argument("--pulumi", default="pulumi", metavar="CLI", help="the Pulumi CLI (default: the one on PATH)")
    return parser


def cli_of(options: argparse.Namespace) -> Cli:
    """Return the CLI on the stack that is named.

    Args:
        options: what a `stack_parser` has read.

    Raises:
        CliError: none is named, and none is selected.
    """
    stack: str = options.stack or Cli.selected(options.pulumi)
    return Cli(stack, options.pulumi, options.config_file)


def exit_code_of(name: str, action: Callable[[], int]) -> int:
    """Do something and return its exit code; where it cannot be done, say why on standard error and return 1."""
    try:
        return action()
    except OperationError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
