"""Proves a stack's backup by a restore on the node that does not serve: `python -m operations.verify_backup`.

It starts what a timer starts every week, shows what that says, and waits for its end.
"""

import argparse
import sys

from configs.backup.documents import Verified
from operations.backup.listing import proof_line
from operations.command import Command
from operations.error import OperationError
from operations.ssh import Node, by_name
from operations.stack import Stack
from operations.status import asking
from operations.status.facts import Facts
from operations.terminal import hand_over

UNIT = "azure-mysql-ha-verify-backup.service"

# The unit goes on where the connection, or this, ends; the journal is shown from where it is started or joined.
_START_AND_WATCH = f"""
set -u
systemctl start --no-block {UNIT}
journalctl --unit {UNIT} --output cat --follow --since "@$(date +%s)" &
journal=$!
trap 'kill "$journal"' EXIT
sleep 1
while systemctl show --property ActiveState --value {UNIT} | grep --quiet --line-regexp activating; do sleep 1; done
sleep 1
"""


def prove(stack: Stack) -> Verified:
    """Prove the backup, and return the result.

    Raises:
        OperationError: no node can do it, or it came to no result.
    """
    before = asking.ask_stack(stack)
    node = _idle(stack, before)
    print(
        f"{node.name} restores the last base and all logs after it, beside its own data. This takes minutes to hours."
    )
    code = hand_over(node.command(_START_AND_WATCH))
    after = asking.ask_stack(stack)
    if after.proof is None or after.proof == before.proof:
        raise OperationError(
            f"there is no result from {node.name} yet (exit code {code}). If only the connection was lost, it goes on:"
            " run make verify-backup again. Otherwise look at its journal:"
            f" make ssh NODE={node.name}, and there journalctl --unit {UNIT}"
        )
    return after.proof


def _idle(stack: Stack, seen: Facts) -> Node:
    if len(seen.serving) != 1:
        raise OperationError("no node serves, or both do; make status says why")
    idle = [node.name for node in seen.nodes if node.reached and node.name not in seen.serving]
    if not idle:
        raise OperationError("the node that does not serve cannot be reached; make status says why")
    return by_name(stack.nodes, idle[0])


def _run(stack: Stack, _options: argparse.Namespace) -> int:
    proof = prove(stack)
    print(proof_line(proof))
    return 0 if proof.ok else 1


COMMAND = Command("verify-backup", "Prove the backup now, by a restore on the node that does not serve.", _run)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
