"""Gathers the evidence of a drill that is over, while the cluster is still observed."""

import contextlib
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pymysql

from drills.drill import Drill
from drills.observation import Observation
from drills.proof import checks, marks, timeline
from drills.proof.audit import Evidence
from drills.proof.record import Span
from lab import writer
from operations.ssh import by_name
from operations.status.status import Status

_READ_SECONDS = 60.0
"""How long the rows are asked for, after a drill that has not ended well."""


def gather(
    drill: Drill, folder: Path, log_sizes: Mapping[str, int], fencings: int, strong: bool, end: float
) -> Evidence:
    """Read the rows, check the data, and keep the servers' logs.

    Args:
        drill: it is over; gets marks of what the servers' logs tell.
        folder: gets those logs.
        log_sizes: the sizes in bytes that they had when the drill began, by node.
        end: of the drill, in seconds of the epoch.
    """
    drill.say("audit")
    rows = _read_rows(drill)
    now = drill.target.status()
    damage = _damage(drill, now, strong)
    for node, journal in zip(drill.nodes, drill.seen.journals, strict=True):
        with contextlib.suppress(subprocess.SubprocessError):
            log = checks.server_log(node, log_sizes[node.name])
            (folder / f"server-{node.name}.log").write_text("".join(f"{line}\n" for line in log))
            damage += checks.complaints(node.name, journal.lines, log)
            drill.marks += marks.from_error_log(node.name, log)
    seen = drill.seen
    samples = [one for one in seen.sampler.samples if one.at <= end]
    return Evidence(
        writes=seen.writer.writes,
        rows=rows,
        promoted=(timeline.spans(samples, seen.powers, "promoted", end), _journal_spans(seen, end)),
        servers=timeline.spans(samples, seen.powers, "server", end),
        fencings=fencings,
        disks={node.name: node.drbd_disk for node in now.nodes},
        full_strength=strong,
        alerts=drill.alerts(end),
        damage=damage,
        failures=drill.failures,
    )


def _read_rows(drill: Drill) -> dict[int, str] | None:
    """Return the rows; None where the endpoint does not give them, even after a while."""
    deadline = time.monotonic() + _READ_SECONDS
    while True:
        try:
            with drill.target.inside(), contextlib.closing(drill.target.connect()) as connection:
                return writer.rows(connection)
        except (pymysql.Error, OSError) as problem:
            if time.monotonic() > deadline:
                drill.say(f"the rows cannot be read: {problem}")
                return None
            time.sleep(1)


def _damage(drill: Drill, now: Status, strong: bool) -> list[str]:
    """Return what the checks of InnoDB and the file systems complain of; there are none where nodes are missing."""
    if now.serving is None:
        return ["the data cannot be checked: no node serves"]
    if not strong:
        return []
    serving = by_name(drill.nodes, now.serving)
    try:
        return [*checks.innodb(serving), *checks.file_systems(serving, drill.nodes)]
    except (OSError, subprocess.SubprocessError) as problem:
        return [f"the data cannot be checked: {problem}"]


def _journal_spans(seen: Observation, end: float) -> list[Span]:
    """The kernels' own word; who was promoted before the drill began has no line, but a sample."""
    samples = sorted(seen.sampler.samples, key=lambda one: one.at)
    first_promoted = next((one.node for one in samples if one.is_promoted), "")
    found: list[Span] = []
    for journal in seen.journals:
        lines = sorted(journal.lines, key=lambda line: timeline.line_time(line) or 0)
        if journal.node.name == first_promoted:
            lines.insert(0, f"{seen.begin} kernel: drbd r0: role( Secondary -> Primary )")
        found += timeline.journal_spans(journal.node.name, lines, seen.powers, end)
    return found
