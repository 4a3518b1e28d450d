"""Which stacks a change of the repository touches."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from components.checkout import CHECKOUT

_STACK_FILE = re.compile(r"Pulumi\.([A-Za-z0-9_.-]+)\.yaml")

# The lab's own stack exists in no cloud but the lab's.
_LAB = "lab"

# What decides what a stack becomes: the program, what it renders, what it runs on, and what it is compared with.
# Documents and tests change no stack.
_PROGRAM = (
    "__main__.py",
    "Pulumi.yaml",
    "components/",
    "configs/",
    "operations/",
    "pipeline/",
    "requirements.txt",
    "requirements-test.lock",
    "policy/",
)

_NOTHING = re.compile("0{40}")
"""What GitHub says was before the first commit of a branch."""


class StacksError(Exception):
    """git cannot tell what has changed; the text says why."""


def tracked(files: Iterable[str]) -> list[str]:
    """Return the stacks that have a file of settings, sorted; the lab's is none of them.

    Args:
        files: paths below the checkout, such as "Pulumi.prod.yaml".
    """
    found = {match[1] for file in files if (match := _STACK_FILE.fullmatch(file))}
    return sorted(found - {_LAB})


def touched(changed: Iterable[str], stacks: Iterable[str]) -> list[str]:
    """Return the stacks that a change touches, sorted: a stack's file touches that stack, the program touches all.

    Args:
        changed: paths below the checkout, of files added, changed or deleted.
        stacks: all stacks.
    """
    stacks, changed = set(stacks), list(changed)
    if any(file == part or (part.endswith("/") and file.startswith(part)) for file in changed for part in _PROGRAM):
        return sorted(stacks)
    return sorted(stacks & set(tracked(changed)))


def tracked_here(checkout: Path = CHECKOUT) -> list[str]:
    """Return the stacks whose files are tracked in a git work tree."""
    return tracked(_git(checkout, "ls-files"))


def touched_since(base: str, checkout: Path = CHECKOUT) -> list[str]:
    """Return the stacks that are touched by all that is committed since a commit.

    Args:
        base: the commit or branch with which to compare, from where the two parted; 40 zeros for nothing at all.
        checkout: a git work tree.

    Raises:
        StacksError: git knows no such commit.
    """
    stacks = tracked_here(checkout)
    if _NOTHING.fullmatch(base):
        return stacks
    # A file that is renamed is one that goes and one that comes.
    return touched(_git(checkout, "diff", "--name-only", "--no-renames", f"{base}...HEAD"), stacks)


def _git(checkout: Path, *arguments: str) -> list[str]:
    run = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise StacksError(f"git {' '.join(arguments)}: {run.stderr.strip()}")
    return run.stdout.splitlines()
