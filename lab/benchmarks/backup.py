"""What backups cost: commits without them, with the binary log and its shipping, and while a base is made.

Run as `python -m lab.benchmarks.backup --lab NAME` on a lab that is up. Backups are switched off and on in turn, so
that all is seen in one run, whatever else the machine does; at the end they are on.
"""

import argparse
import statistics
import sys

from lab import service
from lab.benchmarks.figures import Load
from lab.benchmarks.load import at_endpoint, take_clear_text
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from operations import backups

_CONNECTIONS = (1, 16)
_WARM_UP_SECONDS = 5
_BASE = "azure-mysql-ha-base.service"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks.backup", description=__doc__)
    parser.add_argument("--lab", default="lab", help="name of the lab (default: lab)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: 3)")
    # A minute has one run of shipping.
    parser.add_argument("--seconds", type=int, default=60, help="length of each measurement (default: 60)")
    arguments = parser.parse_args()
    lab = Lab(LabPaths(arguments.lab))
    found: dict[tuple[str, int], list[Load]] = {}
    for _ in range(arguments.rounds):
        for backup in (False, True):
            lab.up({"backup": backup})
            service.wait_until_well(lab, 300)
            if backup:
                # The first base is made at once.
                wait_until("a backup", lambda: backups.ask(lab.stack())["windows"], 300, every=5)
            _measure(lab, "log and shipping" if backup else "none", arguments.seconds, found)
        _measure(lab, "the same, and a base", arguments.seconds, found, with_a_base=True)
    sys.stdout.write("| backups | connections | commits/s | of none | p99, ms |\n| --- | ---: | ---: | ---: | ---: |\n")
    for (what, connections), runs in sorted(found.items(), key=lambda item: item[0][1]):
        speed = statistics.median(run.commits_per_second for run in runs)
        none = statistics.median(run.commits_per_second for run in found["none", connections])
        p99 = statistics.median(run.p99_ms for run in runs)
        sys.stdout.write(f"| {what} | {connections} | {speed:.0f} | {speed / none:.2f} | {p99:.1f} |\n")


def _measure(
    lab: Lab, what: str, seconds: int, found: dict[tuple[str, int], list[Load]], *, with_a_base: bool = False
) -> None:
    take_clear_text([service.serving(lab)])
    load = at_endpoint(lab)
    load.prepare()
    load.run(max(_CONNECTIONS), _WARM_UP_SECONDS)
    for connections in _CONNECTIONS:
        node = service.serving(lab)
        if with_a_base:
            # One behind the other, for as long as is measured.
            node.run(f"systemd-run --quiet --unit=bases bash -c 'while systemctl start {_BASE}; do :; done'")
        try:
            run = load.run(connections, seconds)
        finally:
            if with_a_base:
                node.run(f"systemctl stop bases.service {_BASE}")
        found.setdefault((what, connections), []).append(run)
        lab.progress(f"{what}, {connections} connections: {run.commits_per_second:.0f} commits/s, {run.p99_ms:.1f} ms")


if __name__ == "__main__":
    main()
