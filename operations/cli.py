"""The Pulumi CLI on one stack of this program: the one place that runs it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.checkout import CHECKOUT
from operations.error import OperationError

PROJECT = "azure-mysql-ha"

_WITHOUT_SETTINGS = ("stack", "cancel")
"""Commands that do not know --config-file."""


FLAGS = {"PULUMI_DEBUG_COMMANDS": "true"}
"""Lets the CLI take --event-log, by which `operations.plan` learns what a preview has found."""

_HALF_WRITTEN = "failed to load checkpoint"
"""What the CLI says where a back end in a folder is just writing the stack's record: an update is at work."""

_RECORD_SECONDS = 10
"""How long such a record is waited for."""


_REMEDIES = {
    "no stack named": "make stack STACK={stack} makes it, or pulumi login chooses the back end that has it",
    "PULUMI_ACCESS_TOKEN must be set": "log in first: pulumi login",
    "incorrect passphrase": "PULUMI_CONFIG_PASSPHRASE(_FILE) must have the one with which the stack was made",
}
"""What to do, by what the CLI says."""


class CliError(OperationError):
    """The CLI is missing, or refuses."""


@dataclass(frozen=True)
class Cli:
    """The Pulumi CLI on one stack.

    Args:
        config_file: the stack's settings, where they are not in Pulumi.STACK.yaml.
        environment: the CLI's variables (back end, passphrase); by default this process's own.
        prefix: what to run it with, such as `ip netns exec NAME`.
        checkout: the program, where it is another one than this.
    """

    stack: str
    program: str = "pulumi"
    config_file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    prefix: tuple[str, ...] = ()
    checkout: Path = CHECKOUT

    @classmethod
    def selected(cls, program: str) -> str:
        """Return the name of the stack that `pulumi stack select` has chosen.

        Raises:
            CliError: none is selected, or the CLI refuses.
        """
        return cls("", program)._ask_project("stack", "--show-name").strip()

    @property
    def version(self) -> str:
        """The CLI's version, such as v3.259.0; errors as of `ask`."""
        return self._ask_project("version").strip()

    @property
    def short_name(self) -> str:
        """The stack's name without its organisation, as in the name of its file."""
        return self.stack.rpartition("/")[2]

    @property
    def settings_file(self) -> Path:
        return self.config_file or self.checkout / f"Pulumi.{self.short_name}.yaml"

    def command(self, *words: str) -> list[str]:
        """Return the argument list of a command on the stack.

        Args:
            words: the command and its options, such as "stack", "export". No secret may be among them.
        """
        settings = self.config_file if words[0] not in _WITHOUT_SETTINGS else None
        own = ["--config-file", str(settings.resolve())] if settings else []
        return [*self.prefix, self.program, *words, "--stack", self.stack, "--non-interactive", *own]

    def ask(self, *words: str, text: str = "") -> str:
        """Run a command on the stack and return what it prints.

        Args:
            text: what the CLI reads from its standard input, which is where secrets belong.
        """
        end = time.monotonic() + _RECORD_SECONDS
        while True:
            try:
                return self._ask(self.command(*words), words, self.checkout, text)
            except CliError as error:
                if _HALF_WRITTEN not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def show(self, *words: str) -> int:
        """Run a command on the stack on the caller's terminal; return its exit code."""
        env = {**self.environment, **FLAGS}
        return subprocess.run(self.command(*words), cwd=self.checkout, env=env, check=False).returncode

    def pass_on(self, *words: str) -> tuple[int, str]:
        """Run a command on the stack, and pass on what it says as it says it, without colours."""
        said: list[str] = []
        with subprocess.Popen(
            [*self.command(*words), "--color", "never"],
            cwd=self.checkout, env={**self.environment, **FLAGS}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as process:  # fmt: skip
            assert process.stdout
            for line in process.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                said.append(line)
        return process.returncode, "".join(said)

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs; empty where there are none."""
        return json.loads(self.ask("stack", "output", "--json") or "{}")

    def settings(self) -> dict[str, str]:
        """Return the stack's settings, secret ones in clear, by their key without the project's name."""
        found: dict[str, dict[str, str]] = json.loads(self.ask("config", "--json", "--show-secrets"))
        own = {key.removeprefix(f"{PROJECT}:"): entry for key, entry in found.items() if key.startswith(f"{PROJECT}:")}
        return {key: entry["value"] for key, entry in own.items()}

    def setting(self, key: str) -> str:
        """Return one setting in clear, by its key without the project's name."""
        return self.ask("config", "get", f"{PROJECT}:{key}")

    def set_secret(self, key: str, value: str) -> None:
        """Encrypt a setting into the stack's file, by its key without the project's name."""
        self.ask("config", "set", f"{PROJECT}:{key}", "--secret", text=value)

    def forget(self, key: str) -> None:
        """Take a setting out of the stack's file, by its key without the project's name."""
        self.ask("config", "rm", f"{PROJECT}:{key}")

    def export(self) -> dict[str, Any]:
        """Return what the stack's state has under "deployment", its secrets in clear."""
        return json.loads(self.ask("stack", "export", "--show-secrets"))["deployment"]

    def state(self) -> dict[str, Any]:
        """Return the stack's whole state, its secrets encrypted."""
        return json.loads(self.ask("stack", "export"))

    def replace_state(self, state: Mapping[str, Any]) -> None:
        """Put a state in the place of the stack's."""
        self.ask("stack", "import", text=json.dumps(state))

    def refresh(self, urns: Sequence[str]) -> None:
        """Look at resources, and at nothing else."""
        self.ask("refresh", "--yes", "--skip-preview", *(word for urn in urns for word in ("--target", urn)))

    def cancel(self) -> None:
        """Take away the lock in the back end that a killed engine has left."""
        self.ask("cancel", "--yes")

    def resources(self) -> int | None:
        """Return how many resources the stack has; None if there is no such stack."""
        for each in json.loads(self._ask_project("stack", "ls", "--json")):
            if each["name"] in (self.stack, self.short_name):
                return each.get("resourceCount") or 0
        return None

    def create(self) -> None:
        """Make the stack in the back end; what the CLI knows of its encryption goes into the stack's file."""
        file = self.settings_file
        # `stack init` knows no --config-file, and writes into Pulumi.STACK.yaml of its project. So it gets a project
        # of its own, and the file's copy.
        with tempfile.TemporaryDirectory(prefix="azure-mysql-ha-") as folder:
            shutil.copy(self.checkout / "Pulumi.yaml", folder)
            copy = Path(folder) / f"Pulumi.{self.short_name}.yaml"
            if file.exists():
                shutil.copy(file, copy)
            self._ask_project("stack", "init", self.stack, "--no-select", folder=Path(folder))
            if copy.exists():
                shutil.copy(copy, file)

    def _ask_project(self, *words: str, folder: Path | None = None) -> str:
        """Run a command that is of the project, and not of a stack that is there."""
        return self._ask([*self.prefix, self.program, *words, "--non-interactive"], words, folder or self.checkout)

    def _ask(self, command: Sequence[str], words: Sequence[str], folder: Path, text: str = "") -> str:
        try:
            run = subprocess.run(
                command, cwd=folder, env={**self.environment, **FLAGS}, input=text,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise CliError(
                f"there is no program {self.program}: put the Pulumi CLI on PATH, or name it with --pulumi"
            ) from None
        if run.returncode != 0:
            said = run.stderr.strip() or run.stdout.strip()
            remedy = next(
                (f"; {text.format(stack=self.short_name)}" for key, text in _REMEDIES.items() if key in said), ""
            )
            raise CliError(f"pulumi {' '.join(words[:2])}: {said}{remedy}")
        return run.stdout
