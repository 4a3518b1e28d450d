"""Starts a node that a person has stopped: `python -m operations.start --stack STACK NODE`."""

import argparse
import sys
import time
from collections.abc import Callable

from operations import power
from operations.command import Command
from operations.error import OperationError
from operations.ssh import Node
from operations.stack import Stack
from operations.status import asking
from operations.status.facts import Facts

# A machine of Azure's is back in a minute or two; what it has missed it copies for as long as that takes.
_BACK_SECONDS = 600.0
_ASK_EVERY_SECONDS = 5.0


def start(stack: Stack, name: str | None, tell: Callable[[str], None]) -> None:
    """Start a node's machine, and return when it is back in the cluster; one that is there is left as it is.

    Args:
        tell: takes a line for the user.

    Raises:
        OperationError: Azure refuses, or the node is not back in time.
    """
    node, peer = power.nodes_of(stack, name)
    begin = time.monotonic()
    seen = asking.ask_stack(stack)
    # First, so that the other node starts it too, should this be interrupted.
    told = _forget(seen, [peer, node], node.name)
    if told:
        tell(f"{node.name} no longer has to stay off")
    power.ask_azure(stack, "start", node.name)
    tell(f"{node.name} is started")
    own = next(each for each in seen.nodes if each.name == node.name)
    if own.reached and own.crm_mon is None and not own.has_left:
        power.do(node, power.JOIN)  # it was on, and had left the cluster only
    while not ((seen := asking.ask_stack(stack)).is_in(node.name) and node.name in seen.able):
        if time.monotonic() - begin > _BACK_SECONDS:
            raise OperationError(
                f"{node.name} is not back in the cluster after {_BACK_SECONDS:.0f} s; make status says why"
            )
        time.sleep(_ASK_EVERY_SECONDS)
    if not told:
        told = _forget(seen, [peer, node], node.name)
    if not told:
        raise OperationError(f"no Pacemaker could be told that {node.name} no longer has to stay off: run this again")
    tell(f"{node.name} is back in the cluster after {time.monotonic() - begin:.0f} s; it copies what it has missed")


def _forget(seen: Facts, nodes: list[Node], name: str) -> bool:
    """Take the mark away at the first node whose Pacemaker answers; return whether there is one."""
    answering = {each.name for each in seen.nodes if each.crm_mon is not None}
    for node in nodes:
        if node.name in answering:
            power.forget_stays_off(node, name)
            return True
    return False


def _main(stack: Stack, options: argparse.Namespace) -> int:
    start(stack, options.node, lambda line: print(line, flush=True))
    return 0


COMMAND = Command("start", "Start a node that was stopped, and wait until it is back.", _main, power.add_node)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
