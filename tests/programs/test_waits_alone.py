"""When a node has its peer started: where it waits alone for one that is off, and nobody else is at it."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.fence_device import FenceDevice
from components.places import STAYS_OFF
from components.templates import render

ALONE = """Quorum information
------------------
Nodes:            1
Quorate:          {quorate}

Membership information
----------------------
    Nodeid      Votes    Qdevice Name
         1          1         NR one (local)
"""
BOTH = f"{ALONE}         2          1         NR two\n"
CONNECTED = " 1: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----\n"
WAITING = " 1: cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C r-----\n"
CLEAN = '<nodes>\n<node name="two" id="2" online="false" unclean="false"/>\n</nodes>'
UNCLEAN = CLEAN.replace('unclean="false"', 'unclean="true"')
CALLED = "start-peer if-off"


class Node:
    """Node one, as its programs tell it; what it starts is noted.

    Args:
        folder: of its own.
        programs: their scripts, by name.
    """

    def __init__(self, folder: Path, programs: Mapping[str, str]) -> None:
        self.folder = folder
        self.drbd, self.turn = folder / "drbd", folder / "peer-in-turn"
        self._started = folder / "started"
        self._started.touch()
        for name, script in programs.items():
            file = folder / name
            file.write_text(f'#!/bin/bash\necho "{name} $*" >>{self._started}\n{script}\n')
            file.chmod(0o755)

    @property
    def started(self) -> list[str]:
        """All programs that were started, with their arguments."""
        return [line.strip() for line in self._started.read_text().splitlines()]

    def run(
        self, template: str, *arguments: str, seconds: float = 30, calls: int | None = None, **changes: str
    ) -> tuple[str, int | None]:
        """Run a script, and return what it says and its exit code, None where it goes on.

        Args:
            seconds: how long at most.
            calls: how often it has its peer started before it is ended; None for as long as it may run.
        """
        names: dict[str, Any] = {"name": "two"}
        device = FenceDevice("fence-agent", {"msi": "true"}, {}, 120, {})
        text = render(
            f"pacemaker/{template}.sh.j2",
            {"peer": names, "device": device, "library": self.folder, "stays_off": STAYS_OFF, "peer_id": 2,
             "peer_in_turn": self.turn},
        )  # fmt: skip
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        path = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        text = text.replace("/proc/drbd", str(self.drbd))
        with subprocess.Popen(
            ["bash", "-c", text, template, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=path,
        ) as process:  # fmt: skip
            assert process.stdout
            end = time.monotonic() + seconds
            while (code := process.poll()) is None and time.monotonic() < end:
                if calls is not None and self.started.count(CALLED) >= calls:
                    break
                time.sleep(0.02)
            if code is None:
                process.terminate()
            return process.stdout.read(), code

    def wait(self, seconds: float = 0.5, minute: int = 0, calls: int | None = None) -> str:
        """Let it wait alone, for whom a minute has so many seconds and the pause between two looks 0.1 s."""
        shorter = {"=5 patience_seconds=60": f"=0.1 patience_seconds={minute}"}
        said, code = self.run("waits-alone", seconds=seconds, calls=calls, **shorter)
        assert code is None, said
        return said


def alone(folder: Path, quorum: str = ALONE.format(quorate="No"), crm_mon: str = "exit 1") -> Node:
    return Node(
        folder,
        {
            "corosync-quorumtool": f"cat <<'END'\n{quorum}END",
            "crm_mon": crm_mon,
            "start-peer": 'echo "two was off in Azure, and has been started"',
        },
    )


QUORATE = ALONE.format(quorate="Yes")


def test_alone_without_quorum(tmp_path: Path) -> None:
    """It has just started: DRBD is down, Corosync waits for all, and Pacemaker may fence nobody. Told once."""
    node = alone(tmp_path)
    began = time.monotonic()
    assert node.wait(30, minute=1, calls=2) == "alone for 1 s: two was off in Azure, and has been started\n"
    assert node.started.count(CALLED) == 2
    assert time.monotonic() - began >= 1, "no more than once a minute, by whole seconds"


def test_while_all_is_well_no_process_is_started(tmp_path: Path) -> None:
    node = alone(tmp_path)
    node.drbd.write_text(f"version: 8.4.11\n\n{CONNECTED}")
    assert node.wait() == ""
    assert node.started == []


STARTS: list[tuple[str, str, str, str]] = [
    # name, DRBD, what Corosync says, what Pacemaker does
    ("serving alone", WAITING, QUORATE, f"echo '{CLEAN}'"),
    ("fenced before", WAITING, QUORATE, f"""echo '{CLEAN}<fence_event target="two" status="success"/>'"""),
]
STARTS_NOT: list[tuple[str, str, str, str]] = [
    ("both are members", WAITING, BOTH.format(quorate="Yes"), f"echo '{CLEAN}'"),
    ("no Corosync", WAITING, "", f"echo '{CLEAN}'"),
    ("to be fenced", WAITING, QUORATE, f"echo '{UNCLEAN}'"),
    ("being fenced", WAITING, QUORATE, f"""echo '{CLEAN}<fence_event target="two" status="pending"/>'"""),
    ("Pacemaker does not tell", WAITING, QUORATE, "exit 1"),
]


@pytest.mark.parametrize(("drbd", "quorum", "crm_mon"), [row[1:] for row in STARTS], ids=[row[0] for row in STARTS])
def test_it_has_its_peer_started(drbd: str, quorum: str, crm_mon: str, tmp_path: Path) -> None:
    node = alone(tmp_path, quorum, crm_mon)
    node.drbd.write_text(drbd)
    node.wait(30, calls=1)
    assert CALLED in node.started


@pytest.mark.parametrize(
    ("drbd", "quorum", "crm_mon"), [row[1:] for row in STARTS_NOT], ids=[row[0] for row in STARTS_NOT]
)
def test_it_has_nobody_started(drbd: str, quorum: str, crm_mon: str, tmp_path: Path) -> None:
    node = alone(tmp_path, quorum, crm_mon)
    node.drbd.write_text(drbd)
    node.wait()
    assert "corosync-quorumtool -s" in node.started
    assert CALLED not in node.started


def test_a_peer_in_its_turn(tmp_path: Path) -> None:
    """Is not started while Azure changes its machine; after half an hour that is over, whatever became of it."""
    node = alone(tmp_path)
    node.turn.touch()
    node.wait()
    assert CALLED not in node.started
    old = time.time() - 1801
    os.utime(node.turn, (old, old))
    node.wait(30, calls=1)
    assert CALLED in node.started


def test_the_turn_is_over_when_the_peer_is_back(tmp_path: Path) -> None:
    """And not before it has left."""
    node = alone(tmp_path)
    node.turn.touch()
    node.drbd.write_text(CONNECTED)
    node.wait(1)
    assert node.turn.exists()
    # It answers once that it is alone, and then that both are there.
    quorum = node.folder / "corosync-quorumtool"
    quorum.write_text(
        f"#!/bin/bash\nif [[ -e {tmp_path}/once ]]; then echo 'Quorate: Yes'; echo '     2     1   NR two'; else\n"
        f"touch {tmp_path}/once; echo 'Quorate: No'; fi\n"
    )
    node.drbd.write_text(WAITING)
    node.wait(1)
    assert not node.turn.exists()


AGENT = "code=$(cat {folder}/$(sed -n 's/^action=//p')); exit $code"


def azure(folder: Path, mark: str, status: int = 2, on: int = 0) -> Node:
    """Return a node whose fence agent ends so.

    Args:
        mark: what ends crm_attribute.
        status, on: exit codes of the agent's actions; 2 of `status` is off.
    """
    (folder / "status").write_text(str(status))
    (folder / "on").write_text(str(on))
    return Node(folder, {"crm_attribute": mark, "fence-agent": AGENT.format(folder=folder)})


NO_MARK = "exit 105"


@pytest.mark.parametrize(
    ("arguments", "mark", "status", "on", "calls", "said", "code"),
    [
        ((), NO_MARK, 2, 0, 1, "two was off in Azure, and has been started", 0),
        ((), NO_MARK, 2, 1, 1, "two has not started: ", 1),
        ((), "echo 2026-11-28T15:00:00Z", 2, 0, 0, "two stays off, as somebody asked at 2026-11-28T15:00:00Z", 0),
        ((), "exit 102", 2, 0, 0, "two is not started: Pacemaker does not say whether it is to stay off", 1),
        (("if-off",), NO_MARK, 2, 0, 2, "two was off in Azure, and has been started", 0),
        # On, or on its way there or back: being deallocated, it is not off either.
        (("if-off",), NO_MARK, 0, 0, 1, "two is gone, but not off in Azure: it is not started", 0),
        (("if-off",), NO_MARK, 1, 0, 1, "two is not started: Azure does not say whether it is off", 1),
        (("if-off",), "echo 2026-11-28T15:00:00Z", 2, 0, 0, "two stays off", 0),
    ],
)
def test_the_start(
    arguments: tuple[str, ...], mark: str, status: int, on: int, calls: int, said: str, code: int, tmp_path: Path
) -> None:
    node = azure(tmp_path, mark, status, on)
    told, ended = node.run("start-peer", *arguments)
    assert (told.startswith(said), ended) == (True, code), told
    assert sum(line.startswith("fence-agent") for line in node.started) == calls
