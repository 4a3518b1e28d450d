"""Asks all questions at once, and shows the answers in one table."""

import importlib
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from operations import plan
from operations.arm import Refusal
from operations.check.answer import Answer
from operations.check.asked import Asked
from operations.cli import Cli
from operations.command import cli_of, exit_code_of, stack_parser

_FOLDER = Path(__file__).parent / "questions"

QUESTIONS = sorted(file.stem for file in _FOLDER.glob("*.py") if file.stem != "__init__")
"""Each module of questions/ has `ask(asked)`, which yields answers."""


@dataclass(frozen=True)
class Line:
    """A question, and an answer to it."""

    question: str
    answer: Answer


def ask(asked: Asked) -> list[Line]:
    """Ask all questions; what Azure does not tell is "unknown"."""

    def answers(question: str) -> list[Line]:
        module: Any = importlib.import_module(f"operations.check.questions.{question}")
        try:
            return [Line(question, answer) for answer in module.ask(asked)]
        except Refusal as refusal:
            return [Line(question, Answer("unknown", "", str(refusal)))]

    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        return [line for lines in pool.map(answers, QUESTIONS) for line in lines]


def table(lines: Sequence[Line]) -> str:
    """Return the answers, a line each, and how many of each kind there are."""
    rows = [(each.question, each.answer.verdict, each.answer.about, each.answer.text) for each in lines]
    rows = [(question, verdict.upper() if verdict == "no" else verdict, *rest) for question, verdict, *rest in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    text = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    ]
    verdicts = [each.answer.verdict for each in lines]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("yes", "no", "unknown"))
    return "\n".join([*text, "", counts])


def command(cli: Cli, *options: str) -> list[str]:
    """Return what asks about a stack from where its CLI is run, with the CLI's environment.

    Args:
        cli: the Pulumi CLI on the stack.
        options: further options.
    """
    stack = ("--stack", cli.stack, "--config-file", str(cli.settings_file), "--pulumi", cli.program)
    return [*cli.prefix, sys.executable, "-m", "operations.check", *stack, *options]


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask; return 1 if an answer is "no"."""
    parser = stack_parser("check", "Ask the subscription whether the stack can be made there; change nothing.")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(arguments)

    def run() -> int:
        from operations.arm_client import Azure  # takes a second to load

        planned = plan.of(cli_of(options))
        lines = ask(Asked(planned, Azure(planned.config.get("azure-native:subscriptionId", ""))))
        print(json.dumps([asdict(line) for line in lines], indent=2) if options.json else table(lines))
        return 1 if any(line.answer.verdict == "no" for line in lines) else 0

    return exit_code_of("check", run)
