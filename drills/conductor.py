"""One drill from beginning to end: a cluster that is well, a fault, the time until all is well again, the audit."""

import contextlib
import subprocess
import time
from pathlib import Path

import pymysql

from drills.drill import STATUS_SECONDS, USUAL, Drill, Extent, NotWellError
from drills.proof import checks, conclusion, evidence
from drills.proof.record import Record
from drills.scenario import Scenario
from drills.target import Target
from lab import fabric, writer
from lab.cloud.client import CloudError
from lab.progress import Progress
from operations.error import OperationError
from operations.ssh import by_name

_STEADY_SECONDS = 3.0
"""How long writes must have gone well before the fault, and after full strength."""

_WELL_SECONDS = 60.0
"""How long a drill waits for a cluster that is well, after what may have been done to it before."""

_FIRST_SECONDS = 30.0
"""Longest wait for the first samples, and for the first rows."""


def conduct(
    scenario: Scenario,
    number: int,
    target: Target,
    folder: Path,
    progress: Progress,
    extent: Extent = USUAL,
) -> Record:
    """Do a drill, and leave the cluster well if it can be.

    Args:
        number: which repetition, from 1.
        folder: gets all that the drill leaves behind; made by this.

    Raises:
        NotWellError: the cluster is not well to begin with.
    """
    title = f"{scenario.name} {number}"
    settle = scenario.settle_seconds
    drill = Drill(title, target, folder, progress, settle_seconds=settle, extent=extent)
    drill.say(scenario.first_paragraph)
    log_sizes = _prepare(drill)
    strong_at: float | None = None
    with drill.seen.running():
        _wait_until_steady(drill)
        try:
            scenario.run(drill)
            drill.wait_strength()
            strong_at = drill.mark("recovered", "full strength", None, drill.strong_at)
            drill.pause(_STEADY_SECONDS, "writing on")
            drill.wait_told(scenario.expected.telling.one_of, drill.fault_at + scenario.expected.telling.within)
            drill.wait_quiet()
        except TimeoutError as late:
            drill.check(False, str(late))
        except (
            OSError, subprocess.SubprocessError, CloudError, OperationError, pymysql.Error, NotWellError,
        ) as problem:  # fmt: skip
            drill.check(False, f"the drill was cut short: {type(problem).__name__}: {problem}")
        finally:
            end = time.time()
            drill.seen.writer.stop()
            _repair(drill, strong_at is not None)
        fencings = drill.seen.fencings()
        found = evidence.gather(drill, folder, log_sizes, len(fencings), strong_at is not None, end)
    record = conclusion.conclude(drill, scenario, number, found, fencings, strong_at, end)
    record.save(folder / "record.json")
    conclusion.keep(drill, fencings, folder)
    result = record.result
    drill.say(
        f"{result.verdict}; {result.acknowledged} acknowledged,"
        f" {result.outage_seconds:.1f} s without an acknowledgement"
    )
    return record


def _prepare(drill: Drill) -> dict[str, int]:
    """See that the cluster is well, and let each drill begin alike; return the sizes of the servers' logs."""
    deadline = time.monotonic() + _WELL_SECONDS
    while problem := drill.what_is_wrong():
        if time.monotonic() > deadline:
            raise NotWellError(f"the cluster is not healthy: {problem}")
        time.sleep(STATUS_SECONDS)
    drill.find_serving()
    # Failures that earlier drills have made count towards migration-threshold.
    drill.serving.run("crm_resource --cleanup", check=False)
    _forget_alerts(drill)
    log_sizes = {node.name: checks.server_log_size(node) for node in drill.nodes}
    with drill.target.inside(), contextlib.closing(drill.target.connect()) as connection:
        writer.make_table(connection)
    return log_sizes


def _forget_alerts(drill: Drill) -> None:
    """Where a Prometheus watches, end what it tells of earlier drills: Pacemaker's memory, and an old look at it."""
    watching = drill.target.watching
    if watching is None:
        return
    drill.serving.run("stonith_admin --cleanup --history '*'", check=False)
    for node in drill.nodes:
        node.run("systemctl restart azure-mysql-ha-metrics")
    deadline = time.monotonic() + _WELL_SECONDS
    while told := sorted(watching.telling()):
        if time.monotonic() > deadline:
            raise NotWellError(f"there are alerts: {', '.join(told)}")
        time.sleep(STATUS_SECONDS)


def _wait_until_steady(drill: Drill) -> None:
    begin = time.time()
    try:
        drill.wait("samples of both nodes", lambda: all(map(drill.seen.sample, drill.nodes)), _FIRST_SECONDS)
        drill.wait("the first rows", lambda: drill.seen.writes_since(begin), _FIRST_SECONDS)
    except TimeoutError as late:
        raise NotWellError(str(late)) from None
    drill.pause(_STEADY_SECONDS, "writing")


def _repair(drill: Drill, strong: bool) -> None:
    """Leave nothing of the fault, whatever has become of the drill."""
    try:
        drill.target.repair()
        for node in drill.nodes:
            with contextlib.suppress(subprocess.SubprocessError):
                node.run("pkill -CONT --exact 'mariadbd|mysqld'", check=False, timeout=15)
        for state in () if strong else drill.target.status().nodes:
            if state.standby:
                by_name(drill.nodes, state.name).run(f"crm node online {state.name}", check=False)
    except (OSError, subprocess.SubprocessError, CloudError, fabric.FabricError) as problem:
        drill.check(False, f"the fault cannot be undone: {type(problem).__name__}: {problem}")
