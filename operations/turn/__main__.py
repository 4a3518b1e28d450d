"""A node's turn: may Azure restart or replace its machine now? Waits until it may, and has the node leave first.

Run as `python -m operations.turn` on the machine that runs Pulumi, before Azure changes the node's machine
(components/azure/nodes.py). It speaks SSH to both nodes and keeps nothing: all that it knows it asks the nodes anew, so
it can be killed and run again at any time. Its rule: never both, the idle node first, and the other one only when the
first is back with all data.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from components.checkout import CONFIGS
from operations.ssh_agent import Agent, AgentError, agent
from operations.status import drbd

# What runs on a node leaves this there, where a restart takes it away: a node that has left and is not to restart after
# all is brought back by it. configs/pacemaker/look.py tells of it.
LEFT = "/run/azure-mysql-ha/turn"

# The resources that serve: the last to start on a node that takes over, and what clients see.
_SERVING = ("mysql-server", "mysql-probe")

_ASK_EVERY_SECONDS = 3.0
_TELL_EVERY_SECONDS = 15.0
# For as long nothing may change in what is waited for. A new machine of Azure's has its packages and its place in the
# cluster in a third of that; the progress of a resynchronisation is a change.
_PATIENCE_SECONDS = 1800.0
# A node that restarts is away for a minute or two. One that is away for longer is off, or not to be reached from here.
_AWAY_SECONDS = 300.0
# What Pacemaker gives a server to stop and to start: configs/pacemaker/cluster.crm.j2.
_MOVE_SECONDS = 600.0


class TurnError(Exception):
    """The turn cannot be told, or the node cannot leave. The text is one line: what was found, and what to do."""


@dataclass(frozen=True)
class Wanted:
    """What a machine is to be.

    Args:
        size: Azure's name of the size.
        image: publisher, offer, SKU and version with colons between, as the Azure CLI writes an image.
        os_disk_sku: SKU of the operating system's disk.
    """

    size: str
    image: str
    os_disk_sku: str


@dataclass(frozen=True)
class View:
    """How a node is, and what it sees.

    Args:
        machine: what Azure says that it is; None where Azure's metadata service did not answer.
        has_cluster: whether its Pacemaker has ever had the DRBD resource.
        has_left: whether it has left for a restart that has not come yet.
        members: nodes that Pacemaker sees online and able to take over; None where Pacemaker does not run here.
        away: nodes that Pacemaker sees as cleanly away: off without need for fencing, or in standby.
        serving: the node on which everything runs; empty where it does on none.
        connected: whether DRBD has its peer.
        disks: DRBD's own states, this node's first, such as ("UpToDate", "Inconsistent"); empty where it is down.
        synced: percents of a resynchronisation that are done; empty where there is none.
        differing: KiB that differ on two disks that both count as whole, as a verify has found.
        votes_missing: how many of the expected votes Corosync does not have.
        by_hand: what a person has taken out of Pacemaker's hands, and what ends that; empty for nothing.
    """

    machine: Wanted | None
    has_cluster: bool
    has_left: bool
    members: frozenset[str] | None
    away: frozenset[str]
    serving: str
    connected: bool
    disks: tuple[str, ...]
    synced: str
    differing: int
    votes_missing: int
    by_hand: str = ""


@dataclass(frozen=True)
class Done:
    """The machine is as it is to be: nothing will happen to it, and the node stays, or comes back if it had left."""


@dataclass(frozen=True)
class Go:
    """The machine may be restarted or replaced.

    Args:
        why: what allows it.
        leave: whether the node is a member, and is to leave first.
        peer_must_serve: whether the peer is to serve before.
    """

    why: str
    leave: bool
    peer_must_serve: bool = True


@dataclass(frozen=True)
class Wait:
    """Not yet.

    Args:
        what_for: what is waited for.
        seconds: how long nothing may change in that.
    """

    what_for: str
    seconds: float = _PATIENCE_SECONDS


Decision = Done | Go | Wait


def decide(node: str, peer: str, *, first: bool, wanted: Wanted, own: View | None, others: View | None) -> Decision:
    """Tell whether a node's machine may go now.

    Args:
        node: its name.
        peer: the other one's.
        first: whether it goes first where neither serves.
        wanted: what its machine is to be.
        own: how it is; None where it cannot be reached.
        others: how the peer is; None likewise.

    Raises:
        TurnError: no waiting would help.
    """
    if own is not None:
        if own.machine is None:
            return Wait(f"Azure's metadata service to answer on {node}", _AWAY_SECONDS)
        if own.machine == wanted:
            return Done()
        was, will = (image.split(":")[:2] for image in (own.machine.image, wanted.image))
        if was != will:
            raise TurnError(
                f"{node} runs {':'.join(was)} and is to run {':'.join(will)}: another operating system is another"
                " cluster, since its MySQL, Corosync and Pacemaker need not understand these. Set operatingSystem back"
            )
        if own.members is not None and not own.has_left and node not in own.away:
            return _member(node, peer, first, wanted, own, others)
    return _not_a_member(node, peer, own, others)


def _not_a_member(node: str, peer: str, own: View | None, others: View | None) -> Decision:
    """A node that is off, gone, or has left: it takes nothing along if the peer serves with all data."""
    if own is not None and not own.has_cluster:
        return Go("there is no cluster on it yet", leave=False)
    if others is None:
        whom = peer if own else f"{node} or {peer}"
        return Wait(f"{whom} to be reached by SSH (is this machine in adminCidrs?)", _AWAY_SECONDS)
    if others.members is None:
        return Wait(f"Pacemaker to run on {peer}", _AWAY_SECONDS)
    if others.serving != peer:
        return Wait(f"{peer} to serve", _AWAY_SECONDS)
    if others.disks[:1] != ("UpToDate",):
        return Wait(f"{peer} to have all data ({'/'.join(others.disks) or 'its DRBD is down'})")
    if own is None and node in others.members:
        return Wait(f"{node} to be reached by SSH: {peer} sees it in the cluster", _AWAY_SECONDS)
    if node not in others.away:
        return Wait(f"{node} to be away for good: {peer} sees it neither in the cluster nor off", _AWAY_SECONDS)
    return Go(f"{peer} serves without it", leave=own is not None)


def _member(node: str, peer: str, first: bool, wanted: Wanted, own: View, others: View | None) -> Decision:
    assert own.members is not None
    if own.by_hand:
        raise TurnError(f"{own.by_hand}, so nothing would leave {node}; then run pulumi up again")
    if peer not in own.members:
        return Wait(f"{peer} to be in the cluster, and able to take over")
    if not own.connected or own.disks != ("UpToDate", "UpToDate"):
        synced = f", {own.synced} % copied" if own.synced else ""
        return Wait(f"both disks to have all data ({'/'.join(own.disks) or 'DRBD is down'}{synced})")
    if differing := max(own.differing, others.differing if others else 0):
        why = f"{differing} KiB differ: docs/operations/blocks-differ.md"
        return Wait(f"both disks to have the same data ({why})", _AWAY_SECONDS)
    if own.votes_missing:
        return Wait(f"all votes ({own.votes_missing} missing: is the witness well?)")
    if others is None or others.members is None:
        return Wait(f"{peer} to be reached by SSH", _AWAY_SECONDS)
    if others.machine == wanted:
        return Go(f"{peer} is done and has all data", leave=True, peer_must_serve=own.serving != "")
    if own.serving == peer:
        return Go(f"{peer} serves, this one is idle", leave=True)
    if own.serving == "" and first:
        return Go("neither serves, and this one is the first", leave=True, peer_must_serve=False)
    return Wait(f"{peer}'s turn to be over")


# What the nodes say


def read_view(text: str) -> View:
    """Read what configs/pacemaker/look.py prints.

    Args:
        text: its standard output.

    Raises:
        ValueError: it is something else.
    """
    seen: dict[str, Any] = json.loads(text)
    members, away, serving = _read_cluster(seen["crm_mon"])
    quorum = seen["quorum"] or ""
    disk = drbd.read(seen["drbd"])
    found = {key: int(number) for key, number in re.findall(r"^(Expected|Total) votes:\s+(\d+)", quorum, re.MULTILINE)}
    return View(
        machine=_read_machine(seen["compute"]),
        has_cluster=seen["has_cluster"],
        has_left=seen["has_left"],
        members=members,
        away=away,
        serving=serving,
        connected=disk is not None and disk.connection == "Connected",
        disks=disk.disks if disk else (),
        synced=disk.synced if disk else "",
        differing=disk.differing if disk else 0,
        votes_missing=found["Expected"] - found["Total"] if len(found) == 2 else 1,
        by_hand=_read_by_hand(seen["crm_mon"]),
    )


def _read_machine(compute: dict[str, Any] | None) -> Wanted | None:
    if not compute:
        return None
    profile = compute["storageProfile"]
    image = profile["imageReference"]
    return Wanted(
        size=compute["vmSize"],
        image=":".join(image[part] for part in ("publisher", "offer", "sku", "version")),
        os_disk_sku=profile["osDisk"]["managedDisk"]["storageAccountType"],
    )


def _read_cluster(document: str | None) -> tuple[frozenset[str] | None, frozenset[str], str]:
    """Return members, those that are away, and who serves."""
    if document is None:
        return None, frozenset(), ""
    root = ElementTree.fromstring(document)
    members: set[str] = set()
    away: set[str] = set()
    for node in root.findall("nodes/node"):
        name, is_so = node.get("name", ""), {key for key, value in node.attrib.items() if value == "true"}
        if is_so & {"pending", "unclean", "maintenance"}:
            continue
        if "online" not in is_so or "standby" in is_so:
            away.add(name)
        elif "standby_onfail" not in is_so and node.get("health") != "red":
            members.add(name)
    # A node whose fencing is under way may still do anything.
    for event in root.findall("fence_history/fence_event"):
        if event.get("status") == "pending":
            away.discard(event.get("target", ""))
    places = [
        {
            node.get("name", "")
            for resource in root.findall(f"resources//resource[@id='{wanted}']")
            if resource.get("role") == "Started" and resource.get("failed") != "true" and not resource.get("pending")
            for node in resource.findall("node")
        }
        for wanted in _SERVING
    ]
    serving = places[0] & places[1] if len(places[0] | places[1]) == 1 else set[str]()
    return frozenset(members), frozenset(away), next(iter(serving), "")


def _read_by_hand(document: str | None) -> str:
    if document is None:
        return ""
    root = ElementTree.fromstring(document)
    if root.find("summary/cluster_options[@maintenance-mode='true']") is not None:
        return "the cluster is in maintenance mode (crm maintenance off ends it)"
    for node in root.findall("nodes/node[@maintenance='true']"):
        return f"{node.get('name')} is in maintenance (crm node ready {node.get('name')} ends it)"
    for resource in root.findall("resources//*[@managed='false']"):
        name = resource.get("id")
        if resource.get("blocked") != "true":  # which is a failure, and nobody's wish
            return (
                f"{name} is not managed (crm resource manage {name}, or crm resource maintenance {name} off, ends it)"
            )
    return ""


# How they are reached


@dataclass(frozen=True)
class Login:
    """How SSH reaches a node.

    Args:
        name: its name, under which its host key is known.
        host, port: where it listens.
        user: the account.
        agent: has the keys; its folder has the file "known_hosts".
    """

    name: str
    host: str
    port: str
    user: str
    agent: Agent

    def run(self, program: str, text: str, seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a program as root, with a text on its standard input.

        Args:
            program: the shell line.
            text: what it reads.
            seconds: how long it may take.

        Raises:
            subprocess.TimeoutExpired: it took longer.
        """
        options = {
            "UserKnownHostsFile": self.agent.folder / "known_hosts",
            "HostKeyAlias": self.name,
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": 20,
            # A node that vanishes in between is noticed within 15 s.
            "ServerAliveInterval": 5,
            "ServerAliveCountMax": 3,
            "LogLevel": "ERROR",
        }
        command = ["ssh", *self.agent.options, *(f"-o{name}={value}" for name, value in options.items())]
        command += ["-p", self.port, f"{self.user}@{self.host}", f"sudo {program}"]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False)

    def look(self) -> View | None:
        """Ask the node how it is; None where it cannot be reached."""
        try:
            run = self.run("python3 -", (CONFIGS / "pacemaker" / "look.py").read_text(encoding="utf-8"), 300)
            return read_view(run.stdout) if run.returncode == 0 else None
        except (subprocess.TimeoutExpired, ValueError):
            return None

    def do(self, script: str, seconds: float) -> None:
        """Run a script of Bash.

        Raises:
            TurnError: it failed, or took longer.
        """
        try:
            run = self.run("bash -s", f"set -euo pipefail\n{script}", seconds)
        except subprocess.TimeoutExpired:
            raise TurnError(f"{self.name} has not done within {seconds:.0f} s: {script!r}") from None
        if run.returncode != 0:
            why = (run.stderr.strip().splitlines() or ["no message"])[-1]
            raise TurnError(f"{self.name} has failed to do {script!r}: {why}")


