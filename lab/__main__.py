"""The lab's command: what the Makefile's targets call."""

import argparse
import contextlib
import sys

from lab import image, preflight
from lab.cloud.addresses import OUTSIDE
from lab.cloud.client import CloudError
from lab.events import EventReader
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from lab.shell import CommandError
from lab.toolchain import ToolchainError
from operations import backups, ca, drift, move, mysql, start, stop, verify_backup
from operations.error import OperationError
from operations.ssh import shell
from operations.status import status

COMMANDS = (
    *(status.COMMAND, mysql.COMMAND, ca.COMMAND, shell.COMMAND, drift.COMMAND),
    *(backups.COMMAND, verify_backup.COMMAND, move.COMMAND, stop.COMMAND, start.COMMAND),
)
"""What is done to the lab's own stack as to any other."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("--lab", default="lab", help="the lab's name (default: lab)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="bring up a cluster, and show how to reach it")
    up.add_argument("--operating-system", help=f"the nodes' operating system: {', '.join(image.systems())}")
    up.add_argument(
        "--witness", action=argparse.BooleanOptionalAction, help="with or without a third machine that has a vote"
    )
    up.add_argument(
        "--zones", action=argparse.BooleanOptionalAction, help="a zone for each node, or two racks in one zone"
    )
    up.add_argument(
        "--backup", action=argparse.BooleanOptionalAction, help="with or without backups into the lab's storage"
    )
    up.add_argument(
        "--monitoring", action=argparse.BooleanOptionalAction, help="with or without what a Prometheus asks in drills"
    )
    set_up = verbs.add_parser("set-up", help="build now what takes long the first time: tool chain, kernel, images")
    guests = f"of {', '.join(image.systems())}; by default those that the tests of each change use"
    set_up.add_argument("operating_systems", nargs="*", default=image.everyday_systems(), help=guests)
    set_up.add_argument("--tests", action="store_true", help="also install the programs that only tests need")
    verbs.add_parser("down", help="remove every trace of the lab")
    preview = verbs.add_parser("preview", help="show what `pulumi up` would change")
    preview.add_argument("--stack", default="lab", help="a stack of this project; any but lab works offline")
    verbs.add_parser("check", help="ask the lab's subscription whether the stack can be made there")
    verbs.add_parser("logs", help="collect all logs in one folder, and print its name")
    for command in COMMANDS:
        command.add_options(verbs.add_parser(command.name, help=command.text))
    arguments, further = parser.parse_known_args()
    if further and arguments.verb not in ("preview", "up", "check"):
        parser.error(f"unknown: {' '.join(further)}")

    try:
        lab = Lab(LabPaths(arguments.lab))
        match arguments.verb:
            case "up":
                asked = {
                    "operatingSystem": arguments.operating_system,
                    "witness": arguments.witness,
                    "backup": arguments.backup,
                }
                if arguments.monitoring is not None:
                    asked |= {"monitoring": arguments.monitoring, "monitorCidrs": [f"{OUTSIDE}/32"]}
                if arguments.zones is not None:
                    asked |= {"zones": ["1", "2"] if arguments.zones else [], "availabilitySet": not arguments.zones}
                reader = lab.up({key: value for key, value in asked.items() if value is not None}, further)
                _tell(lab, reader)
            case "set-up":
                lab.set_up(arguments.operating_systems)
                if arguments.tests:
                    preflight.install(lab.progress, preflight.TEST_PROGRAMS)
            case "down":
                lab.down()
            case "preview":
                return lab.preview(arguments.stack, further)
            case "check":
                return lab.check(further)
            case "logs":
                print(lab.collect())
            case name:
                command = next(command for command in COMMANDS if command.name == name)
                return command.run(lab.stack(), arguments)
    except (OperationError, ToolchainError, CloudError, CommandError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _tell(lab: Lab, reader: EventReader) -> None:
    """Print what took how long, and how to reach the cluster."""
    changes = ", ".join(f"{count} {word}" for word, count in reader.changes.items()) or "nothing"
    print(f"\npulumi: {changes}\n\n{reader.timings()}\n\n{lab.progress.summary()}\n")
    # An update ends when the endpoint has answered, a moment before Pacemaker calls the server started.
    with contextlib.suppress(TimeoutError):
        wait_until("the end of the start", lambda: lab.status().serving, 20, every=0.5)
    print(lab.status().as_text())
    print("\nOpen a client: make mysql.  Show its state: make status.  Remove it: make down.")


if __name__ == "__main__":
    sys.exit(main())
