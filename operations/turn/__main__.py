"""A node's turn: may Azure restart or replace its machine now? Waits until it may, and has the node leave first.

Run as `python -m operations.turn` on the machine that runs Pulumi, before Azure changes the node's machine
(components/azure/turn.py). It speaks SSH to both nodes and keeps nothing: all that it knows it asks the nodes anew, so
it can be killed and run again at any time. Its rule: never both, the idle node first, and the other one only when the
first is back with all data.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import TextIO, cast

from operations.error import OperationError
from operations.ssh import Node
from operations.ssh_agent import agent
from operations.turn.turn import Turn
from operations.turn.view import Wanted


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Take a node's turn, as the variables HA_* say that components/azure/turn.py sets.

    Returns:
        0 when the machine may go, 1 when it must not.
    """

    def tell(line: str, to: TextIO = sys.stdout) -> None:
        # After a line of 64 KiB Pulumi's command provider waits for ever (its bufio.Scanner gives up).
        print(line[:4096], file=to, flush=True)

    machines = cast(dict[str, dict[str, str]], json.loads(environment["HA_SSH"]))
    keys = (environment["HA_SSH_PRIVATE_KEY"], environment["HA_SSH_PREVIOUS_PRIVATE_KEY"])
    try:
        with agent(filter(None, keys), {name: each["host_key"] for name, each in machines.items()}) as own:
            node, peer = (
                Node(name, "ssh -p {port} {user}@{host}".format_map(machines[name]), own)
                for name in (environment["HA_NODE"], environment["HA_PEER"])
            )
            wanted = Wanted(environment["HA_VM_SIZE"], environment["HA_IMAGE"], environment["HA_OS_DISK_SKU"])
            Turn(node, peer, environment["HA_FIRST"] == "yes", wanted, tell).take()
    except OperationError as error:
        tell(f"STOPPED before {environment['HA_NODE']}: {error}.", sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
