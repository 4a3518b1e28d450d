"""The power of a lab's machines: it fails, and somebody switches a machine on again."""

from lab import rest
from lab.cloud import client as cloud
from lab.lab import Lab, wait_until
from lab.session import Session


def kill(lab: Lab, machine: str) -> None:
    """Kill -9 every process of a machine: its power fails. On return all are gone.

    Args:
        machine: its name; it is on.
    """
    leader, began = (lab.paths.machines / machine / "process").read_text().split()
    Session(int(leader), int(began)).end()


def is_on(lab: Lab, machine: str) -> bool:
    """Tell whether the cloud takes a machine for running."""
    powers = {one["name"]: one["power"] for one in cloud.status(lab.paths)["machines"]}
    return powers[machine] == "running"


def start(lab: Lab, machine: str) -> None:
    """Start a machine that is off, as a person does with `az vm start`; one that was just killed is off in a moment."""
    # What the cloud takes for running it would not start.
    wait_until(f"{machine} off", lambda: not is_on(lab, machine), 10)
    status, answer = rest.ask(lab, "POST", f"{rest.compute(lab, machine)}/virtualMachines/{machine}/start")
    assert status in (200, 202), answer
