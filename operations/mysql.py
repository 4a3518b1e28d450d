"""Opens a client on a stack's endpoint, as the application: `python -m operations.mysql --stack STACK`.

What it reads from its standard input it runs. The password goes to it through a pipe: it is on no command line, in no
file and in no environment.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

from operations.command import Command
from operations.error import OperationError
from operations.stack import Stack
from operations.terminal import hand_over

_CLIENTS = ("mariadb", "mysql")


def client(stack: Stack, options_file: str, authority_file: str) -> list[str]:
    """Return the argument list of a client that talks to the endpoint as the application, and knows whom it talks to.

    Args:
        options_file: what the client reads the password from.
        authority_file: the authority's certificate.

    Raises:
        OperationError: no client is there, or no cluster.
    """
    program = next(filter(shutil.which, _CLIENTS), None)
    if program is None:
        raise OperationError(f"there is no client on PATH: install {' or '.join(_CLIENTS)}")
    endpoint, database = stack.outputs["endpoint"], stack.outputs["database"]
    # A certificate of the stack's own has the address, which needs no name server.
    host = endpoint["name"] if stack.settings.get("ownCertificate") else endpoint["host"]
    asked = [program, "--version"]
    version = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    verifies = "--ssl-verify-server-cert" if "MariaDB" in version else "--ssl-mode=VERIFY_IDENTITY"
    return [
        *stack.cli.prefix, program, f"--defaults-extra-file={options_file}", f"--host={host}",
        f"--port={endpoint['port']}", "--protocol=tcp", f"--ssl-ca={authority_file}", verifies,
        f"--user={database['user']}", database["name"],
    ]  # fmt: skip


def _run(stack: Stack, _options: argparse.Namespace) -> int:
    # The settings allow no quote and no backslash in it.
    text = f'[client]\npassword="{stack.settings["databasePassword"]}"\n'
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        stream.write(text)  # less than a pipe holds (4 KiB at least): nobody has to read before
    try:
        with tempfile.NamedTemporaryFile("w", prefix="azure-mysql-ha-", suffix=".pem") as authority:
            authority.write(stack.authority)
            authority.flush()
            return hand_over(client(stack, f"/dev/fd/{reading}", authority.name), (reading,))
    finally:
        os.close(reading)


COMMAND = Command("mysql", "Open a client on the stack's endpoint, as the application.", _run)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
