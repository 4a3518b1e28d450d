"""Two real machines in a namespace of their own: what the lab cloud builds on."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import fabric, image, kernel, preflight
from lab.cloud import namespace
from lab.machine import Interface, Machine, MachineError, MachineSpec
from lab.paths import LabPaths
from lab.seed import write_seed

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(900)]

PATHS = LabPaths("tmach")
SYSTEM = os.environ.get("LAB_TEST_SYSTEM", "debian-12")

USER_DATA = """#cloud-config
users:
  - name: azureuser
    groups: [sudo]
    shell: /bin/bash
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    lock_passwd: true
    ssh_authorized_keys: ["{key}"]
ssh_deletekeys: true
ssh_keys:
  ed25519_private: |
    {host_private}
  ed25519_public: {host_public}
"""

NETWORK = """version: 2
ethernets:
  vec0:
    match: {{macaddress: "{mac}"}}
    set-name: vec0
    addresses: [{address}/24]
    routes: [{{to: 0.0.0.0/0, via: 10.9.0.1}}]
    nameservers: {{addresses: [168.63.129.16]}}
"""


@dataclass
class Guest:
    """A machine and how to reach it."""

    machine: Machine
    address: str
    folder: Path

    def ssh(self, command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command in the guest as the seed's user; the host key is pinned."""
        options = ["BatchMode=yes", "ConnectTimeout=2", "StrictHostKeyChecking=yes"]
        options += [f"UserKnownHostsFile={self.folder / 'known_hosts'}", "HostKeyAlgorithms=ssh-ed25519"]
        argv = ["ssh", "-F", "none", "-i", str(self.folder.parent / "user"), *(f"-o{option}" for option in options)]
        argv = fabric.run_inside(PATHS.namespace, [*argv, f"azureuser@{self.address}", command])
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False
        )

    def run(self, command: str) -> str:
        """Run a command in the guest that must succeed."""
        done = self.ssh(command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    def wait(self, seconds: float = 120) -> None:
        """Wait until SSH answers."""
        begin = time.monotonic()
        while (done := self.ssh("true")).returncode != 0:
            assert self.machine.is_running(), self.machine.console.read_text(errors="replace")[-3000:]
            assert time.monotonic() - begin < seconds, (done.stderr, self.machine.console)
            time.sleep(0.3)

    def start(self) -> None:
        """Switch the machine on, in the namespace, as the lab cloud does."""
        # Only this thread changes; what it starts is born there.
        with namespace.inside(PATHS.namespace):
            self.machine.start()


def keygen(path: Path) -> None:
    """Make an Ed25519 key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)


def test_the_gateway_is_the_same_whatever_comes_and_goes() -> None:
    """Machines remember its hardware address: where that changed, they would reach nobody outside for a while."""
    name = LabPaths("tgate").namespace
    fabric.remove(name)
    fabric.create(name)
    try:
        fabric.add_bridge(name, "br0", "10.9.0.1/24")
        taps = [f"tap{number}" for number in range(4)]
        seen: set[str] = set()

        def look() -> None:
            command = ["ip", "-n", name, "-brief", "link", "show", "br0"]
            seen.add(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2])

        for tap in taps:
            fabric.add_tap(name, tap, "br0")
            look()
        for tap in taps:
            fabric.remove_tap(name, tap)
            look()
        assert len(seen) == 1
    finally:
        fabric.remove(name)


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Guest]]:
    """Boot two guests, as fast as they can."""
    missing = preflight.check(PATHS)
    if missing:
        pytest.fail("\n".join(missing))
    folder = tmp_path_factory.mktemp("machines")
    base = image.ensure(SYSTEM)
    uml = kernel.ensure()
    name = PATHS.namespace
    fabric.remove(name)
    fabric.create(name)
    fabric.add_bridge(name, "br0", "10.9.0.1/24")
    keygen(folder / "user")
    made: list[Guest] = []
    for number in (1, 2):
        own = folder / f"node{number}"
        own.mkdir()
        keygen(own / "host")
        mac, address = f"52:54:00:00:00:0{number}", f"10.9.0.{10 + number}"
        private = (own / "host").read_text().strip().replace("\n", "\n    ")
        public = (own / "host.pub").read_text().strip()
        (own / "known_hosts").write_text(f"{address} {public}\n")
        write_seed(
            own / "seed.iso",
            meta_data=f"instance-id: vm-{number}\nlocal-hostname: node{number}\n",
            user_data=USER_DATA.format(
                key=(folder / "user.pub").read_text().strip(), host_private=private, host_public=public
            ),
            vendor_data="",
            network_config=NETWORK.format(mac=mac, address=address),
        )
        with (own / "data").open("wb") as data:
            data.truncate(256 << 20)
        fabric.add_tap(name, f"tap{number}", "br0")
        spec = MachineSpec(
            name=f"node{number}",
            directory=own / "machine",
            image=base,
            memory_mib=1024,
            interfaces=(Interface(f"tap{number}", mac),),
            data_disks={0: own / "data"},
            seed=own / "seed.iso",
        )
        made.append(Guest(Machine(spec, uml), address, own))
    try:
        begin = time.monotonic()
        for guest in made:
            guest.start()
        for guest in made:
            guest.wait()
            print(f"{SYSTEM} {guest.machine.spec.name}: SSH {time.monotonic() - begin:.1f} s after the start")
        yield made
    finally:
        for guest in made:
            guest.machine.power_off()
        fabric.remove(name)
        assert not fabric.exists(name)


def members(machine: Machine) -> list[str]:
    """Return the processes that have the machine's folder as theirs or its disk open."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(machine.spec.directory) in str((process / "cwd").readlink()):
                found.append(process.name)
        except OSError:
            continue
    return found


def test_a_guest_is_like_a_fresh_one_on_azure(guests: list[Guest]) -> None:
    for number, guest in enumerate(guests, 1):
        assert guest.run("hostname") == f"node{number}"
        assert guest.run("sudo -n id -u") == "0"
        assert guest.run("readlink -f /dev/disk/azure/scsi1/lun0") == "/dev/ubdb"
        assert guest.run("cat /sys/block/ubdb/size") == str(256 << 11)
        assert guest.run("uname -r") == guest.machine.kernel.release
        assert guest.run("cloud-init status --wait | tr -d '\\n.'").startswith("status: done")
        assert guest.run("systemctl list-units --failed --plain --no-legend") == ""
        for unit in ("corosync", "pacemaker", "mariadb", "mysql", "drbd"):
            assert guest.ssh(f"systemctl is-enabled {unit}").stdout.strip() not in {"enabled", "enabled-runtime"}
            assert guest.ssh(f"systemctl is-active {unit}").stdout.strip() in {"inactive", "unknown"}
        assert guest.ssh("command -v drbdadm").returncode != 0
        keys = guest.run("ls /etc/ssh").split()
        assert [key for key in keys if key.startswith("ssh_host_")] == [
            "ssh_host_ed25519_key",
            "ssh_host_ed25519_key.pub",
        ]


def test_they_reach_each_other_and_the_gateway(guests: list[Guest]) -> None:
    guests[0].run(f"sudo ping -c 2 -W 2 {guests[1].address}")
    guests[1].run("sudo ping -c 1 -W 2 10.9.0.1")
    # Large frames, as DRBD's: the sum of what arrives.
    assert guests[0].run("head -c 30000000 /dev/zero | md5sum") == guests[0].run(
        "true; head -c 30000000 /dev/zero | md5sum"
    )


def test_packages_and_modules_come_without_a_mirror(guests: list[Guest]) -> None:
    guest = guests[0]
    guest.run("sudo apt-get -qq update && sudo apt-get -qq -y install drbd-utils socat >/dev/null")
    assert guest.run("sudo modprobe drbd && head -n1 /proc/drbd").startswith("version: 8.4")
    assert guest.run("sudo drbdadm --version | head -n1")


def test_partitions_have_their_names_too(guests: list[Guest]) -> None:
    guest = guests[0]
    guest.run("echo ',' | sudo sfdisk -q /dev/disk/azure/scsi1/lun0 && sudo udevadm settle")
    assert guest.run("readlink -f /dev/disk/azure/scsi1/lun0-part1") == "/dev/ubdb1"


def test_a_disk_comes_and_goes_while_it_runs(guests: list[Guest]) -> None:
    guest = guests[0]
    with (guest.folder / "more").open("wb") as data:
        data.truncate(64 << 20)
    guest.machine.attach_disk(3, guest.folder / "more")
    guest.run("sudo udevadm settle; test -b /dev/disk/azure/scsi1/lun3")
    guest.machine.detach_disk(3)
    guest.run("sudo udevadm settle; test ! -e /dev/disk/azure/scsi1/lun3")
    with pytest.raises(MachineError):
        guest.machine.detach_disk(3)


def test_a_port_can_be_cut_and_two_be_parted(guests: list[Guest]) -> None:
    name, other = PATHS.namespace, guests[1].address
    fabric.cut(name, "tap1")
    assert guests[0].ssh("true").returncode != 0
    fabric.repair(name, "tap1")
    guests[0].wait(20)
    for tap in ("tap1", "tap2"):
        fabric.isolate(name, tap)
    assert guests[0].ssh(f"sudo ping -c 1 -W 1 {other}").returncode == 1
    guests[0].run("sudo ping -c 1 -W 2 10.9.0.1")
    for tap in ("tap1", "tap2"):
        fabric.unisolate(name, tap)
    guests[0].run(f"sudo ping -c 1 -W 2 {other}")


def test_a_frozen_machine_stands_still_and_goes_on(guests: list[Guest]) -> None:
    guest = guests[1]
    guest.machine.freeze()
    assert guest.machine.is_running()
    assert guest.ssh("true").returncode != 0
    guest.machine.thaw()
    guest.wait(20)


def test_another_process_takes_over(guests: list[Guest]) -> None:
    guest = guests[1]
    other = Machine(guest.machine.spec, guest.machine.kernel)
    assert other.is_running()
    with pytest.raises(MachineError, match="is running"):
        other.start()


def test_power_off_leaves_nothing_and_the_disk_is_kept(guests: list[Guest]) -> None:
    guest = guests[1]
    guest.run("echo kept | sudo tee /kept >/dev/null; sync")
    assert members(guest.machine)
    # By one that has not started it.
    Machine(guest.machine.spec, guest.machine.kernel).power_off()
    assert not guest.machine.is_running()
    assert members(guest.machine) == []
    begin = time.monotonic()
    guest.start()
    guest.wait()
    print(f"{SYSTEM} one machine, second boot: SSH {time.monotonic() - begin:.1f} s after the start")
    assert guest.run("cat /kept") == "kept"


def test_a_reboot_from_inside_is_the_same_machine(guests: list[Guest]) -> None:
    guest = guests[1]
    before = guest.run("cat /proc/sys/kernel/random/boot_id")
    guest.ssh("sudo systemctl reboot")
    deadline = time.monotonic() + 120
    while guest.ssh("cat /proc/sys/kernel/random/boot_id").stdout.strip() in {"", before}:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert guest.machine.is_running()


def test_it_shuts_down_in_order(guests: list[Guest]) -> None:
    for guest in guests:
        guest.wait()
    begin = time.monotonic()
    assert guests[0].machine.shut_down(60)
    print(f"{SYSTEM}: orderly shut-down {time.monotonic() - begin:.1f} s")
    assert members(guests[0].machine) == []
    guests[1].ssh("sudo poweroff")
    deadline = time.monotonic() + 60
    while guests[1].machine.is_running():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert members(guests[1].machine) == []
