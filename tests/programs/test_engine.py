"""The lab's engine: alone on its stack, whatever was killed before; and what its progress shows."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import engine, session
from lab.engine import Engine, EngineError
from lab.events import EventReader
from lab.progress import Progress
from lab.toolchain import Toolchain

# In place of the CLI: "up" begins what outlives it, as a plug-in, and waits for its end.
CLI = """#!/bin/sh
echo "$1" >>{folder}/called
case $1 in up) sleep 1000 & echo $! >{folder}/plugin.new && mv {folder}/plugin.new {folder}/plugin && wait ;; esac
"""


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def cli(tmp_path: Path) -> Engine:
    program = tmp_path / "pulumi"
    program.write_text(CLI.format(folder=tmp_path))
    program.chmod(0o755)
    chain = Toolchain(program, tmp_path, program, "3.259.0")
    return Engine(stack="lab", program=str(program), environment=dict(os.environ), directory=tmp_path, toolchain=chain)


def begin(cli: Engine) -> tuple[threading.Thread, list[Exception]]:
    """Run an update in the background; return when its plug-in runs."""
    failed: list[Exception] = []
    (cli.directory / "plugin").unlink(missing_ok=True)

    def run() -> None:
        try:
            cli.run(["up"], Progress(lambda line: None), cli.directory / "up.log")
        except EngineError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    # On a busy machine the plug-in may run before its engine's leader is recorded.
    until(lambda: failed or ((cli.directory / "plugin").exists() and has_leader(cli)))
    return thread, failed


def has_leader(cli: Engine) -> bool:
    return (cli.directory / "engine.json").exists() and lives(leader(cli))


def plugin(cli: Engine) -> int:
    return int((cli.directory / "plugin").read_text())


def leader(cli: Engine) -> int:
    return json.loads((cli.directory / "engine.json").read_text())["leader"]


def test_what_a_killed_engine_has_left_is_ended(cli: Engine) -> None:
    thread, failed = begin(cli)
    first = plugin(cli)
    os.kill(leader(cli), signal.SIGKILL)
    thread.join()
    assert failed and lives(first), "it was to outlive its engine"
    (cli.directory / "backend/.pulumi/locks").mkdir(parents=True)
    (cli.directory / "backend/.pulumi/locks/one.json").touch()
    thread, _ = begin(cli)
    assert not lives(first) and lives(plugin(cli))
    assert (cli.directory / "called").read_text().split() == ["up", "cancel", "up"]
    os.killpg(leader(cli), signal.SIGKILL)
    thread.join()


def test_an_engine_whose_lab_was_killed_is_waited_for(cli: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's own lock is free then."""
    monkeypatch.setattr(engine, "_OTHER_SECONDS", 0.5)
    with subprocess.Popen([cli.program, "up"], start_new_session=True) as other:
        until((cli.directory / "plugin").exists)
        (cli.directory / "engine.json").write_text(json.dumps(vars(session.of(other.pid))))
        thread, failed = begin(cli)
        thread.join()
        assert "another update of stack lab is running" in str(failed[0])
        os.killpg(other.pid, signal.SIGKILL)


def test_two_updates_at_once(cli: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    thread, _ = begin(cli)
    monkeypatch.setattr(engine, "_OTHER_SECONDS", 0.5)
    with pytest.raises(EngineError, match="another update of stack lab is running"):
        cli.run(["up"], Progress(lambda line: None), cli.directory / "two.log")
    assert lives(plugin(cli))
    os.killpg(leader(cli), signal.SIGKILL)
    thread.join()


def test_a_number_that_was_given_again_is_nobody(tmp_path: Path) -> None:
    own = session.of(os.getpid())
    assert own.leader_lives()
    other = session.Session(own.leader, own.began + 1)
    assert not other.leader_lives() and other.members() == []


def test_progress_shows_what_scripts_print_with_either_provider(tmp_path: Path) -> None:
    """The real one's lines are status messages, which the CLI calls ephemeral."""
    urn = "urn:pulumi:lab::azure-mysql-ha::command:remote:Command::node-host"
    events = [
        {"message": "as a status", "severity": "info", "urn": urn, "ephemeral": True},
        {"message": "as a message", "severity": "info", "urn": urn},
        {"message": "pip at work", "severity": "info", "urn": "", "ephemeral": True},
    ]
    log = tmp_path / "events.json"
    log.write_text("".join(json.dumps({"timestamp": 1, "diagnosticEvent": event}) + "\n" for event in events))
    told: list[str] = []
    EventReader(log, Progress(told.append)).read()
    assert [line.split("s  ", 1)[1].strip() for line in told] == ["node-host: as a status", "node-host: as a message"]
