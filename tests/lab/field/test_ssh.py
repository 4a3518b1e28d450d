"""What Pulumi's command provider cannot cope with by itself, on a cluster that serves."""

import json
import os
import re
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import fabric, service
from lab.engine import EngineError
from lab.lab import Lab, wait_until
from operations.ssh import Node
from tests.support import trial
from tests.support.interruption import up_in_background

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def once_more(lab: Lab, script: str) -> list[str]:
    """Return options of `pulumi up` by which a script runs again, and nothing else does."""
    (urn,) = [each["urn"] for each in lab.engine().export()["resources"] if each["urn"].endswith(f"::{script}")]
    return ["--target-replace", urn]


@contextmanager
def told(lab: Lab, node: Node, why: str) -> Generator[list[object]]:
    """Run a node's script, whose SSH does not answer; the body begins when the user has been told, within a minute."""
    log = lab.paths.logs / "engine-up.events.json"
    line = re.compile(rf"no SSH to {node.name} at \S+ for \d+ s \({why}\): is this machine in adminCidrs")
    options = once_more(lab, f"{node.name}-host")

    def begun() -> bool:
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        steps = [event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event]
        return any(step["urn"] == options[1] and step["op"] != "same" for step in steps)

    with up_in_background(lab, options=options) as outcome:
        wait_until("the script's turn", lambda: outcome or begun(), trial.bar(180))
        wait_until("the line", lambda: outcome or line.search(log.read_text()), 60)
        assert not outcome
        yield outcome


@contextmanager
def in_place_of_getent(node: Node, text: str) -> Generator[None]:
    """Have a script of shell in the place of a program that the host script calls."""
    # The scripts look in /usr/local/sbin first.
    node.run("cat >/usr/local/sbin/getent; chmod 755 /usr/local/sbin/getent", text=f"#!/bin/sh\n{text}\n")
    try:
        yield
    finally:
        node.run("rm /usr/local/sbin/getent")


@pytest.mark.long
def test_a_line_that_would_hang_the_provider(lab: Lab) -> None:
    """Of a program that a script calls; where that fails, the error has the line, and is the last that is said."""
    node = lab.nodes()[0]
    options = once_more(lab, f"{node.name}-host")
    long = "head -c 200000 /dev/zero | tr '\\0' x >&2; echo >&2"
    with in_place_of_getent(node, f'{long}; exec /usr/bin/getent "$@"'):
        lab.up(options=options)
    said = rf"{node.name}-host: .*status 7(.|\n)*x{{4096}}\.\.\.\n"
    with in_place_of_getent(node, f"{long}; exit 7"), pytest.raises(EngineError, match=said):
        lab.up(options=options)
    log = (lab.paths.logs / "engine-up.log").read_text()
    assert "Traceback" not in log and "KeyboardInterrupt" not in log


def test_a_variable_that_sshd_refuses(lab: Lab) -> None:
    node = lab.nodes()[0]
    options = once_more(lab, f"{node.name}-host")
    file = "/etc/ssh/sshd_config.d/60-azure-mysql-ha.conf"
    change = f"sed -i 's/^#*AcceptEnv HA_/{{}}AcceptEnv HA_/' {file}; systemctl reload ssh"
    node.run(change.format("#"))
    try:
        with pytest.raises(EngineError, match=f"{node.name}-host: .*HA_CLUSTER_SSH_KEY"):
            lab.up(options=options)
    finally:
        node.run(change.format(""))


@pytest.mark.long
def test_ctrl_c_once_waits_for_scripts(lab: Lab) -> None:
    node = lab.nodes()[0]
    options = once_more(lab, f"{node.name}-host")
    with in_place_of_getent(node, 'touch /run/begun; sleep 20; touch /run/ended; exec /usr/bin/getent "$@"'):
        with up_in_background(lab, options=options) as outcome:
            begun = "ls /run/begun 2>/dev/null"
            wait_until("the script", lambda: outcome or node.run(begun, check=False), trial.bar(180), every=1)
            os.kill(json.loads((lab.paths.pulumi / "engine.json").read_text())["leader"], signal.SIGINT)
        assert node.run("ls /run/ended && rm /run/begun /run/ended") == "/run/ended\n"
    assert not lab.engine().export().get("pending_operations")
    lab.up(options=options)


@pytest.mark.long
def test_a_server_of_ssh_that_says_nothing(lab: Lab) -> None:
    node = lab.nodes()[0]
    # The kernel still takes connections for it.
    node.run(
        "pid=$(systemctl show ssh --property MainPID --value)"
        " && systemd-run --quiet --on-active=100 kill -CONT $pid && kill -STOP $pid"
    )
    with told(lab, node, "it accepts the connection and says nothing") as outcome:
        pass
    assert not isinstance(outcome[0], EngineError), outcome[0]


@pytest.mark.long
def test_who_is_not_in_admin_cidrs(lab: Lab) -> None:
    """May still put that right: no script runs for it."""
    node = lab.nodes()[0]
    lab.up({"adminCidrs": ["192.0.2.0/24"]})
    try:
        with told(lab, node, "no answer") as outcome:
            # In place of Pulumi's language host, which interrupts the program of an update that has failed.
            (program,) = [pid for pid in fabric.processes(lab.paths.namespace) if is_program(pid)]
            os.kill(program, signal.SIGINT)
        assert isinstance(outcome[0], EngineError)
        log = (lab.paths.logs / "engine-up.log").read_text()
        assert "Traceback" not in log and "KeyboardInterrupt" not in log
    finally:
        lab.up({"adminCidrs": ["198.51.100.0/24"]})
    lab.up(options=once_more(lab, f"{node.name}-host"))
    service.wait_until_well(lab, trial.bar(120))


def is_program(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return any(word.endswith(b"/pulumi-language-python-exec") for word in words[:2])
