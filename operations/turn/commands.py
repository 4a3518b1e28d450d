"""What a node is asked and told."""

import subprocess

from components.checkout import CONFIGS
from operations.ssh import Node
from operations.turn.decision import TurnError
from operations.turn.view import View, read_view

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
        raise TurnError(f"{node.name} has not done within {seconds:.0f} s: {script!r}") from None
    except subprocess.CalledProcessError as error:
        why = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise TurnError(f"{node.name} has failed to do {script!r}: {why}") from None
