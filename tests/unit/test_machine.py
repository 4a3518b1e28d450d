"""A machine's command line and its record of processes; the kernel is a sleeping shell."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.image import Image
from lab.kernel import Kernel
from lab.lab import wait_until
from lab.machine import Interface, Machine, MachineError, MachineSpec

# Does what the kernel does first, then has two processes.
FAKE = 'mkdir -p uml; : > uml/mconsole; sleep 60 & sleep 61 & echo "booted $1"; wait'


def spec_in(folder: Path, lun: int = 0) -> MachineSpec:
    """Return a spec whose parts are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("disk.ext4", "seed.iso", "data"):
        (folder / part).touch()
    return MachineSpec(
        name="node1",
        directory=folder / "machine",
        image=Image("debian-12", folder / "disk.ext4", folder / "tree"),
        memory_mib=512,
        interfaces=(Interface("tap1", "52:54:00:00:00:01"),),
        data_disks={lun: folder / "data"},
        seed=folder / "seed.iso",
    )


def kernel(*command: str) -> Kernel:
    """Return a kernel that is something else."""
    return Kernel("1", command, Path(), ("seccomp=on",), "test")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Return a machine that is off in the end."""
    made = Machine(spec_in(tmp_path), kernel("sh", "-c", FAKE, "sh"))
    yield made
    made.power_off()


def test_the_command_line_has_short_names_only(tmp_path: Path) -> None:
    words = Machine(spec_in(tmp_path / "a,b:c", lun=3), kernel("linux")).command()
    assert words == [
        "linux",
        "ubd0=system.cow,base",
        "ubd4=lun3,,lun3",
        "ubd7r=seed",
        "root=/dev/ubda",
        "rw",
        "mem=512M",
        "con=null",
        "ssl=null",
        "con0=null,fd:1",
        "vec0:transport=tap,ifname=tap1,depth=64,gro=1,mac=52:54:00:00:00:01",
        "umid=uml",
        "uml_dir=.",
        "seccomp=on",
    ]


def test_it_starts_once_and_is_found_by_another(machine: Machine) -> None:
    assert not machine.is_running()
    machine.start()
    assert machine.is_running()
    wait_until("console", lambda: "booted ubd0=system.cow,base" in machine.console.read_text(), 10)
    other = Machine(machine.spec, machine.kernel)
    assert other.is_running()
    for one in (machine, other):
        with pytest.raises(MachineError, match="is running"):
            one.start()
    other.power_off()
    assert not machine.is_running()
    assert not other.is_running()


def session_of(machine: Machine) -> list[str]:
    """Return the live processes of the machine's session."""
    pid = (machine.spec.directory / "process").read_text().split()[0]
    lines = subprocess.run(["ps", "-s", pid, "-o", "stat="], capture_output=True, text=True, check=False).stdout.split()
    return [line for line in lines if not line.startswith("Z")]


def test_power_off_leaves_no_process_even_without_the_first(machine: Machine) -> None:
    machine.start()
    assert len(session_of(machine)) == 3
    os.kill(int((machine.spec.directory / "process").read_text().split()[0]), 9)
    while machine.is_running():
        pass
    assert len(session_of(machine)) == 2
    machine.power_off()
    assert session_of(machine) == []
    machine.power_off()
    machine.start()
    assert machine.is_running()


def test_freeze_and_thaw(machine: Machine) -> None:
    with pytest.raises(MachineError, match="is off"):
        machine.freeze()
    machine.start()
    machine.freeze()
    assert all(state.startswith("T") for state in session_of(machine))
    machine.thaw()
    assert not any(state.startswith("T") for state in session_of(machine))


def test_a_number_given_away_anew_is_not_the_machine(machine: Machine) -> None:
    machine.spec.directory.mkdir()
    (machine.spec.directory / "process").write_text(f"{os.getpid()} 1")
    assert not machine.is_running()
    machine.power_off()  # and not this process


def test_shut_down_falls_back_to_the_power_switch(machine: Machine) -> None:
    machine.start()
    assert not machine.shut_down(0.2)
    assert not machine.is_running()
    assert not machine.shut_down(0.2)


def test_what_does_not_start_says_why(tmp_path: Path) -> None:
    machine = Machine(spec_in(tmp_path), kernel("sh", "-c", "echo no such disk; exit 1", "sh"))
    with pytest.raises(MachineError, match="no such disk"):
        machine.start()
    assert not machine.is_running()


def test_missing_parts_and_bad_luns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="LUN 6"):
        Machine(spec_in(tmp_path, lun=6), kernel("true")).start()
    spec = spec_in(tmp_path)
    spec.seed.unlink()
    with pytest.raises(MachineError, match=r"seed\.iso is missing"):
        Machine(spec, kernel("true")).start()
