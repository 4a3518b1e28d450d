"""What the tests of whole clusters have in common."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from components.checkout import CHECKOUT
from components.settings import operating_system
from lab import image, leftovers, rest
from lab.engine import tracked_settings
from lab.lab import Lab, wait_until
from operations.ssh import Node

SYSTEM = operating_system.load(tracked_settings("lab")["operatingSystem"])
"""What runs in each lab that has not been given another operating system."""

DATABASE = SYSTEM.database
"""Its server."""

SERVER = Path(DATABASE.program).name
"""The name of its process."""

ROOT = f"{DATABASE.client} --no-defaults --user=root --batch --skip-column-names"
"""Its client, as root on the node that serves."""

PASSWORD_LOGIN = "identified with caching_sha2_password by" if DATABASE.server == "mysql" else "identified by"
"""How an account is told to come in by password: `identified by` alone leaves MySQL's root its socket."""

LABS: list[Lab] = []
"""The labs whose logs are gathered when a test fails."""


def guests(*without: str) -> list[ParameterSet]:
    """Return the operating systems of the lab as parameters of a test, marked as long where each change does without.

    Args:
        without: those that are not meant.
    """
    everyday = image.everyday_systems()
    return [
        pytest.param(system, marks=() if system in everyday else pytest.mark.long)
        for system in image.systems()
        if system not in without
    ]


def own_lab(lab: Lab) -> Generator[Lab]:
    """Begin with a lab that is not there, and leave nothing of it: the body of a fixture."""
    lab.down()
    LABS.append(lab)
    try:
        yield lab
    finally:
        LABS.remove(lab)
        lab.down()
        assert leftovers.find(lab) == []


def server_pid(node: Node) -> str:
    """Return the process id of the node's server; empty where none runs."""
    return node.run("pgrep --exact 'mariadbd|mysqld'", check=False).strip()


def command_line(lab: Lab, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the lab's own command."""
    return subprocess.run(
        [sys.executable, "-m", "lab", "--lab", lab.paths.name, *arguments],
        cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def delete_machine(lab: Lab, node: str) -> None:
    """Delete a machine and its data disk, as somebody may do by hand in Azure.

    Raises:
        TimeoutError: the disk stays.
    """
    compute = rest.compute(lab, node)
    assert rest.ask(lab, "DELETE", f"{compute}/virtualMachines/{node}")[0] in (200, 202)

    def deleted() -> bool:
        # Refused as long as the machine has it.
        return rest.ask(lab, "DELETE", f"{compute}/disks/disk-{node}-data")[0] in (200, 202, 204)

    wait_until("the disk deleted", deleted, 60, every=1)


def bar(seconds: float) -> float:
    """Return a bar for a machine of the lab's own, raised where others keep the processors busy."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
