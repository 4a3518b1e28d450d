"""Stops a node for as long as a person wants: `python -m operations.stop --stack STACK NODE`.

The service moves away, the node leaves the cluster, its machine is deallocated; and nobody starts it before
`operations.start` does.
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress

from operations import move, power
from operations.command import Command
from operations.error import OperationError
from operations.stack import Stack
from operations.status import asking
from operations.status.facts import Facts

# What Pacemaker gives the resources of a node to stop: configs/pacemaker/cluster.crm.j2.
_LEAVE_SECONDS = 300


def why_not(seen: Facts, node: str, peer: str) -> str:
    """Return why a node may not be stopped; empty where it may."""
    others = next(each for each in seen.nodes if each.name == peer)
    if not others.reached or others.crm_mon is None:
        return f"{peer} has to take over, but its Pacemaker does not answer"
    if seen.in_turn:
        return "a node has left the cluster for its machine's turn (pulumi up), and is not back"
    if seen.serving == [node]:
        return move.why_not(seen)
    if seen.serving != [peer]:
        return f"{peer} has to serve, but does not"
    if not others.drbd or others.drbd.disks[0] != "UpToDate":
        return f"{peer} does not have all data"
    return ""


def stop(stack: Stack, name: str | None, tell: Callable[[str], None]) -> None:
    """Stop a node.

    Args:
        tell: takes a line for the user.

    Raises:
        OperationError: it may not be stopped, or Azure refuses; then it comes back, if it had left.
    """
    node, peer = power.nodes_of(stack, name)
    seen = asking.ask_stack(stack)
    if reason := why_not(seen, node.name, peer.name):
        raise OperationError(f"{node.name} is not stopped: {reason}")
    power.note_stays_off(peer, node.name)
    tell(f"{node.name} is to stay off from now on, until make start NODE={node.name}")
    is_on = seen.is_in(node.name)
    try:
        if seen.serving == [node.name]:
            move.move(stack, tell)
        if is_on:
            power.do(node, power.LEAVE, _LEAVE_SECONDS)
            tell(f"{node.name} has left the cluster; {peer.name} serves alone")
        power.ask_azure(stack, "deallocate", node.name)
    except OperationError as error:
        if is_on:
            with suppress(OperationError):  # the other one tells why
                power.do(node, power.JOIN)
        power.forget_stays_off(peer, node.name)
        raise OperationError(f"{node.name} is not stopped, and no longer has to stay off: {error}") from None
    tell(f"{node.name} is deallocated")


def _main(stack: Stack, options: argparse.Namespace) -> int:
    stop(stack, options.node, lambda line: print(line, flush=True))
    return 0


COMMAND = Command("stop", "Stop a node, and keep it off until `start`.", _main, power.add_node)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
