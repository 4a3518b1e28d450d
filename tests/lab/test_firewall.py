"""A machine's own firewall, in the kernel: two network namespaces, the rules of NODE-firewall, each guest's nft."""

import functools
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from lab import fabric, image
from lab.cloud import namespace
from lab.image import Image
from lab.paths import LabPaths
from operations import drift
from tests.golden.cases import resources
from tests.support import trial
from tests.support.recording import record

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

FIREWALL = "mysql-lab-1-firewall"
HERE, THERE = LabPaths("wallone").namespace, LabPaths("walltwo").namespace
NODE = "10.32.0.4"
PEER, CLIENT, PROMETHEUS, WAY_OUT, AZURE = "10.32.0.5", "198.51.100.10", "198.51.100.10", "203.0.113.1", "168.63.129.16"
STRANGERS = ("10.33.0.9", "192.0.2.9")
PORTS = (22, 25, 111, 3306, 5403, 7789, 9100, 9104, 9664, 33060, 61500)


def script() -> str:
    """Return NODE-firewall of the lab's stack, monitored and with a witness."""
    return next(each.inputs["stdin"] for each in resources("witness") if each.name == FIREWALL)


@functools.cache
def rules() -> str:
    """Return its rules."""
    found = re.search(r"<<'FILE' \|\| true\n(.*?)^FILE\n", script(), re.DOTALL | re.MULTILINE)
    assert found
    return found[1].replace("@WAYS_OUT@", f"{WAY_OUT}/32")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def _namespaces() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """The node in one, everybody else in the other."""
    for name in (HERE, THERE):
        fabric.remove(name)
        ip("netns", "add", name)
    try:
        ip("-n", HERE, "link", "add", "wall", "type", "veth", "peer", "name", "wall", "netns", THERE)
        for name, own in ((HERE, (NODE,)), (THERE, (PEER, CLIENT, WAY_OUT, AZURE, *STRANGERS))):
            for address in own:
                ip("-n", name, "address", "add", f"{address}/32", "dev", "wall")
            for device in ("lo", "wall"):
                ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "route", "add", "default", "dev", "wall")
        yield
    finally:
        for name in (HERE, THERE):
            fabric.remove(name)


@pytest.fixture(scope="module")
def listeners(_namespaces: None) -> Iterator[dict[int, socket.socket]]:
    with namespace.inside(HERE):
        made = {port: socket.create_server((NODE, port), backlog=64) for port in PORTS}
    yield made
    for one in made.values():
        one.close()


def connect(source: str, port: int) -> socket.socket | None:
    """Connect to the node; None where nothing answers."""
    with namespace.inside(THERE):
        one = socket.socket()
    one.settimeout(1)
    one.bind((source, 0))
    try:
        one.connect((NODE, port))
    except TimeoutError:
        one.close()
        return None
    return one


def accepted(listener: socket.socket, peer: tuple[str, int]) -> socket.socket:
    """Return a connection from the other side, behind those that have come and gone."""
    listener.settimeout(5)
    while True:
        one, address = listener.accept()
        if address == peer:
            return one
        one.close()


def open_to(source: str) -> set[int]:
    def is_open(port: int) -> bool:
        one = connect(source, port)
        if one:
            one.close()
        return one is not None

    with ThreadPoolExecutor(len(PORTS)) as pool:
        return {port for port, found in zip(PORTS, pool.map(is_open, PORTS), strict=True) if found}


