"""The Pulumi engine, run on the project's own program with a stack, a back end and a home of the lab's."""

import fcntl
import json
import os
import secrets
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from components.checkout import CHECKOUT
from lab import azure_native
from lab.events import EventReader
from lab.progress import Progress
from lab.toolchain import Toolchain, engine_environment, prepare_home
from operations import new_stack
from operations.resume import Pulumi
from pipeline import engine as pipeline

PROJECT = "azure-mysql-ha"

_OTHER_SECONDS = 60
"""How long an update waits for another one of the same stack, such as what a killed engine has left."""


class EngineError(Exception):
    """The engine failed; the text tells the user why, and where its log is."""


def state_file(directory: Path, stack: str) -> Path:
    """Return where the back end below a folder keeps Pulumi's record of a stack."""
    return directory / f"backend/.pulumi/stacks/{PROJECT}/{stack}.json"


@dataclass(frozen=True)
class Engine:
    """One stack of the program, with everything that Pulumi keeps for it in one folder.

    Args:
        directory: the folder; made where it is missing.
        stack: the stack's name, such as "lab".
        toolchain: the CLI and what it starts.
        prefix: what to run it with, such as `ip netns exec NAME`.
        variables: further environment variables, for the providers.
        checkout: the program, where it is another one than this.
    """

    directory: Path
    stack: str
    toolchain: Toolchain
    prefix: tuple[str, ...] = ()
    variables: Mapping[str, str] | None = None
    checkout: Path = CHECKOUT

    @property
    def config_file(self) -> Path:
        """The stack's settings and encrypted secrets."""
        return self.directory / f"Pulumi.{self.stack}.yaml"

    @property
    def state_file(self) -> Path:
        """Pulumi's record of the stack, as its back end keeps it."""
        return state_file(self.directory, self.stack)

    @property
    def environment(self) -> dict[str, str]:
        """All that the engine and its plug-ins find in their environment."""
        home = self.directory / "home"
        return {
            **os.environ,
            **engine_environment(home, self.toolchain),
            "PULUMI_BACKEND_URL": f"file://{self.directory / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.directory / "passphrase"),
            "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log
            **(self.variables or {}),
        }

    def prepare(self, changes: Mapping[str, object] | None = None) -> None:
        """Make the stack with all its secrets, from the tracked stack file; may be repeated.

        Args:
            changes: settings to put in place of those of the tracked file, by their key without the namespace.

        Raises:
            EngineError: the CLI refuses something.
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
        new_stack.fill_secrets(self.toolchain.pulumi, self.stack, self.config_file, self.environment)

    def run(self, verb: Sequence[str], progress: Progress, log: Path, report_every: float = 15.0) -> EventReader:
        """Run a long command of the CLI, with progress.

        Args:
            verb: the command and its options, such as ["up", "--yes"].
            progress: told what is going on.
            log: where the engine's own output goes; its event log lies beside it.
            report_every: seconds of silence after which the steps at work are named.

        Returns:
            What the engine did.

        Raises:
            EngineError: it failed.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        event_log = log.with_suffix(".events.json")
        event_log.unlink(missing_ok=True)
        reader = EventReader(event_log, progress)
        command = [*self._command(verb), "--event-log", str(event_log)]
        with self._alone() as lock, log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
            )
            try:
                told = time.monotonic()
                while process.poll() is None:
                    before = len(reader.steps), len(reader.running())
                    reader.read()
                    if before != (len(reader.steps), len(reader.running())):
                        told = time.monotonic()
                    elif time.monotonic() - told > report_every:
                        names = ", ".join(step.name for step in reader.running()) or "the engine"
                        progress(f"at work: {names}")
                        told = time.monotonic()
                    time.sleep(0.2)
            except BaseException:
                process.terminate()
                process.wait()
                raise
        reader.read()
        if process.returncode != 0:
            why = "\n".join(reader.errors) or log.read_text(errors="replace")[-2000:]
            raise EngineError(f"pulumi {verb[0]} failed:\n{why}\nIts whole output: {log}")
        return reader

    def show(self, verb: Sequence[str]) -> int:
        """Run a command of the CLI on the caller's terminal; return its exit code."""
        return subprocess.run(self._command(verb), cwd=CHECKOUT, env=self.environment, check=False).returncode

    def preview(self, *options: str) -> tuple[int, str]:
        """Preview an update as a workflow does.

        Args:
            options: further options of `pulumi preview`.

        Returns:
            The CLI's exit code, and what it said.
        """
        verb = [*pipeline.PREVIEW, "--color", "never", *options]
        return pipeline.run(self._command(verb), self.environment, self.checkout)

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs; empty where there are none.

        Raises:
            EngineError: the CLI refuses.
        """
        return json.loads(self._ask(["stack", "output", "--json"]) or "{}")

    def settings(self) -> dict[str, str]:
        """Return all settings, secret ones in clear, by their key without the namespace.

        Raises:
            EngineError: the CLI refuses.
        """
        found: dict[str, dict[str, str]] = json.loads(self._ask(["config", "--json", "--show-secrets"]))
        return {key.removeprefix(f"{PROJECT}:"): entry["value"] for key, entry in found.items()}

    def forget(self, key: str) -> None:
        """Take a setting out of the stack's file, by its key without the namespace.

        Raises:
            EngineError: the CLI refuses.
        """
        self._ask(["config", "rm", f"{PROJECT}:{key}"])

    def export(self) -> dict[str, Any]:
        """Return the stack's state, its secrets in clear.

        Raises:
            EngineError: the CLI refuses.
        """
        return json.loads(self._ask(["stack", "export", "--show-secrets"]))["deployment"]

    def cancel(self) -> None:
        """Take away the lock in the back end that a killed engine has left.

        Raises:
            EngineError: the CLI refuses.
        """
        self._ask(["cancel", "--yes"])

    def cli(self) -> Pulumi:
        """Return the CLI for the product's own commands."""
        options = ("--config-file", str(self.config_file))
        return Pulumi((*self.prefix, str(self.toolchain.pulumi)), self.stack, options, self.environment)

    @contextmanager
    def _alone(self) -> Generator[int]:
        """Keep others from updating the stack, and take away the lock in the back end that a killed engine has left.

        The engine and its plug-ins inherit our own lock: it is free when, and only when, all of them have gone.

        Yields:
            The lock's descriptor.

        Raises:
            EngineError: another update goes on.
        """
        with (self.directory / "engine.lock").open("w") as lock:
            end = time.monotonic() + _OTHER_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise EngineError(
                            f"another update of stack {self.stack} is at work in {self.directory}"
                        ) from None
                    time.sleep(0.2)
            if any((self.directory / "backend/.pulumi/locks").rglob("*.json")):
                self.cancel()
            yield lock.fileno()

    def _ask(self, verb: Sequence[str]) -> str:
        run = subprocess.run(
            self._command(verb)[len(self.prefix) :],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise EngineError(f"pulumi {' '.join(verb[:2])}: {run.stderr.strip()}")
        return run.stdout

    def _command(self, verb: Sequence[str]) -> list[str]:
        config_file = [] if verb[0] in ("stack", "cancel") else ["--config-file", str(self.config_file)]
        return [
            *self.prefix, str(self.toolchain.pulumi), *verb, "--stack", self.stack, "--non-interactive", *config_file
        ]  # fmt: skip

    def _write_settings(self, changes: Mapping[str, object]) -> None:
        """Take over the tracked file's plain settings, and keep what is encrypted in ours."""
        plain = tracked_settings(self.stack) | dict(changes)
        settings = {f"{PROJECT}:{key}": value for key, value in plain.items()}
        ours: dict[str, Any] = yaml.safe_load(self.config_file.read_text()) if self.config_file.exists() else {}
        own_config: dict[str, object] = ours.get("config") or {}
        encrypted = {key: value for key, value in own_config.items() if _is_encrypted(value)}
        content = {**ours, "config": settings | encrypted}
        temporary = self.config_file.with_suffix(".new")
        temporary.write_text(yaml.safe_dump(content, sort_keys=False))
        temporary.replace(self.config_file)


def tracked_settings(stack: str) -> dict[str, Any]:
    """Return the plain settings of a tracked stack file, by their key without the namespace.

    Args:
        stack: the stack's name.
    """
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
