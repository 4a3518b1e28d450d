"""A node's machine, started and deallocated in Azure; and since when a person wants a node to stay off.

Run as `python -m operations.power start|deallocate ID` where the stack's CLI is run, with its environment: a lab's
Azure is reached from within the lab only.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from components.checkout import CHECKOUT
from components.places import STAYS_OFF
from operations.command import exit_code_of
from operations.error import OperationError
from operations.ssh import Node, by_name
from operations.stack import Stack

ACTIONS = ("start", "deallocate")

_API_VERSION = "2024-07-01"

JOIN = "systemctl start corosync && systemctl start pacemaker"
LEAVE = "systemctl stop pacemaker && systemctl stop corosync"
"""How a node takes its place in the cluster, and leaves it; where it has, nothing happens."""

_NO_SUCH_ATTRIBUTE = 105
"""Exit code of Pacemaker's tools, CRM_EX_NOSUCH."""


def add_node(parser: argparse.ArgumentParser) -> None:
    """Let a command take the name of a node, for `nodes_of`."""
    parser.add_argument("node", metavar="NODE", nargs="?", help="the node's name, such as mysql-prod-1")


def nodes_of(stack: Stack, name: str | None) -> tuple[Node, Node]:
    """Return a node that a person has named, and its peer.

    Raises:
        OperationError: none is named so.
    """
    names = [node.name for node in stack.nodes]
    if name not in names:
        raise OperationError(
            f"{f'there is no node {name}' if name else 'no node is named'}: NODE is one of {', '.join(names)}"
        )
    return by_name(stack.nodes, name), next(node for node in stack.nodes if node.name != name)


def ask_azure(stack: Stack, action: str, node: str) -> None:
    """Have Azure do something to a node's machine, and return when it is done.

    Args:
        action: one of ACTIONS.

    Raises:
        OperationError: Azure refuses, or the stack has no such machine.
    """
    command = [*stack.cli.prefix, sys.executable, "-m", "operations.power", action, _machine_id(stack, node)]
    run = subprocess.run(command, cwd=CHECKOUT, env=stack.cli.environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise OperationError(run.stderr.strip().removeprefix("power: "))


def _machine_id(stack: Stack, node: str) -> str:
    resources: list[dict[str, Any]] = stack.cli.state()["deployment"].get("resources") or []
    for resource in resources:
        is_machine = resource["type"] == "azure-native:compute:VirtualMachine"
        if is_machine and resource["inputs"].get("vmName") == node:
            return resource["id"]
    raise OperationError(f"stack {stack.cli.stack} has no machine {node}")


def do(node: Node, command: str, seconds: float = 60, good: Sequence[int] = (0,)) -> None:
    """Run a shell line on a node.

    Args:
        good: exit codes that are no failure.

    Raises:
        OperationError: it fails, or takes longer.
    """
    try:
        node.run(command, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise OperationError(f"{node.name} did not finish within {seconds:.0f} s: {command}") from None
    except subprocess.CalledProcessError as error:
        if error.returncode not in good:
            raise OperationError(f"{node.name} failed to run {command!r}: {error.stderr.strip()}") from None


def note_stays_off(at: Node, node: str) -> None:
    """Have Pacemaker keep, on both nodes, that a node is to stay off from now on.

    Args:
        at: where Pacemaker is told.
    """
    do(at, f"{_attribute(node)} --update {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


def forget_stays_off(at: Node, node: str) -> None:
    """Have Pacemaker forget it; nothing happens where it does not know of it."""
    do(at, f"{_attribute(node)} --delete", good=(0, _NO_SUCH_ATTRIBUTE))


def _attribute(node: str) -> str:
    return f"crm_attribute --node {shlex.quote(node)} --name {STAYS_OFF}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Have it done; return 1 where Azure refuses."""
    parser = argparse.ArgumentParser(prog="python -m operations.power", description=__doc__)
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("id", help="the machine's id in Azure")
    options = parser.parse_args(arguments)

    def run() -> int:
        from operations.arm_client import Azure  # takes a second to load

        subscription = options.id.split("/")[2]
        Azure(subscription).act(f"{options.id}/{options.action}", _API_VERSION)
        return 0

    return exit_code_of("power", run)


if __name__ == "__main__":
    sys.exit(main())
