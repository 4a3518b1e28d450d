"""What a floor for DRBD's resynchronisation costs and gives: the copy and the commits beside it, under a full load.

Run as `python -m lab.benchmarks.resync --lab NAME` on a lab that is up. The idle node's disk is copied whole
once; each floor has its part of that copy, so all of them are seen in one run. At the end the disk is good again, and
the settings of the stack are in force.
"""

import argparse
import re
import sys
import time

from lab import service
from lab.benchmarks.load import at_endpoint, take_clear_text
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from operations.ssh import Node

_CONNECTIONS = 4
_KNOWN_RATE_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks.resync", description=__doc__)
    parser.add_argument("--lab", default="lab", help="name of the lab (default: lab)")
    parser.add_argument("--seconds", type=int, default=20, help="length of each measurement (default: 20)")
    parser.add_argument("--floors", nargs="+", default=["250K", "6M", "12M", "25M", "50M"], help="values of c-min-rate")
    arguments = parser.parse_args()
    lab = Lab(LabPaths(arguments.lab))
    take_clear_text([service.serving(lab)])
    load = at_endpoint(lab)
    load.prepare()
    rows = [("no copy", "", f"{load.run(_CONNECTIONS, arguments.seconds).commits_per_second:.0f}")]
    idle = service.idle(lab)
    idle.run("drbdadm invalidate r0")
    try:
        for floor in arguments.floors:
            for node in lab.nodes():
                node.run(f"drbdadm disk-options --c-min-rate={floor} r0")
            load.run(_CONNECTIONS, _KNOWN_RATE_SECONDS)
            before, begin = _kib_to_copy(idle), time.monotonic()
            commits = load.run(_CONNECTIONS, arguments.seconds).commits_per_second
            copied = (before - _kib_to_copy(idle)) / 1024 / (time.monotonic() - begin)
            rows.append((floor, f"{copied:.1f}", f"{commits:.0f}"))
            lab.progress(f"c-min-rate {floor}: {copied:.1f} MiB/s copied, {commits:.0f} commits/s")
        before, begin = _kib_to_copy(idle), time.monotonic()
        time.sleep(_KNOWN_RATE_SECONDS)
        copied = (before - _kib_to_copy(idle)) / 1024 / (time.monotonic() - begin)
        rows.append(("any, nobody writes", f"{copied:.1f}", ""))
    finally:
        for node in lab.nodes():
            node.run("drbdadm adjust r0")
        wait_until("the end of the copy", lambda: _kib_to_copy(idle) == 0, 600, every=2)
    sys.stdout.write(f"| c-min-rate | copy, MiB/s | commits/s, {_CONNECTIONS} connections |\n| --- | ---: | ---: |\n")
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in rows)


def _kib_to_copy(node: Node) -> int:
    found = re.search(r"\boos:(\d+)", node.run("cat /proc/drbd"))
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main()
