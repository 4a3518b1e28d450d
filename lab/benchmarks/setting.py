"""What a setting costs: commits with it and without, in turn, in one run.

Run as `python -m lab.benchmarks.setting NAME --lab LAB` on a lab that is up. At the end the setting is off.  With
`monitoring`, a Prometheus inside of the lab asks the exporters meanwhile, and what it takes itself counts too.
"""

import argparse
import statistics
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from lab import service
from lab.benchmarks.load import at_endpoint, take_clear_text
from lab.cloud.addresses import OUTSIDE
from lab.lab import Lab
from lab.paths import LabPaths
from lab.prometheus import Prometheus

_NEEDS: dict[str, dict[str, object]] = {"monitoring": {"monitorCidrs": [f"{OUTSIDE}/32"]}, "replicationEncryption": {}}
"""Settings that can be looked at, and what else each needs."""

_CONNECTIONS = (1, 16)
_WARM_UP_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks.setting", description=__doc__)
    parser.add_argument("setting", choices=_NEEDS, help="the setting, true or false")
    parser.add_argument("--lab", default="lab", help="name of the lab (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs with it and without each (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=15, help="length of each run of the load (default: %(default)s)")
    arguments = parser.parse_args()
    lab = Lab(LabPaths(arguments.lab))
    load = at_endpoint(lab)
    found: dict[tuple[int, bool], list[float]] = {(count, has): [] for count in _CONNECTIONS for has in (False, True)}
    for _ in range(arguments.rounds):
        for has_it in (False, True):
            lab.up({**_NEEDS[arguments.setting], arguments.setting: has_it})
            service.wait_until_well(lab)
            take_clear_text([service.serving(lab)])
            load.prepare()
            with tempfile.TemporaryDirectory() as folder, _used(lab, arguments.setting, has_it, Path(folder)):
                load.run(max(_CONNECTIONS), _WARM_UP_SECONDS)
                for count in _CONNECTIONS:
                    commits = load.run(count, arguments.seconds).commits_per_second
                    found[count, has_it].append(commits)
                    lab.progress(f"{'with' if has_it else 'without'} it, {count} connections: {commits:.0f} commits/s")
    lab.up({arguments.setting: False})
    sys.stdout.write("| connections | without | with it | share |\n| ---: | ---: | ---: | ---: |\n")
    for count in _CONNECTIONS:
        without, with_it = (statistics.median(found[count, has]) for has in (False, True))
        runs = [", ".join(f"{commits:,.0f}" for commits in found[count, has]) for has in (False, True)]
        sys.stdout.write(f"| {count} | {runs[0]} | {runs[1]} | {with_it / without:.2f} |\n")


def _used(lab: Lab, setting: str, has_it: bool, folder: Path) -> AbstractContextManager[None]:
    """Return what makes use of a setting while the body runs."""
    return Prometheus(lab).running(folder) if has_it and setting == "monitoring" else nullcontext()


if __name__ == "__main__":
    main()
