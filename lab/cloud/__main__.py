"""The cloud's own command line; the lab's (`python -m lab`) is what a person uses."""

import argparse
import json
import os
import sys

from lab.cloud import client
from lab.paths import LabPaths


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.cloud", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, text in (
        ("serve", "run the cloud in the foreground"),
        ("start", "run it in the background, and wait until it is ready"),
        ("status", "show machines and balancers"),
        ("stop", "end it; machines go on"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--lab", default="lab", help="the lab's name (default: lab)")
        if name in ("serve", "start"):
            verb.add_argument(
                "--loopback-port", type=int, default=client.LOOPBACK_PORT, help="port on 127.0.0.1 that leads to MySQL"
            )
        if name == "serve":
            verb.add_argument("--log", action="store_true", help="log to the cloud's file, not to standard error")
    arguments = parser.parse_args()
    try:
        paths = LabPaths(arguments.lab)
        match arguments.verb:
            case "serve":
                # Only here: the other verbs are quicker without the web server.
                from lab.cloud import server

                os.umask(0o077)
                paths.cloud.mkdir(mode=0o700, parents=True, exist_ok=True)
                server.log_to(paths.cloud / "cloud.log" if arguments.log else None)
                server.serve(paths, arguments.loopback_port)
            case "start":
                client.start(paths, loopback_port=arguments.loopback_port)
            case "status":
                print(json.dumps(client.status(paths), indent=2))
            case _:
                client.stop(paths)
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
