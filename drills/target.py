"""What drills are done to: a cluster, as it can be reached by SSH, through its endpoint, and through Azure's API."""

import contextlib
import itertools
import re
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql

from drills import network
from lab import fabric, power, tls
from lab.cloud import client as cloud
from lab.cloud import namespace
from lab.image import Image
from lab.kernel import Kernel
from lab.lab import Lab
from lab.machine import Machine, MachineError, MachineSpec
from lab.prometheus import Prometheus
from lab.writer import ANSWER_SECONDS, CONNECT_SECONDS, Connection
from operations.ssh import Node
from operations.stack import Stack
from operations.status import status

DRBD_PARAMETERS = "/sys/module/drbd/parameters"
"""Where DRBD's fault injection is set, in kernels that have it."""


@dataclass(frozen=True)
class Fencing:
    """A machine that another one has switched off.

    Args:
        began, ended: of the power-off, in seconds of the epoch (of the start, where it was off already); `ended` is
            None while it goes on.
    """

    machine: str
    caller: str
    began: float
    ended: float | None


def connect(stack: Stack) -> Connection:
    """Open a connection to a stack's endpoint, as of `Target.connect`."""
    endpoint, database = stack.outputs["endpoint"], stack.outputs["database"]
    return pymysql.connect(
        host=endpoint["host"], port=endpoint["port"], user=database["user"], database=database["name"],
        password=stack.settings["databasePassword"], ssl=tls.context(stack.authority, endpoint["name"]),
        autocommit=True,
        connect_timeout=CONNECT_SECONDS, read_timeout=ANSWER_SECONDS, write_timeout=ANSWER_SECONDS,
    )  # fmt: skip


class Target(ABC):
    """The cluster of a stack. What only a lab can do is in `LabTarget`, and scenarios say when they need that.

    Raises:
        OperationError: the stack has no cluster, or the Pulumi CLI does not tell its outputs and settings.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.nodes = stack.nodes
        self.watching: Prometheus | None = None

    def has_witness(self) -> bool:
        """Tell whether the nodes' Corosync is configured for a witness, a third vote."""
        return "model: net" in self.nodes[0].run("cat /etc/corosync/corosync.conf")

    def watchdog_seconds(self) -> float:
        """Return after how long a node that does not answer counts as fenced by its watchdog; 0 without watchdogs."""
        return self._seconds("-watchdog-timeout")

    def watchdog_bound(self) -> float:
        """Return within which time of its loss a node counts as fenced, without Azure's API; 0 without watchdogs.

        Until it is missed, token and consensus; until the fence agent has failed, its time-out; then the watchdog's.
        """
        watchdog = self.watchdog_seconds()
        if not watchdog:
            return 0.0
        times = self.nodes[0].run("corosync-cmapctl -g runtime.config.totem.token; corosync-cmapctl -g totem.consensus")
        missed = sum(int(line.rsplit("=", 1)[1]) for line in times.splitlines()) / 1000
        return missed + self._seconds("pcmk_reboot_timeout") + watchdog

    def _seconds(self, name: str) -> float:
        """Return the value of the only thing in Pacemaker's configuration whose name has this; 0 without one."""
        path = f"//configuration//nvpair[contains(@name, '{name}')]"
        nothing_found = 105  # Pacemaker's CRM_EX_NOSUCH; a node that is away must not look like it
        told = self.nodes[0].run(f'cibadmin --query --xpath "{path}" || (($? == {nothing_found}))')
        found = re.search(r' value="(\d+)s?"', told)
        return float(found[1]) if found else 0.0

    def has_backup(self) -> bool:
        return not str(self.stack.outputs.get("backup") or "OFF").startswith("OFF")

    def status(self) -> status.Status:
        return status.ask(self.stack)

    def inside(self) -> AbstractContextManager[None]:
        """Let the calling thread be where clients of the endpoint are."""
        return contextlib.nullcontext()

    def connect(self) -> Connection:
        """Open a connection to the endpoint, with autocommit, that gives up soon; to be called `inside`."""
        return connect(self.stack)

    @contextmanager
    def watched(self, folder: Path) -> Generator[None]:
        """Have a Prometheus ask the nodes while the body runs, where the target has one; see `watching`.

        Args:
            folder: gets what it leaves behind; made by this.
        """
        yield

    @abstractmethod
    def power(self) -> dict[str, bool]:
        """Return which nodes' machines are on, as the cloud says."""

    @abstractmethod
    def fencings(self, since: float, journals: Sequence[Sequence[str]]) -> list[Fencing]:
        """Return the fencings since a time.

        Args:
            since: seconds of the epoch.
            journals: of the nodes, for clouds whose own log comes late.
        """

    @abstractmethod
    def cut_power(self, node: Node) -> None:
        """Switch a machine off without a word to it."""

    @abstractmethod
    def start(self, node: Node) -> None:
        """Switch a machine on; nothing happens where it is on."""

    @abstractmethod
    def part(self) -> None:
        """Cut all traffic between the nodes, in both directions; clients and Azure still reach both."""

    @abstractmethod
    def join(self) -> None:
        """Undo `part`."""

    @abstractmethod
    def repair(self) -> None:
        """Undo every fault that is still on, and start machines that are off."""


