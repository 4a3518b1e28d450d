"""A node that is off: its peer has it started, unless a person or an update wants it off."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.places import PEER_IN_TURN
from lab import application, power, rest, service
from lab.cloud import client as cloud
from lab.lab import Lab, wait_until
from operations.ssh import Node
from tests.support import trial
from tests.support.bystander import nothing_is_lost

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(900)]

BOOT = "cat /proc/sys/kernel/random/boot_id"

ALONE_SECONDS = 60.0
"""After which a node has the other one started; then the agent is called, a Python program."""


def stays_off(lab: Lab, node: Node, seconds: float) -> None:
    """Assert that a machine is not started for some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not power.is_on(lab, node.name)
        time.sleep(1)


def started_by(lab: Lab, node: Node) -> str:
    """Return whose identity has started a machine last."""
    actions = cloud.power_actions(lab.paths)
    return [one["caller"] for one in actions if (one["machine"], one["action"]) == (node.name, "start")][-1]


def deallocate(lab: Lab, node: Node) -> None:
    """Do it as a person does in the portal."""
    machine = f"{rest.compute(lab, node.name)}/virtualMachines/{node.name}"
    assert rest.ask(lab, "POST", f"{machine}/deallocate")[0] in (200, 202)


def told(lab: Lab, what: str) -> Callable[[], bool]:
    return lambda: any(what in alarm for alarm in lab.status().alarms)


def test_deallocated_by_a_person(lab: Lab) -> None:
    """In the portal: the one that serves has it started, but not while an update is at it."""
    serving, idle = service.serving(lab), service.idle(lab)
    serving.run(f"mkdir -p {Path(PEER_IN_TURN).parent}; : >{PEER_IN_TURN}")
    deallocate(lab, idle)
    stays_off(lab, idle, ALONE_SECONDS + 20)
    serving.run(f"rm {PEER_IN_TURN}")
    wait_until("its start", lambda: power.is_on(lab, idle.name), trial.bar(ALONE_SECONDS + 30), every=1)
    assert started_by(lab, idle) == serving.name
    service.wait_until_well(lab)
    assert "has been started" in serving.run("journalctl --boot --output=cat --unit=azure-mysql-ha-waits-alone")


def test_stopped_and_started(lab: Lab) -> None:
    """The one that serves, while a client writes: the service moves, and nobody starts that node before `start`."""
    serving, idle = service.serving(lab), service.idle(lab)
    with nothing_is_lost(lab):
        run = trial.command_line(lab, "stop", serving.name, timeout=300)
        assert run.returncode == 0, run.stderr
    wish = f"{serving.name} is to stay off since "
    wait_until("the alarm", told(lab, wish), 30, every=1)
    stays_off(lab, serving, ALONE_SECONDS + 20)
    # Not after a restart of the other one either, which then waits for it, and not by what starts a fenced node.
    boot = idle.run(BOOT)
    idle.run("systemctl reboot", check=False)
    wait_until("the reboot", lambda: idle.lets_in() and idle.run(BOOT) != boot, 120, every=1)
    stays_off(lab, serving, ALONE_SECONDS + 20)
    said = idle.run("/usr/local/lib/azure-mysql-ha/start-peer")
    assert f"{serving.name} stays off, as somebody asked at" in said
    assert any(wish in alarm for alarm in lab.status().alarms)
    assert not application.answers(lab), "what is alone since its start may have old data"
    run = trial.command_line(lab, "start", serving.name, timeout=700)
    assert run.returncode == 0, run.stderr
    service.wait_until_well(lab)
    assert not told(lab, wish)()
    assert started_by(lab, serving) == "engine"


def test_a_stop_is_refused(lab: Lab) -> None:
    """Where the other node could not serve: nothing has changed then."""
    serving, idle = service.serving(lab), service.idle(lab)
    idle.run(f"crm node standby {idle.name}")
    try:
        run = trial.command_line(lab, "stop", serving.name)
        assert run.returncode == 1
        assert run.stderr.startswith(f"{serving.name} is not stopped: "), run.stderr
        assert f"{idle.name} is in standby" in run.stderr
        move = trial.command_line(lab, "move")
        assert (move.returncode, move.stdout) == (1, "")
        assert f"not moved: {idle.name} is in standby" in move.stderr
    finally:
        idle.run(f"crm node online {idle.name}")
    service.wait_until_well(lab)
    assert service.serving(lab).name == serving.name
    assert not told(lab, "to stay off")()