@dataclass(frozen=True)
class Turn:
    """One node's turn.

    Args:
        node, peer: how both are reached.
        first: whether the node goes first where neither serves.
        wanted: what its machine is to be.
        tell: takes a line for the user.
    """

    node: Login
    peer: Login
    first: bool
    wanted: Wanted
    tell: Callable[[str], None]

    def take(self) -> None:
        """Return when Azure may restart or replace the node's machine.

        Raises:
            TurnError: it cannot be told, nothing has changed for too long, or the node cannot leave.
        """
        waits_for: Wait | None = None
        since = told = 0.0
        while True:
            own, others = self.node.look(), self.peer.look()
            decision = decide(
                self.node.name, self.peer.name, first=self.first, wanted=self.wanted, own=own, others=others
            )
            match decision:
                case Done():
                    if own is not None and own.has_left:
                        self._come_back()
                    self.tell(f"{self.node.name}: its machine is as it is to be")
                    return
                case Go(why=why, leave=leave, peer_must_serve=peer_must_serve):
                    self.tell(f"{self.node.name}: its turn, {why}")
                    if leave:
                        self._leave(peer_must_serve)
                    self.tell(f"{self.node.name}: has left, its machine may be restarted or replaced")
                    return
                case Wait(what_for=what_for, seconds=seconds):
                    pass
            now = time.monotonic()
            if decision != waits_for:
                waits_for, since = decision, now
            elif now - since > seconds:
                if own is not None and own.has_left:
                    self._come_back()  # an earlier run was killed while it left
                raise TurnError(
                    f"waited {seconds:.0f} s in vain for {what_for}; nothing was done to its machine. See"
                    " docs/operations/machines-in-turn.md, then run pulumi up again"
                )
            if now - told > _TELL_EVERY_SECONDS:
                self.tell(f"{self.node.name}: waits for {what_for}")
                told = now
            time.sleep(_ASK_EVERY_SECONDS)

    def _leave(self, peer_must_serve: bool) -> None:
        """Move what runs on the node to the peer, then stop its part of the cluster: nobody has to fence it."""
        name, peer = self.node.name, self.peer.name
        self.node.do(
            # Pacemaker forgets such a standby when the node leaves, and starts there with the machine.
            f"mkdir -p {Path(LEFT).parent}\n: >{LEFT}\n"
            f"if systemctl --quiet is-active pacemaker; then crm node standby {shlex.quote(name)} reboot; fi",
            180,
        )
        if peer_must_serve and not self._until(lambda view: view.serving == peer and name in view.away):
            self._come_back()
            raise TurnError(
                f"{peer} did not take over within {_MOVE_SECONDS:.0f} s; {name} is back in the cluster, its machine"
                " unchanged. See crm_mon -1rf on the nodes"
            )
        self.node.do("systemctl stop pacemaker\nsystemctl stop corosync", _MOVE_SECONDS)

    def _come_back(self) -> None:
        self.node.do(
            f"systemctl start corosync\nsystemctl start pacemaker\n"
            # Pacemaker answers a moment after its start.
            f"for _ in {{1..60}}; do\n"
            # Its own standby, and not one of a person's, which outlives a restart.
            f"  if crm_standby --lifetime reboot --delete --node {shlex.quote(self.node.name)}; then\n"
            f"    rm -f {LEFT}\n    exit\n  fi\n"
            f"  sleep 1\ndone\nexit 1",
            180,
        )
        self.tell(f"{self.node.name}: back in the cluster")

    def _until(self, is_so: Callable[[View], bool]) -> bool:
        """Wait until it is so in the peer's eyes; return whether it has come to be."""
        end = time.monotonic() + _MOVE_SECONDS
        while time.monotonic() < end:
            view = self.peer.look()
            if view is not None and is_so(view):
                return True
            time.sleep(1)
        return False


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Take a node's turn, as the variables HA_* say that components/azure/nodes.py sets.

    Args:
        environment: environment variables.

    Returns:
        0 when the machine may go, 1 when it must not.
    """

    def tell(line: str) -> None:
        print(line, flush=True)

    machines = cast(dict[str, dict[str, str]], json.loads(environment["HA_SSH"]))
    keys = (environment["HA_SSH_PRIVATE_KEY"], environment["HA_SSH_PREVIOUS_PRIVATE_KEY"])
    try:
        with agent(filter(None, keys)) as own:
            (own.folder / "known_hosts").write_text(
                "".join(f"{name} {each['host_key']}\n" for name, each in machines.items())
            )
            node, peer = (
                Login(name, machines[name]["host"], machines[name]["port"], machines[name]["user"], own)
                for name in (environment["HA_NODE"], environment["HA_PEER"])
            )
            wanted = Wanted(environment["HA_VM_SIZE"], environment["HA_IMAGE"], environment["HA_OS_DISK_SKU"])
            Turn(node, peer, environment["HA_FIRST"] == "yes", wanted, tell).take()
    except (TurnError, AgentError) as error:
        print(f"STOPPED before {environment['HA_NODE']}: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
