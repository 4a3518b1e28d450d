"""Proves an empty stack in a subscription, or in the lab: what `make proof` calls."""

import argparse
import subprocess
import sys
import time

from components.checkout import CHECKOUT
from drills.__main__ import azure_target
from drills.report import report, verification
from drills.target import LabTarget
from drills.whole import Whole
from lab.cloud.client import CloudError
from lab.engine import tracked_settings
from lab.lab import Lab
from lab.paths import LabPaths
from lab.progress import Progress
from lab.shell import CommandError
from lab.toolchain import ToolchainError
from operations.cli import Cli
from operations.error import OperationError

RUNS = CHECKOUT / "build" / "proof"


def main() -> int:
    """Go the whole way; return 1 if a stage failed."""
    parser = argparse.ArgumentParser(prog="python -m drills.prove", description=__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--lab", default="lab", help="the lab's name (default: lab)")
    where.add_argument(
        "--stack", help="an empty stack on Azure instead: what it makes costs money until it is destroyed"
    )
    options = parser.parse_args()
    progress = Progress()
    folder = RUNS / time.strftime("%Y%m%d-%H%M%S")
    try:
        if options.stack:
            cli = Cli(options.stack)
            whole = Whole(cli, lambda: azure_target(options.stack), folder, progress)
            return _go(whole, f"Stack {options.stack}, in a subscription")
        lab = Lab(LabPaths(options.lab), progress)
        was_up = lab.is_up()
        lab.set_up([str(tracked_settings("lab")["operatingSystem"])])
        lab.start()
        try:
            engine = lab.engine()
            engine.prepare({"backup": True})
            return _go(Whole(engine, lambda: LabTarget(lab), folder, progress), "Stack lab, in the lab")
        finally:
            if not was_up:
                lab.down()
    except (OperationError, ToolchainError, CloudError, CommandError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _go(whole: Whole, where: str) -> int:
    settings = whole.cli.settings()
    version = whole.cli.version
    try:
        passed = whole.go()
    finally:
        if whole.stages:
            commit = subprocess.run(
                ["git", "describe", "--always", "--dirty"], cwd=CHECKOUT, capture_output=True, text=True, check=False
            ).stdout.strip()
            title = f"{where}, {time.strftime('%Y-%m-%d')}, commit {commit}, pulumi {version}"
            page = verification.write(whole.folder, title, whole.stages, whole.results, settings)
            print(f"\n{page.read_text()}\n{page}")
            if whole.results:
                print(report.write(whole.folder))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
