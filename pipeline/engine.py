"""The Pulumi CLI, as the workflows run it on a stack."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.checkout import CHECKOUT

POLICY_PACK = "policy/pack"

# A script's rendered text is an input: --diff shows it line by line, and --show-full-output does not cut it short.
PREVIEW = ("preview", "--diff", "--show-full-output", "--suppress-progress", "--policy-pack", POLICY_PACK)
"""Shows every line that an update would change, and what the policies say of it."""

DRIFT = (*PREVIEW, "--refresh", "--expect-no-changes")
"""Asks Azure how everything is, and fails with `CHANGES` if an update would change anything."""

UP = ("up", "--yes", "--diff", "--suppress-progress", "--policy-pack", POLICY_PACK)
"""Updates a stack, if the policies allow it."""

CHANGES = 7
"""The CLI's exit code where changes were found and none were expected (`ExitNoChanges` in its exit_codes.go)."""


def command(verb: Sequence[str], stack: str) -> list[str]:
    """Return the command line of the CLI that is on PATH.

    Args:
        verb: one of the above, and further options.
        stack: the stack's name.
    """
    return ["pulumi", *verb, "--stack", stack, "--non-interactive", "--color", "never"]


def run(command: Sequence[str], env: Mapping[str, str], folder: Path = CHECKOUT) -> tuple[int, str]:
    """Run a command, and pass on what it says as it says it.

    Args:
        command: the command line.
        env: its environment.
        folder: where to run it.

    Returns:
        Its exit code; and what it said, on standard output and error.
    """
    said: list[str] = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            said.append(line)
    return process.returncode, "".join(said)
