"""A whole lab: its parts in the order in which they are made, and taken away."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.settings import sshkeys
from lab import fabric, image, preflight, toolchain
from lab.cloud import client as cloud
from lab.engine import Engine, state_file, tracked_settings
from lab.events import EventReader
from lab.paths import LabPaths
from lab.progress import Progress
from operations import drift
from operations.ssh import Node, write_known_hosts
from operations.status import status
from pipeline.engine import PREVIEW


class LabError(Exception):
    """The lab cannot do what is asked; the text is for the user."""


@dataclass
class Lab:
    """One lab.

    Args:
        paths: its name and places.
        progress: told what is going on.
    """

    paths: LabPaths
    progress: Progress = field(default_factory=Progress)

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
        return Engine(
            directory=self.paths.pulumi if stack == "lab" else self.paths.pulumi / stack,
            stack=stack,
            toolchain=toolchain.ensure(self.progress),
            prefix=self.prefix if self.is_up() else (),
            variables=cloud.environment(self.paths),
        )

    def set_up(self, operating_systems: Sequence[str]) -> None:
        """Make all that a lab needs and that takes long only once: tool chain, kernel, images.

        Args:
            operating_systems: some that the lab has guests for.

        Raises:
            LabError: the machine lacks something.
        """
        preflight.install(self.progress)
        if missing := preflight.check(self.paths):
            raise LabError("the lab cannot run here:\n  " + "\n  ".join(missing))
        # The engine's build wants processors, an image's the network and the disk: side by side.
        with self.progress.phase("tool chain, kernel, image"), ThreadPoolExecutor() as pool:
            engine_is_built = pool.submit(toolchain.ensure, self.progress)
            for system in operating_systems:
                image.ensure(system, self.progress)
            engine_is_built.result()
        engine = toolchain.ensure(self.progress)
        ours = (
            f"; this project's own stand-ins: {', '.join(engine.stand_ins)}, azure-native" if engine.stand_ins else ""
        )
        self.progress(f"pulumi {engine.version}{ours}")

    def up(self, changes: Mapping[str, object] | None = None, options: Sequence[str] = ()) -> EventReader:
        """Make the lab and run `pulumi up` in it; may be repeated at any time.

        Args:
            changes: settings in place of those of Pulumi.lab.yaml; remembered until `down`.
            options: further options of `pulumi up`.

        Raises:
            LabError, EngineError: something is missing or fails.
        """
        remembered: dict[str, object] = {}
        if self.settings_file.exists():
            remembered = json.loads(self.settings_file.read_text())
        settings = {**remembered, **(changes or {})}
        self.set_up([str(settings.get("operatingSystem") or tracked_settings("lab")["operatingSystem"])])
        self.start()
        self.paths.pulumi.mkdir(parents=True, exist_ok=True)
        self.settings_file.write_text(json.dumps(settings))
        engine = self.engine()
        with self.progress.phase("stack and secrets"):
            engine.prepare(settings)
            self._write_keys(engine)
        with self.progress.phase("pulumi up"):
            return engine.run(
                ["up", "--yes", "--skip-preview", *options], self.progress, self.paths.logs / "engine-up.log"
            )

    def preview(self, stack: str, options: list[str]) -> int:
        """Run `pulumi preview` on the caller's terminal, as a pull request's; return its exit code.

        The lab's own stack is previewed against its state if it has one. Any other stack file of this project is
        previewed offline, as new, with secrets made up for the purpose.

        Args:
            stack: the stack's name.
            options: further options of `pulumi preview`.
        """
        engine = self.engine(stack)
        if stack != "lab" or not engine.config_file.exists():
            engine.prepare()
        return engine.show([*PREVIEW, *options])

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

    def nodes(self) -> list[Node]:
        """Return the nodes of the lab's cluster, in the stack's order, as the stack's outputs tell to reach them.

        Raises:
            LabError: there is no cluster.
        """
        outputs = self.outputs()
        return [self._node(name, login) for name, login in outputs["ssh"].items() if name != outputs.get("witness")]

    def witness(self) -> Node | None:
        """Return the cluster's witness, if it has one.

        Raises:
            LabError: there is no cluster.
        """
        outputs = self.outputs()
        name = outputs.get("witness")
        return self._node(name, outputs["ssh"][name]) if name else None

    def _node(self, name: str, login: str) -> Node:
        return Node(name, login, self.paths.pulumi / "ssh_key", self.paths.pulumi / "known_hosts", self.prefix)

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs.

        Raises:
            LabError: there are none.
        """
        if not self.is_up():
            raise LabError(f"no lab {self.paths.name!r} is up; make one: make up")
        file = self.paths.pulumi / "outputs.json"
        state = state_file(self.paths.pulumi, "lab")
        if not file.exists() or (state.exists() and state.stat().st_mtime > file.stat().st_mtime):
            file.write_text(json.dumps(self.engine().outputs()))
        outputs = json.loads(file.read_text())
        if "endpoint" not in outputs:
            raise LabError("the cluster is not there yet, or its update has failed: make up")
        return outputs

    def status(self) -> status.Status:
        """Ask the cluster how it is."""
        outputs = self.outputs()
        loopback = cloud.status(self.paths)["loopback"]
        return status.read(self.nodes(), outputs["endpoint"], loopback, outputs.get("witness"))

    def drift(self) -> list[drift.Finding]:
        """Look for what has been changed by hand on the machines.

        Raises:
            LabError, EngineError, DriftError: there is nothing to look at.
        """
        if not self.is_up():
            raise LabError(f"no lab {self.paths.name!r} is up; make one: make up")
        return list(drift.look(self.engine().export(), self.prefix))

    def client(self) -> list[str]:
        """Return the argument list of a MySQL client that talks to the endpoint as the application."""
        outputs = self.outputs()
        options = self.paths.pulumi / "client.cnf"
        return [
            *self.prefix, "mariadb", f"--defaults-extra-file={options}", f"--host={outputs['endpoint']['host']}",
            f"--port={outputs['endpoint']['port']}", "--protocol=tcp", f"--user={outputs['database']['user']}",
            outputs["database"]["name"],
        ]  # fmt: skip

    def database_password(self) -> str:
        """Return the application's password, as it lies ready for a client."""
        lines = (self.paths.pulumi / "client.cnf").read_text().splitlines()
        return next(line for line in lines if line.startswith("password=")).removeprefix("password=").strip('"')

    def run_client(self) -> None:
        """Become that client, on the caller's terminal. Does not return."""
        command = self.client()
        os.execvp(command[0], command)

    def _write_keys(self, engine: Engine) -> None:
        """Lay ready what SSH and the database's client need, for this user alone."""

        def write(name: str, text: str) -> None:
            file = self.paths.pulumi / name
            file.touch(mode=0o600)
            file.chmod(0o600)
            file.write_text(text)

        settings = engine.settings()
        write("ssh_key", settings["sshPrivateKey"].strip() + "\n")
        cluster, keys = settings["clusterName"], json.loads(settings["sshHostKeys"])
        names = json.loads(settings.get("nodeNames", "[]")) or [f"{cluster}-{number}" for number in (1, 2)]
        machines = [*names, f"{cluster}-witness"]
        public = {name: sshkeys.parse(key).public for name, key in zip(machines, keys, strict=True)}
        write_known_hosts(self.paths.pulumi / "known_hosts", public)
        write("client.cnf", f'[client]\npassword="{settings["databasePassword"]}"\n')

    def _keep_logs(self) -> None:
        """Copy what tells what happened to where it survives."""
        self.paths.logs.mkdir(parents=True, exist_ok=True)
        for file in [*self.paths.cloud.glob("*.log"), *self.paths.machines.glob("*/console*")]:
            name = file.name if file.parent == self.paths.cloud else f"{file.parent.name}-{file.name}"
            shutil.copy2(file, self.paths.logs / name)

    def collect(self) -> Path:
        """Gather logs of engine, cloud, consoles and the guests' journals into one folder.

        Returns:
            The folder.
        """
        self._keep_logs()
        try:
            machines = cloud.status(self.paths)["machines"]
        except cloud.CloudError:
            return self.paths.logs
        user = tracked_settings("lab").get("adminUser", "azureuser")
        for machine in machines:
            # By its own address: the balancer, or an update that failed, may be what is wrong.
            node = self._node(machine["name"], f"ssh {user}@{machine['address']}")
            try:
                journal = node.run("journalctl --no-pager; crm_mon --one-shot --inactive; cat /proc/drbd", check=False)
            except subprocess.TimeoutExpired as error:
                journal = f"cannot be asked: {error}\n"
            (self.paths.logs / f"{node.name}-journal.log").write_text(journal)
        return self.paths.logs


def wait_until(what: str, condition: Callable[[], object], timeout: float, every: float = 0.5) -> None:
    """Wait for an event.

    Args:
        what: what is awaited, for the error.
        condition: called again and again until it returns something true.
        timeout: seconds to the end of patience.
        every: seconds between two calls.

    Raises:
        TimeoutError: it did not come.
    """
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout:.0f} s")
        time.sleep(every)
