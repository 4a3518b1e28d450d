"""The whole life of an empty stack: made, used, moved, drilled, changed and destroyed; what `make proof` runs.

The stack must be empty: all of it is destroyed at the end, whatever has happened.
"""

import contextlib
import dataclasses
import functools
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
import yaml

from components.checkout import CHECKOUT, schema
from components.settings.failover import PRESETS
from drills import backup
from drills.conductor import conduct
from drills.drill import Drill, Extent, NotWellError
from drills.proof import record
from drills.proof.audit import Expectation
from drills.proof.record import Result
from drills.scenario import Scenario, choose
from drills.target import Target
from lab import writer
from lab.cloud.client import CloudError
from lab.engine import Engine, watched
from lab.events import EventReader, Step
from lab.progress import Progress
from lab.shell import CommandError
from operations.check import check
from operations.cli import PROJECT, Cli
from operations.error import OperationError

FOUR = ("mysqld-kill", "power-kill", "network-cut", "corosync-kill")
"""The drills: the server, a machine, the network and the cluster's own program, each of which Azure lets one hurt."""

_MOVES = 2


class NotEmptyError(OperationError):
    """The stack has something, which would be destroyed; or it is made to last."""


@dataclass(frozen=True)
class Stage:
    """A part of the way.

    Args:
        name: what was done.
        seconds: how long it took.
        outcome: in a few words.
        passed: whether it is as it should be.
        steps: what the engine did in it.
    """

    name: str
    seconds: float
    outcome: str
    passed: bool
    steps: tuple[Step, ...] = ()


