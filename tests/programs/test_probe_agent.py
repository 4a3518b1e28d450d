"""Pacemaker's agent of the balancer's probe, with a systemd that is none, and a process that listens."""

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.templates import render
from tests.support import resource_agent

LISTENER = """import signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in sys.argv else signal.SIG_DFL)
time.sleep(0.3)
if "dies" not in sys.argv:
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
        time.sleep(60)
"""

SYSTEMCTL = """#!/bin/bash
cd {folder}
case $1 in
  start)
    [[ -e pid ]] && kill -0 "$(<pid)" 2>/dev/null && exit
    {python} listener.py {port} $(<how) </dev/null >/dev/null 2>&1 &
    echo $! >pid
    ;;
  show) if [[ -e pid ]] && kill -0 "$(<pid)" 2>/dev/null; then cat pid; else echo 0; fi ;;
esac
"""


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Agent:
    """The agent, and its unit: a process that begins to listen after a moment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "how").touch()
        (folder / "listener.py").write_text(LISTENER)
        systemctl = folder / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(folder=folder, python=sys.executable, port=self.port))
        systemctl.chmod(0o755)
        (folder / "agent").write_text(render("mysql/probe-agent.sh.j2", {"probe_port": self.port}))

    def run(self, action: str, timeout_ms: int = 60000) -> tuple[int, str]:
        return resource_agent.run(self.folder, action, timeout_ms)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path)
    yield agent
    agent.run("stop", 0)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_it_listens_when_it_has_started_and_no_more_when_it_has_stopped(agent: Agent) -> None:
    assert agent.run("monitor") == (7, "")
    assert agent.run("start") == (0, "")
    assert listens(agent.port)
    assert (agent.run("monitor"), agent.run("start")) == ((0, ""), (0, ""))
    assert (agent.run("stop"), agent.run("stop")) == ((0, ""), (0, ""))
    assert not listens(agent.port)
    assert agent.run("monitor") == (7, "")


def test_one_that_ends_at_once_has_not_started(agent: Agent) -> None:
    (agent.folder / "how").write_text("dies")
    code, why = agent.run("start")
    assert (code, why.partition(":")[0]) == (1, "ocf-exit-reason")
    assert "azure-mysql-ha-probe.service has not started" in why


def test_one_that_does_not_end_is_killed(agent: Agent) -> None:
    (agent.folder / "how").write_text("stubborn")
    assert agent.run("start") == (0, "")
    begin = time.monotonic()
    assert agent.run("stop", 4000) == (0, "")
    assert 1 < time.monotonic() - begin < 5
    assert not listens(agent.port)
