"""What the replication's tunnel costs: commits with it and without, in turn, in one run.

Run as `python -m lab.benchmarks.tunnel --lab NAME` on a lab that is up. At the end it has no tunnel.
"""

import argparse
import statistics
import sys

from lab import service
from lab.benchmarks.load import at_endpoint, take_clear_text
from lab.lab import Lab
from lab.paths import LabPaths

_CONNECTIONS = (1, 16)
_WARM_UP_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks.tunnel", description=__doc__)
    parser.add_argument("--lab", default="lab", help="name of the lab (default: lab)")
    parser.add_argument("--rounds", type=int, default=3, help="runs with it and without each (default: 3)")
    parser.add_argument("--seconds", type=int, default=15, help="length of each run of the load (default: 15)")
    arguments = parser.parse_args()
    lab = Lab(LabPaths(arguments.lab))
    load = at_endpoint(lab)
    found: dict[tuple[int, bool], list[float]] = {(count, has): [] for count in _CONNECTIONS for has in (False, True)}
    for _ in range(arguments.rounds):
        for has_tunnel in (False, True):
            lab.up({"replicationEncryption": has_tunnel})
            service.wait_until_well(lab)
            take_clear_text([service.serving(lab)])
            load.prepare()
            load.run(max(_CONNECTIONS), _WARM_UP_SECONDS)
            for count in _CONNECTIONS:
                commits = load.run(count, arguments.seconds).commits_per_second
                found[count, has_tunnel].append(commits)
                lab.progress(f"{'with' if has_tunnel else 'without'} it, {count} connections: {commits:.0f} commits/s")
    lab.up({"replicationEncryption": False})
    sys.stdout.write("| connections | without | with it | share |\n| ---: | ---: | ---: | ---: |\n")
    for count in _CONNECTIONS:
        without, with_it = (statistics.median(found[count, has]) for has in (False, True))
        runs = [", ".join(f"{commits:,.0f}" for commits in found[count, has]) for has in (False, True)]
        sys.stdout.write(f"| {count} | {runs[0]} | {runs[1]} | {with_it / without:.2f} |\n")


if __name__ == "__main__":
    main()
