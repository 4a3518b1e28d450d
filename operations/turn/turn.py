"""One node's turn: waits until its machine may go, and has the node leave first."""

import shlex
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from components.checkout import CONFIGS
from components.places import PEER_IN_TURN
from operations.ssh import Node
from operations.turn.decision import Done, Go, TurnError, Wait, decide
from operations.turn.view import View, Wanted, read_view

# A node that vanishes in between is noticed within 15 s.
_SSH_OPTIONS = ("-oConnectTimeout=20", "-oServerAliveInterval=5", "-oServerAliveCountMax=3")

_LOOK = (CONFIGS / "pacemaker" / "look.py").read_text(encoding="utf-8")


def look(node: Node) -> View | None:
    """Ask the node how it is; None where it cannot be reached."""
    try:
        return read_view(node.run("python3 -", *_SSH_OPTIONS, text=_LOOK, timeout=300))
    except (subprocess.SubprocessError, ValueError):
        return None


def do(node: Node, script: str, seconds: float) -> None:
    try:
        node.run("bash -s", *_SSH_OPTIONS, text=f"set -euo pipefail\n{script}", timeout=seconds)
    except subprocess.TimeoutExpired:
        raise TurnError(f"{node.name} did not finish within {seconds:.0f} s: {script!r}") from None
    except subprocess.CalledProcessError as error:
        why = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise TurnError(f"{node.name} failed to run {script!r}: {why}") from None


# What runs on a node leaves this there, where a restart takes it away: a node that has left and is not to restart after
# all is brought back by it. configs/pacemaker/look.py tells of it.
LEFT = "/run/azure-mysql-ha/turn"

_ASK_EVERY_SECONDS = 3.0
_TELL_EVERY_SECONDS = 15.0
# What Pacemaker gives a server to stop and to start: configs/pacemaker/cluster.crm.j2.
_MOVE_SECONDS = 600.0


@dataclass(frozen=True)
class Turn:
    """One node's turn.

    Args:
        node, peer: both, as they are reached.
        first: whether the node goes first where neither serves.
        wanted: what its machine is to be.
        tell: takes a line for the user.
    """

    node: Node
    peer: Node
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
            own, others = look(self.node), look(self.peer)
            decision = decide(
                self.node.name, self.peer.name, first=self.first, wanted=self.wanted, own=own, others=others
            )
            match decision:
                case Done():
                    if own is not None and own.has_left:
                        self._come_back()
                    self.tell(f"{self.node.name}: its machine is already as it should be")
                    return
                case Go(why=why, leave=leave, peer_must_serve=peer_must_serve):
                    self.tell(f"{self.node.name}: its turn ({why})")
                    if others is not None:
                        # It has a node started that is off for a minute; Azure may stop this one for longer.
                        do(self.peer, f"mkdir -p {Path(PEER_IN_TURN).parent}\n: >{PEER_IN_TURN}", 60)
                    if leave:
                        self._leave(peer_must_serve)
                    self.tell(f"{self.node.name}: has left the cluster; its machine may be restarted or replaced")
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
                    f"waited {seconds:.0f} s in vain for {what_for}; its machine was not touched. See"
                    " docs/operations/machines-in-turn.md, then run pulumi up again"
                )
            if now - told > _TELL_EVERY_SECONDS:
                self.tell(f"{self.node.name}: waits for {what_for}")
                told = now
            time.sleep(_ASK_EVERY_SECONDS)

    def _leave(self, peer_must_serve: bool) -> None:
        """Move what runs on the node to the peer, then stop its part of the cluster: nobody has to fence it."""
        name, peer = self.node.name, self.peer.name
        do(
            self.node,
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
        do(self.node, "systemctl stop pacemaker\nsystemctl stop corosync", _MOVE_SECONDS)

    def _come_back(self) -> None:
        do(
            self.node,
            f"systemctl start corosync\nsystemctl start pacemaker\n"
            # Pacemaker answers a moment after its start.
            f"for _ in {{1..60}}; do\n"
            # Its own standby, and not one of a person's, which outlives a restart.
            f"  if crm_standby --lifetime reboot --delete --node {shlex.quote(self.node.name)}; then\n"
            f"    rm -f {LEFT}\n    exit\n  fi\n"
            f"  sleep 1\ndone\nexit 1",
            180,
        )
        with suppress(TurnError):
            do(self.peer, f"rm -f {PEER_IN_TURN}", 60)
        self.tell(f"{self.node.name}: back in the cluster")

    def _until(self, is_so: Callable[[View], bool]) -> bool:
        """Wait until it is so in the peer's eyes; return whether it has come to be."""
        end = time.monotonic() + _MOVE_SECONDS
        while time.monotonic() < end:
            view = look(self.peer)
            if view is not None and is_so(view):
                return True
            time.sleep(1)
        return False
