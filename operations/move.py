"""Moves a stack's service to its other node: `python -m operations.move --stack STACK`."""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from components.checkout import CONFIGS, schema
from components.settings import operating_system
from operations.command import Command
from operations.error import OperationError
from operations.ssh import by_name
from operations.stack import Stack
from operations.status import asking
from operations.status.alarms import copies, fencing, nodes, resources, service
from operations.status.facts import Facts

_SCRIPT = (CONFIGS / "pacemaker" / "move.sh").read_text(encoding="utf-8")

# A unit of its own, of which there is one: it outlives the connection, and no second move begins beside it.
_UNIT = "systemd-run --quiet --pipe --wait --collect --unit=azure-mysql-ha-move bash -s --"

_FORBIDDING = (
    *(service.both_serve, service.nobody_serves, service.no_quorum),
    *(fencing.fencing_fails, fencing.writes_blocked),
    *(nodes.node_lost, nodes.node_in_turn, nodes.node_joining, nodes.set_by_hand, nodes.host_event_announced),
    *(
        copies.drbd_standalone,
        copies.data_disk_fails,
        copies.blocks_differ,
        copies.one_copy,
        copies.barred_from_promotion,
    ),
    resources.resource_fails,
)
"""The alarms with which the other node could not serve, or might not; what they say is the reason."""


@dataclass(frozen=True)
class Moved:
    """A move that was made.

    Args:
        before, after: the node that served, and the one that does.
        seconds: from the first step until the other one's server has greeted.
    """

    before: str
    after: str
    seconds: float


def why_not(seen: Facts) -> str:
    """Return why the node that does not serve could not; empty where it can."""
    for alarm in _FORBIDDING:
        for text in alarm(seen):
            return text
    for node in seen.nodes:
        if node.name not in seen.able:
            return f"{node.name} may not serve now (crm_mon -1rf there)"
        disk = node.drbd
        if disk is None or (disk.connection, disk.disks) != ("Connected", ("UpToDate", "UpToDate")):
            state = f"{disk.connection}, {'/'.join(disk.disks)}" if disk else "down"
            return f"DRBD on {node.name} is {state}, but must be Connected, UpToDate/UpToDate"
    return ""


def move(stack: Stack, tell: Callable[[str], None]) -> Moved:
    """Move the service, and return what was done.

    Args:
        tell: takes a line for the user.

    Raises:
        OperationError: the other node could not serve, and nothing was done; or it has not come to serve.
    """
    seen = asking.ask_stack(stack)
    if reason := why_not(seen):
        raise OperationError(f"not moved: {reason}")
    before = seen.serving[0]
    after = next(node.name for node in seen.nodes if node.name != before)
    tell(f"{before} serves, {after} has all data and will take over: clients will lose their connections")
    moved = Moved(before, after, _run(stack, before, after, tell))
    now = asking.ask_stack(stack)
    if now.serving != [after]:
        raise OperationError(f"{after} had begun to serve, but now {' and '.join(now.serving) or 'nobody'} does")
    tell(f"{after} serves: {moved.seconds:.1f} s from the first step until its server greeted")
    return moved


def _run(stack: Stack, before: str, after: str, tell: Callable[[str], None]) -> float:
    """Run the script on the node that serves, and return the seconds of the move."""
    name = stack.settings.get("operatingSystem") or schema()["operatingSystem"]["default"]
    database = operating_system.load(name).database
    arguments = shlex.join([before, after, database.client, database.socket])
    command = by_name(stack.nodes, before).command(f"{_UNIT} {arguments}", "-oServerAliveInterval=5")
    failed = ""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin and run.stdout and run.stderr
        seconds = None
        try:
            run.stdin.write(_SCRIPT)
            run.stdin.close()
            for line in run.stdout:
                match line.split(maxsplit=1):
                    case ["pages", count]:
                        tell(f"{before} writes out {count.strip()} pages, and still serves")
                    case ["left", rest]:
                        count, took = rest.split()
                        tell(f"after {took} s {count} pages are left; the service moves")
                    case ["moved", rest]:
                        seconds = float(rest)
                    case ["failed", rest]:
                        failed = rest.strip()
                    case _:
                        tell(line.rstrip("\n"))
            told = run.stderr.read().strip()
        except BrokenPipeError:
            told = run.stderr.read().strip()
        except KeyboardInterrupt:
            raise OperationError(
                f"interrupted here, but {before} finishes the move; make status shows the result"
            ) from None
    if failed or seconds is None:
        raise OperationError(
            failed or f"{before} does not say whether the service has moved ({told}): make status shows it"
        )
    return seconds


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs; progress goes to standard error")


def _main(stack: Stack, options: argparse.Namespace) -> int:
    def tell(line: str) -> None:
        print(line, file=sys.stderr if options.json else sys.stdout, flush=True)

    moved = move(stack, tell)
    if options.json:
        print(json.dumps(asdict(moved)))
    return 0


COMMAND = Command("move", "Move the service to the other node.", _main, _add_options)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
