"""Pacemaker's agent of the database's file system, with mounts and programs that are none."""

from pathlib import Path

import pytest

from components.templates import render
from tests.support import resource_agent

OURS = "/dev/drbd1 /data ext4 rw,noatime 0 0\n"
OTHER = "/dev/sda1 / ext4 rw 0 0\n/dev/sda2 /database ext4 rw 0 0\n"

PROGRAMS = {
    "mount": 'if [[ -e $0.fails ]]; then echo "no such device"; exit 32; fi; echo "$5 $6 ext4 rw 0 0" >>mounts',
    # The last one, if nobody holds it.
    "umount": '[[ ! -e held ]] && grep -v " $1 " mounts >mounts.new; [[ ! -e held ]] && mv mounts.new mounts',
    "fuser": "[[ -e stubborn && $* != *KILL* ]] || rm -f held",
    "blockdev": "",
    "sleep": "",
}


class Agent:
    """The agent in a folder of its own; what it starts is noted."""

    def __init__(self, folder: Path, mounts: str) -> None:
        self.folder = folder
        (folder / "mounts").write_text(mounts)
        for name, script in PROGRAMS.items():
            program = folder / name
            program.write_text(f'#!/bin/bash\ncd {folder}\necho "{name} $*" >>started\n{script}\n')
            program.chmod(0o755)
        text = render("drbd/file-system.sh.j2", {"mount_point": "/data"})
        (folder / "agent").write_text(text.replace("/proc/mounts", str(folder / "mounts")))

    def run(self, action: str, timeout_ms: int = 60000) -> tuple[int, str]:
        return resource_agent.run(self.folder, action, timeout_ms)

    @property
    def mounts(self) -> str:
        return (self.folder / "mounts").read_text()

    @property
    def started(self) -> list[str]:
        file = self.folder / "started"
        return file.read_text().splitlines() if file.exists() else []


def test_it_mounts_and_unmounts(tmp_path: Path) -> None:
    agent = Agent(tmp_path, OTHER)
    assert agent.run("monitor") == (7, "")
    assert agent.run("start") == (0, "")
    assert agent.started == ["blockdev --flushbufs /dev/drbd1", "mount -t ext4 -o noatime /dev/drbd1 /data"]
    assert (agent.run("monitor"), agent.run("start")) == ((0, ""), (0, ""))
    assert agent.mounts == f"{OTHER}/dev/drbd1 /data ext4 rw 0 0\n"
    assert (agent.run("stop"), agent.run("stop")) == ((0, ""), (0, ""))
    assert agent.mounts == OTHER


def test_it_mounts_nothing_over_anything(tmp_path: Path) -> None:
    agent = Agent(tmp_path, "/dev/sda9 /data ext4 rw 0 0\n")
    assert agent.run("start") == (1, "ocf-exit-reason:/data is mounted already, at or below /data")
    assert agent.run("monitor") == (1, "ocf-exit-reason:/dev/sda9 is mounted at /data, and not /dev/drbd1")
    assert agent.started == []


def test_a_mount_that_fails(tmp_path: Path) -> None:
    agent = Agent(tmp_path, OTHER)
    (tmp_path / "mount.fails").touch()
    assert agent.run("start") == (1, "ocf-exit-reason:/dev/drbd1 cannot be mounted (no such device)")


def test_what_is_mounted_below_goes_first(tmp_path: Path) -> None:
    agent = Agent(tmp_path, f"{OTHER}{OURS}tmpfs /data/files tmpfs rw 0 0\n")
    assert agent.run("stop") == (0, "")
    assert agent.started[:2] == ["umount /data/files", "umount /data"]
    assert agent.mounts == OTHER


@pytest.mark.parametrize("stubborn", [False, True])
def test_who_holds_it_is_ended(stubborn: bool, tmp_path: Path) -> None:
    """Asked first; by force when half of the time is over."""
    agent = Agent(tmp_path, OURS)
    (tmp_path / "held").touch()
    if stubborn:
        (tmp_path / "stubborn").touch()
    assert agent.run("stop", 7000) == (0, "")
    assert agent.mounts == ""
    signals = {line.split()[2] for line in agent.started if line.startswith("fuser")}
    assert signals == ({"-TERM", "-KILL"} if stubborn else {"-TERM"})
    assert all(line.endswith("--ismountpoint --mount /data") for line in agent.started if line.startswith("fuser"))


def test_what_nobody_can_end(tmp_path: Path) -> None:
    agent = Agent(tmp_path, OURS)
    (tmp_path / "held").touch()
    (tmp_path / "fuser").write_text("#!/bin/bash\n")
    assert agent.run("stop", 6000) == (1, "ocf-exit-reason:/data cannot be unmounted")
