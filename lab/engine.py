"""The Pulumi engine, run on the project's own program with a stack, a back end and a home of the lab's."""

import fcntl
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import yaml

from components.checkout import CHECKOUT
from lab import azure_native, session
from lab.events import EventReader
from lab.progress import Progress
from lab.session import Session
from lab.toolchain import Toolchain, engine_environment, prepare_home
from operations.cli import FLAGS, PROJECT, Cli
from operations.error import OperationError
from operations.stack_secrets import fill_secrets

_OTHER_SECONDS = 60
"""How long an update waits for another one of the same stack; and an interrupted one for what is at work."""


class EngineError(OperationError):
    """The engine failed; the text tells the user why, and where its log is."""


def state_file(directory: Path, stack: str) -> Path:
    """Return where the back end below a folder keeps Pulumi's record of a stack."""
    return directory / f"backend/.pulumi/stacks/{PROJECT}/{stack}.json"


@dataclass(frozen=True, kw_only=True)
class Engine(Cli):
    """The Pulumi CLI on one stack of the program, with everything that Pulumi keeps for it in one folder."""

    directory: Path
    toolchain: Toolchain

    @classmethod
    def of(
        cls, directory: Path, stack: str, toolchain: Toolchain, prefix: tuple[str, ...], variables: Mapping[str, str]
    ) -> "Engine":
        """Return the engine on a stack.

        Args:
            prefix: what to run it with, such as `ip netns exec NAME`.
            variables: further environment variables, for the providers.
        """
        return cls(
            stack=stack,
            program=str(toolchain.pulumi),
            config_file=directory / f"Pulumi.{stack}.yaml",
            environment={
                # The command provider refuses to work with an agent that has gone.
                **{name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"},
                **engine_environment(directory / "home", toolchain),
                "PULUMI_BACKEND_URL": f"file://{directory / 'backend'}",
                "PULUMI_CONFIG_PASSPHRASE_FILE": str(directory / "passphrase"),
                **variables,
            },
            prefix=prefix,
            directory=directory,
            toolchain=toolchain,
        )

    @property
    def state_file(self) -> Path:
        return state_file(self.directory, self.stack)

    def prepare(self, changes: Mapping[str, object] | None = None) -> None:
        """Make the stack with all its secrets, from the tracked stack file; may be repeated.

        Args:
            changes: settings to put in place of those of the tracked file, by their key without the namespace.
        """
        home = self.directory / "home"
        (self.directory / "backend").mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory.chmod(0o700)
        prepare_home(home, self.toolchain)
        azure_native.install(home)
        passphrase = self.directory / "passphrase"
        if not passphrase.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text(secrets.token_urlsafe(32))
        self._write_settings(changes or {})
        fill_secrets(self)

    def run(self, verb: Sequence[str], progress: Progress, log: Path, report_every: float = 15.0) -> EventReader:
        """Run a long command of the CLI, with progress.

        Args:
            verb: the command and its options, such as ["up", "--yes"].
            log: where the engine's own output goes; its event log lies beside it.
            report_every: seconds of silence after which the steps at work are named.
        """
        with self._alone() as owner:
            return watched(self, verb, progress, log, report_every=report_every, owner=owner)

    @contextmanager
    def _alone(self) -> Generator[Path]:
        """Keep others from updating the stack, and take away what a killed engine has left.

        That is its lock in the back end; and its plug-ins, which go on without it: the command provider for ever. No
        engine inherits our own lock; one whose lab was killed is known by its record.

        Yields:
            Where the engine's session is to be recorded.

        Raises:
            EngineError: another update goes on.
        """
        owner = self.directory / "engine.json"
        with (self.directory / "engine.lock").open("w") as lock:
            end = time.monotonic() + _OTHER_SECONDS
            while not _take(lock) or ((left := _recorded(owner)) and left.leader_lives()):
                if time.monotonic() > end:
                    raise EngineError(f"another update of stack {self.stack} is running in {self.directory}")
                time.sleep(0.2)
            if left:
                left.end()
            if any((self.directory / "backend/.pulumi/locks").rglob("*.json")):
                self.cancel()
            yield owner

    def _write_settings(self, changes: Mapping[str, object]) -> None:
        """Take over the tracked file's plain settings, and keep what is encrypted in ours."""
        plain = tracked_settings(self.stack) | dict(changes)
        settings = {f"{PROJECT}:{key}": value for key, value in plain.items()}
        ours: dict[str, Any] = yaml.safe_load(self.settings_file.read_text()) if self.settings_file.exists() else {}
        own_config: dict[str, object] = ours.get("config") or {}
        encrypted = {key: value for key, value in own_config.items() if _is_encrypted(value)}
        content = {**ours, "config": settings | encrypted}
        temporary = self.settings_file.with_suffix(".new")
        temporary.write_text(yaml.safe_dump(content, sort_keys=False))
        temporary.replace(self.settings_file)


def watched(
    cli: Cli,
    verb: Sequence[str],
    progress: Progress,
    log: Path,
    *,
    report_every: float = 15.0,
    owner: Path | None = None,
) -> EventReader:
    """Run a long command of the CLI, with progress.

    Args:
        cli: on the stack.
        verb, progress, log, report_every: as of `Engine.run`.
        owner: where its session is recorded, by which its plug-ins are found when it has gone.

    Raises:
        EngineError: it failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    event_log = log.with_suffix(".events.json")
    event_log.unlink(missing_ok=True)
    reader = EventReader(event_log, progress)
    command = [*cli.command(*verb), "--event-log", str(event_log)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**cli.environment, **FLAGS},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        if owner:
            owner.write_text(json.dumps(vars(session.of(process.pid))))
        try:
            told = time.monotonic()
            while process.poll() is None:
                before = len(reader.steps), len(reader.running())
                reader.read()
                if before != (len(reader.steps), len(reader.running())):
                    told = time.monotonic()
                elif time.monotonic() - told > report_every:
                    names = ", ".join(step.name for step in reader.running()) or "the engine"
                    progress(f"in progress: {names}")
                    told = time.monotonic()
                time.sleep(0.2)
        except BaseException as error:
            _interrupt(process, progress, isinstance(error, KeyboardInterrupt))
            raise
    reader.read()
    if process.returncode != 0:
        why = "\n".join(reader.errors) or log.read_text(errors="replace")[-2000:]
        raise EngineError(f"pulumi {verb[0]} failed:\n{why}\nAll of its output: {log}")
    return reader


def _take(lock: IO[str]) -> bool:
    """Take a lock, or have it already; tell whether that went well."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _recorded(owner: Path) -> Session | None:
    """Return the session of the last engine that was started."""
    return Session(**json.loads(owner.read_text())) if owner.exists() else None


def _interrupt(process: subprocess.Popen[bytes], progress: Progress, by_a_person: bool) -> None:
    """End the engine as Ctrl-C does: what is at work comes to its end; a second time cuts it off."""
    progress(
        "interrupted; waiting for what is in progress" + (": press Ctrl-C again to kill it" if by_a_person else "")
    )
    while True:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(None if by_a_person else _OTHER_SECONDS)
            return
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            continue


def tracked_settings(stack: str) -> dict[str, Any]:
    """Return the plain settings of a tracked stack file, by their key without the namespace."""
    config: dict[str, Any] = yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items() if not _is_encrypted(value)}


def _is_encrypted(value: object) -> bool:
    """Tell whether a value of a stack file is, or contains, an encrypted one."""
    if isinstance(value, dict):
        properties = cast(dict[str, object], value)
        return "secure" in properties or any(_is_encrypted(inner) for inner in properties.values())
    if isinstance(value, list):
        return any(_is_encrypted(inner) for inner in cast(list[object], value))
    return False
