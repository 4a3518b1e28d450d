"""Opens a client on a stack's endpoint, as the application: `python -m operations.mysql --stack STACK`.

What it reads from its standard input it runs. The password goes to it through a pipe: it is on no command line, in no
file and in no environment.
"""

import argparse
import os
import shutil
import sys

from operations.command import Command
from operations.error import OperationError
from operations.stack import Stack
from operations.terminal import hand_over

_CLIENTS = ("mariadb", "mysql")


def client(stack: Stack, options_file: str) -> list[str]:
    """Return the argument list of a client that talks to the endpoint as the application.

    Args:
        options_file: what the client reads the password from.

    Raises:
        OperationError: no client is there, or no cluster.
    """
    program = next(filter(shutil.which, _CLIENTS), None)
    if program is None:
        raise OperationError(f"no client is on PATH: install {' or '.join(_CLIENTS)}")
    endpoint, database = stack.outputs["endpoint"], stack.outputs["database"]
    return [
        *stack.cli.prefix, program, f"--defaults-extra-file={options_file}", f"--host={endpoint['host']}",
        f"--port={endpoint['port']}", "--protocol=tcp", f"--user={database['user']}", database["name"],
    ]  # fmt: skip


def _run(stack: Stack, _options: argparse.Namespace) -> int:
    # The settings allow no quote and no backslash in it.
    text = f'[client]\npassword="{stack.settings["databasePassword"]}"\n'
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        stream.write(text)  # less than a pipe holds (4 KiB at least): nobody has to read before
    try:
        return hand_over(client(stack, f"/dev/fd/{reading}"), (reading,))
    finally:
        os.close(reading)


COMMAND = Command("mysql", "Open a client on the stack's endpoint, as the application.", _run)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
