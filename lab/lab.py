"""A whole lab: its parts in the order in which they are made, and taken away."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from components.checkout import CHECKOUT
from lab import azurite, fabric, image, preflight, toolchain
from lab.cloud import client as cloud
from lab.engine import Engine, state_file, tracked_settings
from lab.events import EventReader
from lab.paths import LabPaths
from lab.progress import Progress
from operations.check import check
from operations.cli import Cli
from operations.error import OperationError
from operations.logs import keep
from operations.plan import event_log
from operations.price import month
from operations.ssh import Node
from operations.stack import Stack
from operations.status import status
from pipeline.engine import PREVIEW

STEADY_SYSTEM = "debian-12"
"""What the nodes run on a day on which the stack's own operating system cannot be installed."""


class LabError(OperationError):
    """The lab cannot do what is asked; the text is for the user."""


@dataclass
class Lab:
    paths: LabPaths
    progress: Progress = field(default_factory=Progress)
    _settings: dict[int, Mapping[str, str]] = field(default_factory=dict[int, Mapping[str, str]], repr=False)

    @property
    def settings_file(self) -> Path:
        """What this lab's stack has in place of the tracked stack file's settings."""
        return self.paths.pulumi / "changes.json"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command is run with to be inside of the lab."""
        return tuple(fabric.run_inside(self.paths.namespace, []))

    def is_up(self) -> bool:
        """Tell whether the lab is there, working or not."""
        return fabric.exists(self.paths.namespace)

    def engine(self, stack: str = "lab") -> Engine:
        """Return the engine on one of this lab's stacks, making the tool chain if it is missing."""
        return Engine.of(
            self.paths.pulumi if stack == "lab" else self.paths.pulumi / stack,
            stack,
            toolchain.ensure(self.progress),
            self.prefix if self.is_up() else (),
            cloud.environment(self.paths),
        )

    def set_up(self, operating_systems: Sequence[str] | None = None) -> None:
        """Make all that a lab needs and that takes long only once: tool chain, kernel, images, Azurite.

        Args:
            operating_systems: some that the lab has guests for; by default what the stack's file names.

        Raises:
            LabError: the machine lacks something.
        """
        preflight.install(self.progress)
        if missing := preflight.check(self.paths):
            raise LabError("the lab cannot run here:\n  " + "\n  ".join(missing))
        # The engine's build wants processors, an image's the network and the disk: side by side.
        with self.progress.phase("tool chain, kernel, image"), ThreadPoolExecutor() as pool:
            engine_is_built = pool.submit(toolchain.ensure, self.progress)
            storage_is_there = pool.submit(azurite.ensure, self.progress)
            for system in operating_systems or [_usual_system()]:
                image.ensure(system, self.progress)
            engine_is_built.result()
            storage_is_there.result()
        engine = toolchain.ensure(self.progress)
        ours = (
            f"; this project's own stand-ins: {', '.join(engine.stand_ins)}, azure-native" if engine.stand_ins else ""
        )
        self.progress(f"pulumi {engine.version}{ours}")

    def up(self, changes: Mapping[str, object] | None = None, options: Sequence[str] = ()) -> EventReader:
        """Make the lab and run `pulumi up` in it; may be repeated at any time.

        Args:
            changes: settings in place of those of Pulumi.lab.yaml; remembered until `down`.

        Raises:
            LabError, EngineError: something is missing or fails.
        """
        remembered: dict[str, object] = {}
        if self.settings_file.exists():
            remembered = json.loads(self.settings_file.read_text())
        settings = {**remembered, **(changes or {})}
        if "operatingSystem" in settings:
            self.set_up([str(settings["operatingSystem"])])
        else:
            settings |= self._set_up_usual()
        self.start()
        self.paths.pulumi.mkdir(parents=True, exist_ok=True)
        self.settings_file.write_text(json.dumps(settings))
        engine = self.engine()
        with self.progress.phase("stack and secrets"):
            engine.prepare(settings)
        with self.progress.phase("pulumi up"):
            return engine.run(
                ["up", "--yes", "--skip-preview", *options], self.progress, self.paths.logs / "engine-up.log"
            )

    def _set_up_usual(self) -> dict[str, object]:
        """Set up what the stack's file names, or what can be had in its place; return what that changes."""
        try:
            self.set_up()
        except image.NotInstallableError as error:
            why = str(error).partition("\n")[0]
            self.progress(f"{_usual_system()} cannot be installed today, so the nodes run {STEADY_SYSTEM} ({why})")
            self.set_up([STEADY_SYSTEM])
            return {"operatingSystem": STEADY_SYSTEM}
        return {}

    def preview(self, stack: str, options: list[str]) -> int:
        """Run `pulumi preview` on the caller's terminal, as a pull request's, with the price; return its exit code.

        The lab's own stack is previewed against its state if it has one. Any other stack file of this project is
        previewed offline, as new, with secrets made up for the purpose.
        """
        engine = self.engine(stack)
        if stack != "lab" or not engine.settings_file.exists():
            engine.prepare()
        with event_log() as log:
            code = engine.show(*PREVIEW, *options, "--event-log", str(log))
            if code == 0 and "--json" not in options:
                # Other stacks' prices are Azure's, and not the lab's.
                print(month.of_preview(engine if stack == "lab" else Cli(stack), log), end="")
                print(f"Whether the subscription allows it: make check{'' if stack == 'lab' else f' STACK={stack}'}")
        return code

    def check(self, options: list[str]) -> int:
        """Ask the lab's subscription whether its stack can be made there, as a person asks Azure; return the exit code.

        Args:
            options: further options of `python -m operations.check`.
        """
        if not self.is_up():
            self.start()
        engine = self.engine()
        if not engine.settings_file.exists():
            engine.prepare()
        command = check.command(engine, *options)
        return subprocess.run(command, cwd=CHECKOUT, env=engine.environment, check=False).returncode

    def start(self) -> None:
        """Start the lab's namespace and cloud where they do not run; machines that run are found again."""
        with self.progress.phase("namespace and cloud"):
            fabric.create(self.paths.namespace)
            cloud.start(self.paths, self.progress)

    def down(self) -> None:
        """Take away every trace of the lab but its logs. Good after any crash of it, and more than once."""
        self._keep_logs()
        cloud.stop(self.paths)
        fabric.remove(self.paths.namespace)
        shutil.rmtree(self.paths.state, ignore_errors=True)

    def _require_up(self) -> None:
        name = self.paths.name
        if not self.is_up():
            up = "make up" if name == "lab" else f"make up LAB={name}"
            raise LabError(f"no lab {name!r} is running: start it with {up}, or name a stack with STACK=")

    def stack(self) -> Stack:
        self._require_up()
        return LabStack(self.engine(), self)

    def nodes(self) -> list[Node]:
        """Return the nodes of the lab's cluster, as the stack's outputs tell to reach them."""
        return self.stack().nodes

    def witness(self) -> Node | None:
        """Return the cluster's witness, if it has one."""
        return next((each for each in self.stack().machines if each.name == self.outputs().get("witness")), None)

    def outputs(self) -> dict[str, Any]:
        self._require_up()
        file = self.paths.pulumi / "outputs.json"
        state = state_file(self.paths.pulumi, "lab")
        if not file.exists() or (state.exists() and state.stat().st_mtime > file.stat().st_mtime):
            file.write_text(json.dumps(self.engine().outputs()))
        outputs = json.loads(file.read_text())
        if "endpoint" not in outputs:
            raise LabError("the lab has no cluster yet, or its update has failed; run make up")
        return outputs

    def settings(self) -> Mapping[str, str]:
        """Return the stack's settings, secret ones in clear."""
        engine = self.engine()
        changed = engine.settings_file.stat().st_mtime_ns
        if changed not in self._settings:
            self._settings[changed] = engine.settings()
        return self._settings[changed]

    def status(self) -> status.Status:
        return status.ask(self.stack())

    def database_password(self) -> str:
        return self.settings()["databasePassword"]

    def _keep_logs(self) -> None:
        """Copy what tells what happened to where it survives."""
        self.paths.logs.mkdir(parents=True, exist_ok=True)
        for file in [*self.paths.cloud.glob("*.log"), *self.paths.machines.glob("*/console*")]:
            name = file.name if file.parent == self.paths.cloud else f"{file.parent.name}-{file.name}"
            shutil.copy2(file, self.paths.logs / name)

    def collect(self) -> Path:
        """Gather logs of engine, cloud, consoles and the guests' journals into one folder."""
        self._keep_logs()
        try:
            machines = cloud.status(self.paths)["machines"]
        except cloud.CloudError:
            return self.paths.logs
        user = tracked_settings("lab").get("adminUser", "azureuser")
        # By their own addresses: the balancer, or an update that failed, may be what is wrong.
        logins = {machine["name"]: f"ssh {user}@{machine['address']}" for machine in machines}
        keep([Node(name, login, self.stack().agent, self.prefix) for name, login in logins.items()], self.paths.logs)
        return self.paths.logs


def _usual_system() -> str:
    return str(tracked_settings("lab")["operatingSystem"])


@dataclass(frozen=True)
class LabStack(Stack):
    """A lab's own stack: what is asked of the CLI is kept from one process, or one moment, to the next."""

    lab: Lab

    @property
    def update(self) -> tuple[str, ...]:
        """The command that updates it, for a person."""
        return (".venv/bin/python", "-m", "lab", "--lab", self.lab.paths.name, "up")

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        return self.lab.outputs()

    @cached_property
    def settings(self) -> Mapping[str, str]:
        return self.lab.settings()

    @property
    def loopback(self) -> Mapping[str, Any] | None:
        """Host and port by which the endpoint answers on this machine."""
        return cloud.status(self.lab.paths)["loopback"]


def wait_until(what: str, condition: Callable[[], object], timeout: float, every: float = 1.0) -> None:
    """Wait for an event.

    Args:
        what: what is awaited, for the error.
        condition: called again and again until it returns something true.
        timeout: seconds to the end of patience.
        every: seconds between two calls.
    """
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout:.0f} s")
        time.sleep(every)