def nft(guest: Image, folder: Path, *words: str) -> None:
    command = fabric.run_inside(HERE, guest.inside(["nft", *words], folder))
    run = subprocess.run(command, input=rules(), capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("system", trial.guests())
def test_who_comes_in(system: str, listeners: dict[int, socket.socket], tmp_path: Path) -> None:
    """Exactly those of the table in docs/security.md; loaded twice; and who is connected stays so."""
    guest = image.ensure(system)
    assert open_to(STRANGERS[0]) == {*PORTS}
    early = connect(STRANGERS[1], 3306)
    assert early
    served = accepted(listeners[3306], early.getsockname())
    try:
        nft(guest, tmp_path, "--check", "--file", "-")
        for _ in range(2):
            nft(guest, tmp_path, "--file", "-")
        assert {source: open_to(source) for source in (PEER, CLIENT, WAY_OUT, AZURE, *STRANGERS)} == {
            PEER: {22, 3306, 7789},
            CLIENT: {22, 3306, 9100, 9104, 9664},
            WAY_OUT: {22, 3306},
            AZURE: {*PORTS},
            **{stranger: {22} for stranger in STRANGERS},
        }
        early.sendall(b"question")
        assert served.recv(8) == b"question"
        served.sendall(b"answer")
        assert early.recv(8) == b"answer"
        ping = guest.inside(["ping", "-c", "1", "-W", "2", "-I", STRANGERS[0], NODE], tmp_path)
        assert subprocess.run(fabric.run_inside(THERE, ping), capture_output=True).returncode == 0
        assert reaches(STRANGERS[0], 5405) is False and reaches(PEER, 5405) is True
        # What answers a question of the node's own.
        assert reaches(STRANGERS[0], 40000) is True and reaches(STRANGERS[0], 1234, from_port=53) is True
        assert reaches(STRANGERS[0], 1234) is False
    finally:
        nft(guest, tmp_path, "delete", "table", "inet", "azure_mysql_ha")
        early.close()
        served.close()


@pytest.mark.parametrize(
    ("nft", "line"),
    [
        (
            "echo 'Error: Could not process rule: Operation not supported'; exit 1",
            "not set up: this kernel lacks nf_tables for inet, or nft is missing (Error: Could not process"
            " rule: Operation not supported); only the security group filters",
        ),
        (
            '[ "$2" != --file ] || { echo "3:5: Error: conflicting"; exit 1; }',
            "mysql-lab-1: nft refuses the new rules (3:5: Error: conflicting); the old ones stay in force",
        ),
    ],
    ids=["no nf_tables", "refused"],
)
def test_what_it_says(nft: str, line: str, tmp_path: Path) -> None:
    """One line, and nothing is changed, as the tree cannot be; nor does the update fail."""
    program = tmp_path / "sbin/nft"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{nft}\n")
    program.chmod(0o755)
    run = subprocess.run(
        image.ensure(trial.SYSTEM.name).inside(["bash", "-c", "mount --bind /mnt /usr/local && bash -s"], tmp_path),
        input=script(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout + run.stderr) == (0, f"firewall: {line}\n")


# In place of systemd, as far as the script asks for it.
SYSTEMCTL = """#!/bin/bash
case $* in
  *is-enabled*) [[ -e /run/enabled ]] && echo enabled ;;
  *" enable "*) : >/run/enabled ;;
  restart*) grep '^ExecStart' /etc/systemd/system/azure-mysql-ha-firewall.service | cut -d= -f2- | bash -e ;;
esac || true
"""

# Each line of the answer is what a run has said; the tree's /etc is a copy.
AGAIN = """
mkdir /tmp/upper /tmp/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/tmp/upper,workdir=/tmp/work /etc
mount --bind /mnt /usr/local
export HA_WAYS_OUT=203.0.113.1/32
run() { bash -s <"/mnt/$1" | tail -n 1 | grep . || echo nothing; }
look() { unshare --mount bash -s </mnt/look | grep . || echo nothing; }
run on; run on; look
nft delete table inet azure_mysql_ha; look; run on; look
nft add rule inet azure_mysql_ha input tcp dport 99 accept; run on
sed -i s/3306/3307/ /etc/azure-mysql-ha/firewall.nft; run on; run on
systemd-analyze verify /etc/systemd/system/azure-mysql-ha-firewall.service 2>&1
run off; run off
nft list tables; find /etc/azure-mysql-ha /etc/systemd/system -name '*firewall*'
"""


@pytest.mark.parametrize("system", trial.guests())
def test_it_can_be_run_again(system: str, tmp_path: Path) -> None:
    """In whatever state, with `make drift` between; and nothing is left of it when it is switched off."""
    off = next(each.inputs["stdin"] for each in record("lab", {"hostFirewall": False}) if each.name == FIREWALL)
    for name, text in (
        ("on", script()),
        ("off", off),
        ("look", drift.looking(script())),
        ("sbin/systemctl", SYSTEMCTL),
    ):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    command = ["unshare", "--net", *image.ensure(system).inside(["bash", "-c", AGAIN], tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    loaded, missing = (
        "firewall: these rules are in force",
        "would run: systemctl restart azure-mysql-ha-firewall.service",
    )
    wanted = [loaded, "nothing", "nothing", missing, loaded, "nothing", loaded, loaded, "nothing"]
    assert run.stdout.splitlines() == [*wanted, "firewall: removed", "nothing"], run.stderr


def reaches(source: str, port: int, from_port: int = 0) -> bool:
    """Tell whether a datagram arrives."""
    with namespace.inside(HERE):
        receiver = socket.socket(type=socket.SOCK_DGRAM)
    with namespace.inside(THERE):
        sender = socket.socket(type=socket.SOCK_DGRAM)
    with closing(receiver), closing(sender):
        receiver.bind((NODE, port))
        receiver.settimeout(1)
        sender.bind((source, from_port))
        sender.sendto(b"hello", (NODE, port))
        try:
            return receiver.recv(8) == b"hello"
        except TimeoutError:
            return False
