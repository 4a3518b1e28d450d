"""Each guest's own fence agent and fence-peer handler, as shipped or repaired, in its tree: no machine is booted.

The agent runs against the lab cloud, whose machines here only remember; the handler is told by stand-ins what Pacemaker
and DRBD would say.
"""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web

from components import templates
from components.settings import operating_system
from components.settings.operating_system import OperatingSystem
from lab import fabric, image
from lab.cloud import certificates, namespace
from lab.cloud.addresses import ARM, IMDS
from lab.cloud.arm import ResourceManager
from lab.cloud.imds import MetadataService
from lab.image import Image
from lab.paths import LabPaths
from tests.support import trial
from tests.support.cloud_bench import Bench
from tests.unit.test_cloud_fencing import VM2, equip

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # an image may have to be made first

PATHS = LabPaths("trepair")
NODE_1 = IPv4Address("10.0.1.11")  # cloud_bench's first machine

AGENT = "/usr/share/fence/azure_fence.py"
HANDLER = "/usr/lib/drbd/crm-fence-peer.sh"


@dataclass(frozen=True)
class Guest:
    """A guest's tree, with a /usr/local that can be written, and is empty at first.

    Args:
        system: what the program knows of it.
        image: of the guest.
        work: a folder; the guest sees it as /mnt.
    """

    system: OperatingSystem
    image: Image
    work: Path

    def run(self, command: str, given: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command of Bash as root; `given` is its standard input."""
        (self.work / "local").mkdir(exist_ok=True)
        return subprocess.run(
            self.image.inside(
                ["bash", "-c", f"mount --bind /mnt/local /usr/local && mkdir -p /run/lock && {command}"], self.work
            ),
            input=given, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def has_at_least(self, package: str, version: str) -> bool:
        """Tell whether the guest has a version of a package, or a newer one."""
        installed = f"$(dpkg-query --show --showformat '${{Version}}' {package})"
        return self.run(f'dpkg --compare-versions "{installed}" ge {version}').returncode == 0

    def repair(self, before: str = "true") -> str:
        """Run the repairs of the packages script, and return what it says.

        Args:
            before: a command that changes what the script finds.
        """
        script = templates.render(
            "host/packages.sh.j2",
            {
                "purpose": "Repairs",
                "cluster_name": "test",
                "node": SimpleNamespace(name="node1"),
                "not_monitoring": (),
                "watchdog": None,
                **{name: getattr(self.system, name) for name in ("packages", "left_to_pacemaker", "never_restart")},
                **{name: getattr(self.system, name) for name in ("kernel_modules_package", "repairs", "drbd_handlers")},
            },
        )
        functions = script.partition("\nmain() {")[0]
        (self.work / "repair.sh").write_text(
            "\n".join([functions, *(f"repair_{name}" for name in self.system.repairs)])
        )
        done = self.run(f"{before} && bash /mnt/repair.sh")
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(params=trial.guests())
def guest(request: pytest.FixtureRequest, tmp_path: Path) -> Guest:
    """Each guest."""
    work = tmp_path / "work"
    work.mkdir()
    return Guest(operating_system.load(request.param), image.ensure(request.param), work)


def broken(guest: Guest) -> Guest:
    """Return the guest if it has something to repair."""
    if not guest.system.repairs:
        pytest.skip("works as shipped")
    return guest


def test_repaired_once(guest: Guest) -> None:
    """A repair adds files of ours, none of a package is touched, and the second run finds all done."""
    broken(guest)
    said = guest.repair()
    assert said.count("wrote /usr/local/") == len(guest.system.repairs), said
    assert "wrote" not in guest.repair()
    changed = guest.run("dpkg --verify fence-agents-azure-arm fence-agents-common drbd-utils").stdout
    assert not [line for line in changed.splitlines() if "/usr/share/doc/" not in line and "/man/" not in line], changed


def test_taken_back_once_it_is_mended(guest: Guest) -> None:
    """With an agent that works and another handler in their packages, nothing of ours is in use any more."""
    broken(guest)
    guest.repair()
    (guest.work / "agent.py").write_text(
        "class AzureConfiguration: pass\ndef get_azure_compute_client(config): return AzureConfiguration\n"
        "AzureConfiguration.virtual_machines = None\n"
    )
    (guest.work / "handler.sh").write_text("#!/bin/bash\nexit 4\n")
    repaired = (
        f"mount --bind /mnt/agent.py {AGENT} && chmod +x /mnt/handler.sh && mount --bind /mnt/handler.sh {HANDLER}"
    )
    said = guest.repair(repaired)
    assert "fence_azure_arm: works as the distribution ships it" in said, said
    assert not list(guest.work.glob("local/lib/python3*/dist-packages/*.py"))
    handlers = guest.work / "local/lib/drbd"
    assert [str((handlers / name).readlink()) for name in ("crm-fence-peer.sh", "crm-unfence-peer.sh")] == [
        HANDLER,
        "crm-fence-peer.sh",
    ]
    # And back again, should the packages be.
    assert guest.repair().count("wrote /usr/local/") == 2
    assert not (handlers / "crm-fence-peer.sh").is_symlink()


def test_a_repair_that_does_not_help_is_an_error(guest: Guest) -> None:
    """An agent that is broken in another way stops the script with one line."""
    broken(guest)
    (guest.work / "agent.py").write_text("raise RuntimeError('quite another fault')\n")
    with pytest.raises(AssertionError, match=r"STOPPED on node1: found a fence_azure_arm .*quite another fault"):
        guest.repair(f"mount --bind /mnt/agent.py {AGENT}")


# --- the agent


@pytest.fixture
def addresses() -> Generator[None]:
    """Addresses of the lab cloud and of node 1; who asks for metadata there, asks as node 1."""
    fabric.remove(PATHS.namespace)
    fabric.create(PATHS.namespace)
    try:
        for arguments in (
            ["address", "add", f"{NODE_1}/32", "dev", "lo"],
            ["route", "replace", "local", f"{IMDS}/32", "dev", "lo", "table", "local", "src", str(NODE_1)],
        ):
            subprocess.run(["ip", "-n", PATHS.namespace, *arguments], check=True)
        with namespace.inside(PATHS.namespace):
            yield
    finally:
        fabric.remove(PATHS.namespace)


@contextlib.asynccontextmanager
async def served(bench: Bench, folder: Path) -> AsyncGenerator[None]:
    """Let the bench's cloud answer where guests look for it."""
    certificates.ensure(folder)
    arm = web.AppRunner(ResourceManager(bench.site, bench.tokens, bench.operations, bench.faults).application())
    metadata = web.AppRunner(MetadataService(bench.site, bench.tokens, bench.events, bench.faults).application())
    for runner in (arm, metadata):
        await runner.setup()
    try:
        await web.TCPSite(arm, ARM, 443, ssl_context=certificates.context(folder)).start()
        await web.TCPSite(metadata, IMDS, 80).start()
        yield
    finally:
        for runner in (arm, metadata):
            await runner.cleanup()


@pytest.mark.usefixtures("addresses")
async def test_agent_against_the_lab_cloud(bench: Bench, guest: Guest, tmp_path: Path) -> None:
    """The real agent lists, tells the state of, stops, starts and reboots a machine, as node 1."""
    guest.repair()
    cloud = tmp_path / "cloud"
    cloud.mkdir()
    times: list[str] = []

    async def ask(action: str) -> tuple[int, str]:
        given = f"action={action}\nmsi=true\n" + ("" if action == "list" else "plug=vm2\n")
        begin = time.monotonic()
        done = await asyncio.to_thread(
            guest.run,
            "mount --bind /mnt/hosts /etc/hosts && mount --bind /mnt/ca.pem /etc/ssl/certs/ca-certificates.crt"
            " && fence_azure_arm",
            given,
        )
        times.append(f"{action} {time.monotonic() - begin:.1f} s")
        return done.returncode, done.stdout + done.stderr

    await equip(bench)
    async with served(bench, cloud):
        (guest.work / "ca.pem").write_text((cloud / "ca.pem").read_text())
        (guest.work / "hosts").write_text(f"127.0.0.1 localhost\n{ARM} management.azure.com\n")
        code, told = await ask("list")
        assert (code, "vm2" in told) == (0, True), told
        assert (await ask("status"))[0] == 0
        assert "vm2" in bench.machines.running
        bench.machines.calls.clear()
        code, told = await ask("off")
        assert code == 0, told
        assert bench.machines.calls == [("power_off", "vm2")], told
        assert (await ask("status"))[0] == 2
        code, told = await ask("on")
        assert code == 0, told
        code, told = await ask("reboot")
        assert code == 0, told
        assert bench.machines.calls == [("power_off", "vm2"), ("start", "vm2")] * 2
        state = await bench.get(VM2, "&$expand=instanceView")
        codes = [status["code"] for status in state["properties"]["instanceView"]["statuses"]]
        assert "PowerState/running" in codes
    print(f"{guest.system.name}: {', '.join(times)}")


# --- the handler

STAND_INS = {
    # The CIB of the file cib, and from the fourth question on of cib.later, where there is one.
    "cibadmin": """
        case $1 in
          -Q*)
            echo >>/mnt/asked
            file=/mnt/cib
            if [[ -e /mnt/cib.later && $(wc -l </mnt/asked) -gt 3 ]]; then file=/mnt/cib.later; fi
            cat $file ;;
          -C) printf '%s\\n' "${@: -1}" >/mnt/placed ;;
          *) exit 1 ;;
        esac
    """,
    "crmadmin": "[[ $* == *--version ]] || echo 'Controller on node2 in state S_NOT_DC: ok'",
    "logger": "cat >>/mnt/log",
    "uname": "echo node1",
}
CIB = """<cib crm_feature_set="3.16.2" have-quorum="1">
  <configuration>
    <crm_config/>
    <nodes>
      <node id="1" uname="node1"/>
      <node id="2" uname="node2"/>
    </nodes>
    <resources>
      <clone id="drbd-clone">
        <primitive id="drbd" class="ocf" provider="linbit" type="drbd">
          <instance_attributes id="drbd-instance_attributes">
            <nvpair name="drbd_resource" value="r0" id="drbd-instance_attributes-drbd_resource"/>
          </instance_attributes>
        </primitive>
      </clone>
    </resources>
    <constraints/>
  </configuration>
  <status>
    <node_state id="2" uname="node2" {state}/>
  </status>
</cib>
"""
# How Pacemaker tells what has become of node 2. Since 2.1.7 it gives times, and 0 for what is not.
ALIVE, LOST, FENCED = (
    'in_ccm="{there}" crmd="{online}" join="member" expected="member"',
    'in_ccm="{gone}" crmd="{offline}" join="member" expected="member"',
    'in_ccm="{gone}" crmd="{offline}" join="down" expected="down"',
)
TIMES = {"there": "1795478400", "online": "1795478401", "gone": "0", "offline": "0"}
WORDS = {"there": "true", "online": "online", "gone": "false", "offline": "offline"}


def handle(guest: Guest, now: str, later: str = "", timeout: int = 30) -> tuple[int, bool, str]:
    """Let node 1, which is UpToDate and has lost node 2, call its handler.

    Args:
        guest: the guest.
        now: what Pacemaker says of node 2.
        later: what it says a few questions later.
        timeout: seconds after which the handler may give up.

    Returns:
        Its exit code, whether it has barred node 2 from promotion, and what it logged.
    """
    says = TIMES if guest.has_at_least("pacemaker", "2.1.7") else WORDS
    (guest.work / "cib").write_text(CIB.format(state=now.format(**says)))
    if later:
        (guest.work / "cib.later").write_text(CIB.format(state=later.format(**says)))
    (guest.work / "proc-drbd").write_text(" 1: cs:WFConnection ro:Secondary/Unknown ds:UpToDate/DUnknown C r-----\n")
    stand_ins = guest.work / "stand-ins"
    stand_ins.mkdir(exist_ok=True)
    for name, body in STAND_INS.items():
        (stand_ins / name).write_text(f"#!/bin/bash\n{body}\n")
        (stand_ins / name).chmod(0o755)
    guest.repair()
    done = guest.run(
        # Under its own name, which tells it what to do; /proc/drbd cannot be there.
        f"sed s,/proc/drbd,/mnt/proc-drbd, {guest.system.drbd_handlers}/crm-fence-peer.sh >/mnt/crm-fence-peer.sh"
        " && PATH=/mnt/stand-ins:$PATH DRBD_RESOURCE=r0 DRBD_MINOR=1 DRBD_PEER=node2"
        f" bash /mnt/crm-fence-peer.sh --timeout {timeout} --dc-timeout {timeout}"
    )
    log = (guest.work / "log").read_text()
    placed = guest.work / "placed"
    barred = placed.exists() and 'operation="ne" value="node1"' in placed.read_text()
    return done.returncode, barred, log


def test_handler_sees_that_the_peer_is_fenced(guest: Guest) -> None:
    """Asked after the fencing, as at a promotion: 7, the peer was fenced, and at once."""
    begin = time.monotonic()
    assert handle(guest, FENCED)[:2] == (7, True)
    assert time.monotonic() - begin < trial.bar(10)


def test_handler_waits_for_the_fencing(guest: Guest) -> None:
    """Asked before the fencing, as by a node that serves: it waits for it."""
    code, barred, log = handle(guest, LOST, FENCED)
    assert (code, barred) == (7, True), log
    assert len((guest.work / "asked").read_text().splitlines()) > 3


def test_handler_does_not_take_a_lost_peer_for_fenced(guest: Guest) -> None:
    """Out of sight and not fenced is not fenced: the handler waits as long as it may, and says 5, unreachable."""
    assert handle(guest, LOST, timeout=4)[0] == 5


def test_handler_sees_that_the_peer_is_alive(guest: Guest) -> None:
    """Only the replication link is down: 4, the peer is barred from promotion."""
    assert handle(guest, ALIVE)[:2] == (4, True)
