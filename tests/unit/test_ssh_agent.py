"""Private keys for the time of a program: in no file, and never in a person's own agent."""

import os
import subprocess
from pathlib import Path

import pytest

from components.settings import sshkeys
from operations.ssh_agent import AgentError, agent
from tests.support.keys import ssh_key


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def keys_of(socket: object) -> list[str]:
    """Return the public halves of what an agent has, in its order."""
    run = subprocess.run(
        ["ssh-add", "-L"], env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, capture_output=True, text=True, check=False
    )
    return [" ".join(line.split()[:2]) for line in run.stdout.splitlines() if line.startswith("ssh-")]


def test_keys_in_their_order_and_nothing_is_left(temporary: Path) -> None:
    first, second = ssh_key(), ssh_key("rsa")
    with agent([first, second.strip(), first], {"one": "ssh-ed25519 AAAA"}) as own:
        assert keys_of(own.socket) == [sshkeys.parse(key).public for key in (first, second)]
        asked = subprocess.run(["ssh", "-G", *own.options, "host"], capture_output=True, text=True, check=True).stdout
        assert f"identityagent {own.socket}\n" in asked and "identityfile none\n" in asked
        known = own.folder / "known_hosts"
        assert f"userknownhostsfile {known}\n" in asked and "stricthostkeychecking true\n" in asked
        assert known.read_text() == "one ssh-ed25519 AAAA\n"
    assert list(temporary.iterdir()) == []


def test_a_persons_agent_is_neither_asked_nor_given_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    with agent([ssh_key()], {}) as persons:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(persons.socket))
        with agent([ssh_key("rsa")], {}) as own:
            assert own.socket != persons.socket
            assert keys_of(own.socket) == [sshkeys.parse(ssh_key("rsa")).public]
        assert keys_of(persons.socket) == [sshkeys.parse(ssh_key()).public]


def test_what_cannot_be_is_one_line(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AgentError, match=r"^ssh-add: Error loading key"), agent(["no key"], {}):
        pass
    long = temporary / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(AgentError, match=r"^ssh-agent: .*too long"), agent([ssh_key()], {}):
        pass
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AgentError, match=r"^ssh-agent is missing: install the OpenSSH client$"), agent([ssh_key()], {}):
        pass
    long.rmdir()
    assert list(temporary.iterdir()) == []
