"""A second stack in the lab, which begins with the backup of the first: what a person makes for yesterday's rows."""

import contextlib
import shutil
import time
from collections.abc import Generator
from datetime import UTC, datetime

from configs.backup.moments import from_said
from drills.drill import Drill
from drills.target import connect
from lab import toolchain, writer
from lab.cloud import client as cloud
from lab.engine import Engine
from lab.lab import Lab
from operations import backups
from operations.stack import Stack

_CLUSTER = "mysql-rescue"
_SUBNET = "10.60.0.0/24"
"""No other network of the lab may overlap it."""

_COPY_SECONDS = 180.0
"""Longest wait for the log in the backup: it is copied each minute, and a lab is busy."""


def wait_for_backup(drill: Drill, at: float, seconds: float = _COPY_SECONDS) -> None:
    """Wait until one can restore to a time, and note how long that took.

    Args:
        at: seconds of the epoch.
    """

    def has_it() -> bool:
        windows: list[tuple[str, str]] = backups.ask(drill.target.stack)["windows"]
        return any(from_said(end).timestamp() >= at for _, end in windows)

    drill.wait("the log in the backup", has_it, seconds, every=5)
    drill.event(f"the backup has it, {time.time() - at:.0f} s later")


def second_stack(lab: Lab, source: str, to: str) -> Engine:
    """Return the engine of a second stack, of which nothing is made yet.

    Args:
        source, to: as the settings `restoreFrom` and `restoreTo`.
    """
    directory = lab.paths.pulumi / "rescue"
    directory.mkdir(parents=True, exist_ok=True)
    engine = Engine.of(directory, "lab", toolchain.ensure(lab.progress), lab.prefix, cloud.environment(lab.paths))
    engine.prepare(
        {
            "operatingSystem": lab.settings()["operatingSystem"],
            "clusterName": _CLUSTER,
            "subnet": _SUBNET,
            "restoreFrom": source,
            "restoreTo": to,
        }
    )
    return engine


@contextlib.contextmanager
def restored(drill: Drill, to: str) -> Generator[Stack]:
    """Make a stack that begins with the cluster's backup, and destroy it afterwards.

    Args:
        to: as the setting `restoreTo`.

    Raises:
        EngineError: it cannot be made, or not destroyed.
    """
    lab = drill.lab.lab
    engine = second_stack(lab, drill.target.stack.outputs["backup"], to)
    begin = time.time()
    drill.event(f"a second stack is made, with restoreTo {to}")
    try:
        engine.run(["up", "--yes", "--skip-preview"], lab.progress, lab.paths.logs / "rescue-up.log")
        drill.event(f"it serves, {time.time() - begin:.0f} s later")
        yield Stack(engine)
    finally:
        engine.run(["destroy", "--yes", "--skip-preview"], lab.progress, lab.paths.logs / "rescue-destroy.log")
        shutil.rmtree(engine.directory)


def rows(drill: Drill, stack: Stack) -> set[int]:
    """Return the numbers of the writer's rows that a stack has."""
    with drill.target.inside(), contextlib.closing(connect(stack)) as connection:
        return set(writer.rows(connection))


def second(at: float) -> str:
    """Return a second as the setting `restoreTo` has it.

    Args:
        at: its beginning, in whole seconds of the epoch.
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
