"""The lab's command: what the Makefile's targets call."""

import argparse
import json
import sys

from tests.lab.cloud.client import CloudError
from tests.lab.engine import EngineError
from tests.lab.events import EventReader
from tests.lab.lab import Lab, LabError
from tests.lab.paths import LabPaths
from tests.lab.shell import CommandError
from tests.lab.toolchain import ToolchainError


def main() -> int:
    """Run one verb and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--lab", default="lab", help="the lab's name (default: lab)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="bring up a cluster, and tell how to reach it")
    up.add_argument("--operating-system", help="the nodes' operating system: debian-12, debian-13, debian-sid")
    set_up = verbs.add_parser("set-up", help="make what takes long only once: tool chain, kernel, images")
    set_up.add_argument("operating_systems", nargs="+", help="guests: debian-12, debian-13, debian-sid")
    verbs.add_parser("down", help="take away every trace of the lab")
    show = verbs.add_parser("status", help="show the cluster")
    show.add_argument("--json", action="store_true", help="for programs")
    verbs.add_parser("mysql", help="open a client on the cluster")
    preview = verbs.add_parser("preview", help="show what `pulumi up` would change")
    preview.add_argument("--stack", default="lab", help="a stack of this project; any but lab works offline")
    logs = verbs.add_parser("logs", help="gather all logs into one folder")
    del logs
    arguments, further = parser.parse_known_args()
    if further and arguments.verb != "preview":
        parser.error(f"unknown: {' '.join(further)}")

    try:
        lab = Lab(LabPaths(arguments.lab))
        match arguments.verb:
            case "up":
                system = arguments.operating_system
                reader = lab.up({"operatingSystem": system} if system else None)
                _tell(lab, reader)
            case "set-up":
                lab.set_up(arguments.operating_systems)
            case "down":
                lab.down()
            case "status":
                found = lab.status()
                print(json.dumps(found.as_json(), indent=2) if arguments.json else found.as_text())
                return 0 if found.serving and not found.alarms else 1
            case "mysql":
                lab.run_client()
            case "preview":
                return lab.preview(arguments.stack, further)
            case _:
                print(lab.collect())
    except (LabError, EngineError, ToolchainError, CloudError, CommandError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _tell(lab: Lab, reader: EventReader) -> None:
    """Print what took how long, and how to reach the cluster."""
    changes = ", ".join(f"{count} {word}" for word, count in reader.changes.items()) or "nothing"
    print(f"\npulumi: {changes}\n\n{reader.timings()}\n\n{lab.progress.summary()}\n")
    print(lab.status().as_text())
    print("\nA client on it: make mysql.  Its state: make status.  Take it away: make down.")


if __name__ == "__main__":
    sys.exit(main())