@dataclass
class Whole:
    """The way, as far as it has come.

    Args:
        cli: the Pulumi CLI on an empty stack.
        target: returns the cluster once it is there.
        folder: gets all that is left behind.
        progress: told what is going on.
    """

    cli: Cli
    target: Callable[[], Target]
    folder: Path
    progress: Progress
    stages: list[Stage] = field(default_factory=list[Stage])
    results: list[Result] = field(default_factory=list[Result])

    def go(self) -> bool:
        """Go all of it; tell whether each stage passed.

        Raises:
            NotEmptyError: the stack is not there, not empty, or protects its data.
        """
        settings = self.cli.settings()
        protecting = [key for key in ("protectData", "deletionLock") if settings.get(key) == "true"]
        if protecting:
            raise NotEmptyError(
                f"stack {self.cli.stack} could not be destroyed at the end: it has {' and '.join(protecting)}"
            )
        count = self.cli.resources()
        if count is None:
            raise NotEmptyError(f"there is no stack {self.cli.stack}: make it with make stack STACK={self.cli.stack}")
        if count:
            raise NotEmptyError(f"stack {self.cli.stack} has {count} resources, which would be destroyed at the end")
        self.folder.mkdir(parents=True)
        with _own_settings(self.cli) as self.cli:
            if self._stage("check", self._check):
                try:
                    if self._stage("up", lambda: self._pulumi("up")):
                        self._with_a_cluster()
                finally:
                    if settings.get("backup") == "true":
                        self._stage("backup let go", lambda: backup.goes(self.cli))
                    self._stage("destroy", self._destroy)
        return all(stage.passed for stage in self.stages)

    def _with_a_cluster(self) -> None:
        self._stage("up again, without a change", lambda: self._pulumi("up", "--expect-no-changes"))
        target = functools.cache(self.target)
        if not self._stage("a row", lambda: _row(target())):
            return
        if target().has_backup():
            self._stage("backup", lambda: backup.comes(target()))
            self._stage("backup kept", lambda: backup.is_kept(target()))
        story = "The stack's settings are changed, and an update brings that while rows are written."
        never = Expectation(fencings=(0, 0), moves=0)
        changes = Scenario("changes", 0, story, never, self._change, without_fencing=True)
        for scenario in (*choose(["standby"]), *choose(list(FOUR)), changes):
            self._stage(scenario.name, lambda scenario=scenario: self._drill(target(), scenario))
        if target().has_backup():
            self._stage("backup proved", lambda: backup.is_proved(target()))

    def _stage(self, name: str, do: Callable[[], "str | EventReader"]) -> bool:
        self.progress(f"--- {name}")
        begin, passed = time.monotonic(), False
        steps: tuple[Step, ...] = ()
        try:
            done = do()
            passed = True
            if isinstance(done, EventReader):
                steps = tuple(done.steps.values())
                outcome = ", ".join(f"{count} {word}" for word, count in done.changes.items()) or "nothing to do"
            else:
                outcome = done
        except (
            OperationError, CloudError, CommandError, NotWellError, ValueError, pymysql.Error, OSError,
            subprocess.SubprocessError,
        ) as error:  # fmt: skip
            outcome = f"FAIL: {str(error).splitlines()[0]}"
            self.progress(str(error))
        self.stages.append(Stage(name, time.monotonic() - begin, outcome, passed, steps))
        return passed

    def _check(self) -> str:
        run = subprocess.run(
            check.command(self.cli), cwd=CHECKOUT, env=self.cli.environment, capture_output=True, text=True, check=False
        )
        (self.folder / "check.txt").write_text(run.stdout + run.stderr)
        print(run.stdout)
        if run.returncode:
            raise OperationError(f"see {self.folder / 'check.txt'}: {(run.stdout or run.stderr).strip()[-200:]}")
        return run.stdout.splitlines()[-1]

    def _pulumi(self, verb: str, *options: str) -> EventReader:
        words = [verb, "--yes", "--skip-preview", *options]
        log = self.folder / f"{len(self.stages) + 1}-{verb}.log"
        if isinstance(self.cli, Engine):
            return self.cli.run(words, self.progress, log)
        return watched(self.cli, words, self.progress, log)

    def _drill(self, target: Target, scenario: Scenario) -> str:
        place = self.folder / f"{scenario.name}-1"
        result = conduct(scenario, 1, target, place, self.progress, Extent(moves=_MOVES)).result
        self.results.append(result)
        record.save_results(self.results, self.folder)
        if not result.passed:
            raise OperationError(result.verdict)
        return f"{result.acknowledged} rows acknowledged, {result.lost} lost, {result.outage_seconds:.1f} s without one"

    def _change(self, drill: Drill) -> None:
        """Change a setting of each kind: a disk's size where it can, the membership, the server, the network."""
        file = self.cli.settings_file
        content = yaml.safe_load(file.read_text())
        settings: dict[str, Any] = content["config"]
        old = {key: declared["default"] for key, declared in schema().items()}
        old |= {key.removeprefix(f"{PROJECT}:"): value for key, value in settings.items()}
        token = old["corosyncTokenMs"] or PRESETS[old["failover"]].token_ms
        # The file has texts. A lab's kernel sees another size of a disk only when its machine starts anew.
        grown = {} if isinstance(self.cli, Engine) else {"dataDiskSizeGb": 2 * int(old["dataDiskSizeGb"])}
        new: dict[str, Any] = {
            **grown,
            "corosyncTokenMs": int(token) + 1000,
            "mysqlOptions": {**old["mysqlOptions"], "max_connections": 200},
            "clientCidrs": [*old["clientCidrs"], "192.0.2.0/24"],
        }
        settings.update({f"{PROJECT}:{key}": value for key, value in new.items()})
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        drill.fault(f"an update changes {', '.join(new)}")
        begin = time.monotonic()
        done = self._pulumi("up")
        drill.fault_end("the update has ended")
        steps = tuple(done.steps.values())
        told = ", ".join(f"{count} {word}" for word, count in done.changes.items())
        self.stages.append(Stage("the update of the changes", time.monotonic() - begin, told, True, steps))

    def _destroy(self) -> EventReader:
        done = self._pulumi("destroy")
        if left := self.cli.resources():
            raise OperationError(f"{left} resources are left")
        return done


def _row(target: Target) -> str:
    """Write a row and read it."""
    with target.inside(), contextlib.closing(target.connect()) as connection, connection.cursor() as cursor:
        writer.make_table(connection)
        cursor.execute(f"insert into {writer.TABLE} values (1, @@hostname)")
        return f"written at and read from {writer.rows(connection)[1]}"


@contextlib.contextmanager
def _own_settings(cli: Cli) -> Generator[Cli]:
    """Yield the CLI with a copy of the stack's settings, which may be changed; its secrets are encrypted there too."""
    with tempfile.TemporaryDirectory(prefix="azure-mysql-ha-") as folder:  # of mode 0700
        copy = Path(folder) / cli.settings_file.name
        copy.write_text(cli.settings_file.read_text())
        yield dataclasses.replace(cli, config_file=copy)
