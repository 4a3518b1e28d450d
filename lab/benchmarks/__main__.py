"""Compares our cluster with a server on a plain disk and with Galera, all in the lab, in one run."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pymysql

from components.checkout import CHECKOUT
from lab import image, kernel, leftovers, preflight
from lab.benchmarks import candidates, guests
from lab.benchmarks.candidates import Candidate
from lab.benchmarks.figures import Outage, Result, longest_gap, markdown
from lab.benchmarks.load import PROGRAMS, Sysbench, take_clear_text
from lab.benchmarks.writer import acknowledged, lost, writing
from lab.engine import EngineError
from lab.lab import Lab, LabError, wait_until
from lab.paths import LabPaths
from lab.toolchain import ToolchainError

CANDIDATES: dict[str, Callable[[Lab], AbstractContextManager[Candidate]]] = {
    "plain disk": candidates.plain_disk,
    "our cluster": candidates.our_cluster,
    "Galera": candidates.galera,
}

FAILURES = (
    LabError, EngineError, ToolchainError, RuntimeError, TimeoutError, OSError, ValueError, pymysql.Error,
    subprocess.SubprocessError,
)  # fmt: skip
"""What ends a run with a line for the user: of the lab, of the load generator, of a guest."""

CONNECTIONS = (1, 16)

_WARM_UP_SECONDS = 5
_STEADY = 100
"""Acknowledged rows, two seconds' worth, after which a writer counts as being served."""

_SERVED_AGAIN_SECONDS = 300


def measure_loads(lab: Lab, candidate: Candidate, result: Result, rounds: int, seconds: int) -> None:
    """Write as fast as it goes, by every way and with every number of connections, some times."""
    take_clear_text(candidate.machines)
    for way, target in candidate.ways.items():
        load = Sysbench(lab.prefix, target, lab.paths.state / "sysbench.cnf")
        load.prepare()
        load.run(max(CONNECTIONS), _WARM_UP_SECONDS)
        runs = result.loads[way] = []
        for _ in range(rounds):
            for connections in CONNECTIONS:
                before = candidate.switches()
                run = load.run(connections, seconds)
                switches = (candidate.switches() - before) / (run.commits_per_second * seconds)
                runs.append(run := replace(run, switches_per_commit=switches))
                lab.progress(
                    f"{result.name}, {way}, {connections} connections: {run.commits_per_second:.0f} commits/s,"
                    f" p50 {run.p50_ms:.2f} ms, p99 {run.p99_ms:.2f} ms;"
                    f" {switches:.0f} context switches a commit"
                )


def measure_outage(lab: Lab, candidate: Candidate) -> Outage:
    """Cut the power of the machine that is written to, and see how long the writer waits."""
    victim = candidate.victim()
    with writing(lab, candidate.failover, lab.paths.state / "writes.jsonl") as writer:

        def served_since(when: float) -> bool:
            return sum(at >= when for at in acknowledged(writer)) >= _STEADY

        wait_until("the writer is served", lambda: served_since(0), 60)
        killed = time.time()
        candidate.kill(victim)
        # What was under way may still be acknowledged, so the half second.
        wait_until("the writer is served again", lambda: served_since(killed + 0.5), _SERVED_AGAIN_SECONDS, 0.2)
        resumed = len(acknowledged(writer))
        candidate.restore(victim)
        whole = time.time()
    times = acknowledged(writer)
    return Outage(
        seconds=longest_gap(times[:resumed]),
        rejoin_stall_seconds=longest_gap(times[resumed - 1 :]),
        whole_seconds=whole - killed,
        acknowledged=len(times),
        lost=lost(lab, candidate.failover[0], writer),
    )


def facts(seconds: int) -> dict[str, str]:
    """Return what there is to say of this machine and this run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": (
            f"{os.cpu_count()} cores and {memory:.0f} GiB for all guests and the load generator together;"
            f" load average {os.getloadavg()[0]:.1f} when it began"
        ),
        "guests": (
            f"User-Mode Linux {kernel.ensure().release}, one processor each;"
            f" servers {guests.node_memory_mib()} MiB, {guests.SYSTEM}"
        ),
        "runs of the load": f"{seconds} s each",
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks", description=__doc__)
    parser.add_argument("--lab", default="bench", help="name of the lab that is made for it (default: bench)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of the load and power kills each (default: 3)")
    parser.add_argument("--seconds", type=int, default=15, help="length of each run of the load (default: 15)")
    parser.add_argument("--only", choices=CANDIDATES, action="append", help="leave out the others")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left of the lab
    lab = Lab(LabPaths(arguments.lab))
    if lab.is_up():
        # All that is measured, or killed, is in a namespace that this run has made itself.
        print(
            f"lab {arguments.lab!r} already exists: python -m lab --lab {arguments.lab} down removes it",
            file=sys.stderr,
        )
        return 1
    folder = CHECKOUT / "build/benchmarks" / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    try:
        results = _compare(lab, arguments.only or list(CANDIDATES), arguments.rounds, arguments.seconds, folder)
    except KeyboardInterrupt:
        return 130
    except FAILURES as error:
        print(f"{error}\nLogs: {lab.paths.logs}; what was measured: {folder}", file=sys.stderr)
        return 1
    if left := leftovers.find(lab):
        print("left behind:", *left, sep="\n  ", file=sys.stderr)
        return 1
    print(results)
    return 0


def _compare(lab: Lab, names: list[str], rounds: int, seconds: int, folder: Path) -> str:
    preflight.install(lab.progress, PROGRAMS)
    lab.set_up([guests.SYSTEM, image.ARBITRATOR])
    about = facts(seconds)
    results: list[Result] = []
    folder.mkdir(parents=True)
    for name in names:
        result = Result(name)
        results.append(result)
        with lab.progress.phase(name):
            lab.progress(f"{name}: coming up")
            with CANDIDATES[name](lab) as candidate:
                result.versions = candidate.versions
                measure_loads(lab, candidate, result, rounds, seconds)
                for number in range(1, rounds + 1):
                    outage = measure_outage(lab, candidate)
                    result.outages.append(outage)
                    lab.progress(
                        f"{name}, power kill {number}: outage {outage.seconds:.1f} s,"
                        f" whole after {outage.whole_seconds:.0f} s, {outage.lost} of {outage.acknowledged} lost"
                    )
        # After each: a long run that fails has not been for nothing.
        written = {"facts": about, "candidates": [asdict(each) for each in results]}
        (folder / "results.json").write_text(json.dumps(written, indent=2) + "\n")
        (folder / "results.md").write_text(markdown(results, about))
    lab.progress(f"{folder}\n{lab.progress.summary()}")
    return markdown(results, about)


if __name__ == "__main__":
    sys.exit(main())
