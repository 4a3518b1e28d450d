"""The cloud's process, which logs to standard error; `client.start` starts it in the background."""

import argparse
import logging
import os
import sys

from lab.cloud import client, server
from lab.paths import LabPaths


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.cloud", description=__doc__)
    parser.add_argument("--lab", default="lab", help="the lab's name (default: lab)")
    parser.add_argument(
        "--loopback-port", type=int, default=client.LOOPBACK_PORT, help="port on 127.0.0.1 that leads to MySQL"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    os.umask(0o077)
    try:
        server.serve(LabPaths(arguments.lab), arguments.loopback_port)
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