class LabTarget(Target):
    """A lab's cluster, which can be hurt in every way."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab.stack())
        self.lab = lab

    @contextmanager
    def watched(self, folder: Path) -> Generator[None]:
        """Have a Prometheus ask the nodes, where the cluster has `monitoring`."""
        if not isinstance(self.stack.outputs.get("monitoring"), dict):
            yield
            return
        folder.mkdir()
        watching = Prometheus(self.lab)
        with watching.running(folder):
            self.watching = watching
            try:
                yield
            finally:
                self.watching = None

    def inside(self) -> AbstractContextManager[None]:
        return namespace.inside(self.lab.paths.namespace)

    def _machines(self) -> list[cloud.MachineStatus]:
        names = {node.name for node in self.nodes}
        return [machine for machine in cloud.status(self.lab.paths)["machines"] if machine["name"] in names]

    def power(self) -> dict[str, bool]:
        """Return which machines' processes are there."""
        return {machine["name"]: machine["power"] == "running" for machine in self._machines()}

    def fencings(self, since: float, journals: Sequence[Sequence[str]]) -> list[Fencing]:
        """Return the fencings among the power actions that the lab cloud was asked for."""
        return fencings_of(cloud.power_actions(self.lab.paths), since, {node.name for node in self.nodes})

    def cut_power(self, node: Node) -> None:
        """Kill -9 every process of the machine."""
        power.kill(self.lab, node.name)

    def start(self, node: Node) -> None:
        """Switch the machine on through the API."""
        power.start(self.lab, node.name)

    def part(self) -> None:
        """Isolate both machines' ports of the bridge."""
        for machine in self._machines():
            for tap in machine["taps"]:
                fabric.isolate(self.lab.paths.namespace, tap)

    def join(self) -> None:
        for machine in self._machines():
            for tap in machine["taps"]:
                fabric.unisolate(self.lab.paths.namespace, tap)

    def repair(self) -> None:
        self.join()
        cloud.set_faults(self.lab.paths, arm="ok", storage="ok", zone="")
        for event in cloud.scheduled_events(self.lab.paths):
            with contextlib.suppress(cloud.CloudError):  # has started meanwhile
                cloud.withdraw_event(self.lab.paths, event["EventId"])
        on = self.power()
        for node in self.nodes:
            if on[node.name]:
                self.thaw(node)
                network.clear(node)
                with contextlib.suppress(subprocess.SubprocessError):
                    node.run(f"echo 0 >{DRBD_PARAMETERS}/enable_faults", check=False, timeout=15)
            else:
                self.start(node)
        self.start_witness()

    # --- what only a lab can do

    def _machine(self, node: Node) -> Machine:
        folder = self.lab.paths.machines / node.name
        base = folder / "base"
        # Signals need nothing of a machine but its folder.
        spec = MachineSpec(node.name, folder, Image("", base, base), 256, (), {}, base)
        return Machine(spec, Kernel("", (), base, (), ""))

    def freeze(self, node: Node) -> None:
        """Stop every process of the machine where it stands."""
        self._machine(node).freeze()

    def thaw(self, node: Node) -> bool:
        """Let a frozen machine go on; tell whether it was still there."""
        try:
            self._machine(node).thaw()
        except MachineError:
            return False
        return True

    def power_cycle(self, node: Node) -> str:
        """Return what is another for each time that the machine is switched on; nothing while it is off."""
        if not self.power()[node.name]:
            return ""
        return (self.lab.paths.machines / node.name / "process").read_text()

    def reach_api(self, reachable: bool) -> None:
        """Take Azure's API and the tokens for it away from the machines, or give them back."""
        cloud.set_faults(self.lab.paths, arm="ok" if reachable else "unreachable")

    def reach_storage(self, reachable: bool) -> None:
        """Take the storage accounts away from the machines, or give them back."""
        cloud.set_faults(self.lab.paths, storage="ok" if reachable else "unreachable")

    def cut_power_of_witness(self) -> None:
        """Kill -9 every process of the witness's machine."""
        if witness := self.lab.witness():
            power.kill(self.lab, witness.name)

    def start_witness(self) -> None:
        """Switch the witness on; nothing happens where it is on, or there is none."""
        if (witness := self.lab.witness()) and not power.is_on(self.lab, witness.name):
            power.start(self.lab, witness.name)

    def zone_of(self, node: Node) -> str:
        """Return the node's availability zone; empty for none."""
        return next(machine["zone"] for machine in self._machines() if machine["name"] == node.name)

    def take_zone(self, zone: str) -> None:
        """Take away an availability zone: its part of the network, and the power of its machines at once."""
        gone = [one["name"] for one in cloud.status(self.lab.paths)["machines"] if one["zone"] == zone]
        cloud.set_faults(self.lab.paths, zone=zone)
        for machine in gone:
            power.kill(self.lab, machine)

    def return_zone(self) -> None:
        """Bring it back; its machines stay off until somebody starts them."""
        cloud.set_faults(self.lab.paths, zone="")

    def announce(self, node: Node, seconds: float) -> None:
        """Announce a reboot of the machine's host, so many seconds from now."""
        cloud.announce_event(self.lab.paths, node.name, seconds)

    def announced(self) -> bool:
        """Tell whether an event is announced or under way."""
        return bool(cloud.scheduled_events(self.lab.paths))

    def keep_log(self, since: float, file: Path) -> None:
        """Copy the part of the lab cloud's log since a time in seconds of the epoch."""
        first = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
        with (self.lab.paths.cloud / "cloud.log").open(errors="replace") as log:
            lines = itertools.dropwhile(lambda line: line[: len(first)] < first or not line[0].isdigit(), log)
            file.write_text("".join(lines))

    def backends(self) -> dict[str, bool]:
        """Return which nodes the balancer's probe finds healthy, for the port of MySQL."""
        return {
            backend["vm"]: backend["healthy"]
            for balancer in cloud.status(self.lab.paths)["balancers"]
            if balancer["port"] == self.stack.outputs["endpoint"]["port"]
            for backend in balancer["backends"]
        }


def fencings_of(actions: Sequence[cloud.PowerAction], since: float, callers: Set[str]) -> list[Fencing]:
    """Return the fencings among power actions: what one machine did to another by its own identity.

    A fencing is a power-off with the start that follows it, or a start alone: the fence agent finds a machine whose
    power has failed off already, and has only to start it.

    Args:
        actions: oldest first.
        since: seconds of the epoch; what began earlier does not count.
    """
    found: list[Fencing] = []
    awaits_start: set[str] = set()
    for one in actions:
        # One that the platform refuses, as a start in a zone that is away, has done nothing.
        if one["began"] < since or one["caller"] not in callers or one["status"] == "Failed":
            continue
        is_start = one["action"] == "start"
        if not is_start or one["machine"] not in awaits_start:
            found.append(Fencing(one["machine"], one["caller"], one["began"], one["ended"]))
        if is_start:
            awaits_start.discard(one["machine"])
        else:
            awaits_start.add(one["machine"])
    return found
