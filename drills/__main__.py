"""Runs drills on a lab's cluster, or on a real stack: what `make drill` calls."""

import argparse
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from components.checkout import CHECKOUT
from drills import scenario
from drills.conductor import conduct
from drills.drill import USUAL, Extent, NotWellError
from drills.proof import record
from drills.proof.record import Result
from drills.scenario import Scenario
from drills.target import LabTarget, Target
from lab.cloud.client import CloudError
from lab.lab import Lab, LabError
from lab.paths import LabPaths
from lab.progress import Progress
from lab.shell import CommandError
from lab.toolchain import ToolchainError
from operations.error import OperationError

RUNS = CHECKOUT / "build" / "drills"


def main() -> int:
    """Run the drills that are asked for; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"one of {', '.join(scenario.catalogue())}; all"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--lab", default="lab", help="the lab's name; it is brought up if it is not running (default: lab)"
    )
    where.add_argument("--stack", help="a stack on Azure instead: its machines WILL be switched off")
    parser.add_argument("--repeat", type=_count, default=1, help="how many times each is run (default: 1)")
    parser.add_argument("--pace", type=_rate, default=USUAL.pace, help="rows a second (default: %(default)g)")
    parser.add_argument(
        "--moves", type=_count, default=USUAL.moves, help="moves of a drill `standby` or `move` (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes", type=_count, default=USUAL.minutes, help="length of `quiet` (default: %(default)s)"
    )
    arguments = parser.parse_args()
    # A drill that is ended undoes its fault first.
    signal.signal(signal.SIGTERM, _end)
    progress = Progress()
    try:
        chosen = scenario.choose(arguments.scenarios)
        target = azure_target(arguments.stack) if arguments.stack else lab_target(arguments.lab, progress)
        extent = Extent(arguments.pace, arguments.moves, arguments.minutes)
        results = run(target, chosen, new_run(), progress, extent, repeat=arguments.repeat)
    except (
        OperationError, ToolchainError, CloudError, CommandError, NotWellError, ValueError,
        subprocess.SubprocessError,
    ) as error:  # fmt: skip
        print(error, file=sys.stderr)
        return 1
    return 0 if results and all(result.passed for result in results) else 1


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(1)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _rate(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1000:
        raise ValueError(text)
    return number


def lab_target(name: str, progress: Progress) -> LabTarget:
    """Return a lab's cluster, made first if there is none."""
    lab = Lab(LabPaths(name), progress)
    try:
        lab.outputs()
    except LabError:
        lab.up()
    return LabTarget(lab)


def azure_target(stack: str) -> Target:
    """Return a stack's cluster on Azure."""
    from drills.azure import AzureTarget  # Azure's clients take a second to load

    return AzureTarget(stack)


def new_run() -> Path:
    """Make the folder of a new run, named by the time."""
    folder = RUNS / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    return folder


def run(
    target: Target,
    chosen: list[Scenario],
    folder: Path,
    progress: Progress,
    extent: Extent = USUAL,
    *,
    repeat: int = 1,
) -> list[Result]:
    """Run drills one after the other, and print the table of their results.

    Raises:
        NotWellError: the cluster is not well before a drill; what ran before has its records.
    """
    results: list[Result] = []
    times: Counter[str] = Counter()
    try:
        with target.watched(folder / "prometheus"):
            for one in chosen:
                reason = why_not(one, target)
                if reason:
                    progress(f"{one.name}: left out: {reason}")
                    continue
                for _ in range(repeat):
                    times[one.name] += 1
                    number = times[one.name]
                    place = folder / f"{one.name}-{number}"
                    results.append(conduct(one, number, target, place, progress, extent).result)
                    record.save_results(results, folder)
    finally:
        record.save_results(results, folder)
        if results:
            from drills.report import report  # to draw takes a second to import, and no mistake in a call needs it

            print(f"\n{record.table(results)}\n\n{report.write(folder)}")
    return results


def why_not(one: Scenario, target: Target) -> str:
    """Return why a scenario cannot be done to a cluster; empty where it can."""
    if one.needs_lab and not isinstance(target, LabTarget):
        return f"needs the lab: {one.needs_lab}"
    if one.needs_witness and not target.has_witness():
        return "needs a cluster with a witness (witness: true)"
    if one.needs_watchdog and not target.watchdog_seconds():
        return "needs a cluster with watchdogs (witness: true, and watchdog not off)"
    if one.needs_zones and isinstance(target, LabTarget) and len(set(map(target.zone_of, target.nodes))) < 2:
        return 'needs a cluster in two zones (availabilitySet: false, zones: ["1", "2"])'
    if one.needs_backup and not target.has_backup():
        return "needs a cluster with backups (backup: true)"
    if not one.without_fencing and target.status().fencing.startswith("OFF"):
        return "needs fencing, which is off"
    return ""


if __name__ == "__main__":
    sys.exit(main())
