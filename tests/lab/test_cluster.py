"""A whole cluster: made from nothing, used, disturbed, and taken away. One lab, the tests in the order of the file."""

import dataclasses
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.checkout import CHECKOUT
from drills import scenario
from drills.conductor import conduct
from drills.drill import Extent
from drills.target import LabTarget
from lab import application, fabric, leftovers, service
from lab.cloud import client as cloud
from lab.engine import Engine
from lab.events import EventReader
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from operations.ssh import Node, by_name
from pipeline import report
from pipeline.engine import CHANGES, PREVIEW
from tests.golden import cases
from tests.support import request, trial
from tests.support.bystander import MOVE_SECONDS, service_moves
from tests.support.configurations import Configuration, configurations
from tests.support.expected import EXPECTED, hold_against
from tests.support.process_lists import ProcessLists, secret_texts, watch_processes
from tests.support.scripts import scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


@dataclass
class Cluster:
    """The lab, and how it came up."""

    lab: Lab
    reader: EventReader
    seconds: float
    processes: ProcessLists

    def node(self, name: str) -> Node:
        return by_name(self.lab.nodes(), name)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    yield from trial.own_lab(Lab(LabPaths("test")))


@pytest.fixture(scope="module")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    lab.set_up()
    begin = time.monotonic()
    with watch_processes(lab, tmp_path_factory.mktemp("processes")) as processes:
        reader = lab.up()
    seconds = time.monotonic() - begin
    print(f"up: {seconds:.0f} s\n{reader.timings()}\n{lab.progress.summary()}")
    return Cluster(lab, reader, seconds, processes)


@pytest.fixture(scope="module")
def drills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the drills' records, of which pytest keeps those of the last runs."""
    return tmp_path_factory.mktemp("drills")


def test_up(cluster: Cluster) -> None:
    assert set(cluster.reader.changes) == {"create"}
    assert cluster.seconds < trial.bar(360)
    outputs = cluster.lab.outputs()
    endpoint = outputs["endpoint"]
    assert endpoint == {"host": endpoint["host"], "name": endpoint["name"], "port": 3306}
    assert re.fullmatch(r"mysql-lab-[0-9a-f]{8}\.westeurope\.cloudapp\.azure\.com", endpoint["name"])
    assert f" --host {endpoint['name']} --ssl-ca=ca.pem {trial.DATABASE.client_verifies} " in outputs["connect"]
    node = cluster.lab.nodes()[0]
    assert node.run(f"getent hosts {endpoint['name']}").split()[0] == endpoint["host"]
    assert list(outputs["ssh"]) == ["mysql-lab-1", "mysql-lab-2"]
    assert outputs["secrets"] and outputs["fencing"].startswith("on: fence_azure_arm")
    machines = [m for m in cloud.status(cluster.lab.paths)["machines"] if m["power"] == "running"]
    assert len(machines) == 2
    memory = sum(_memory(pid) for pid in fabric.processes(cluster.lab.paths.namespace))
    print(f"memory of the lab: {memory >> 20} MiB")
    assert memory < 4 << 30


def _memory(pid: int) -> int:
    """Return the memory in bytes that is a process's own share."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def test_no_secret_in_clear(cluster: Cluster) -> None:
    """Neither in outputs, state, logs, nor in any process list while it was made."""
    lab, secrets = cluster.lab, secret_texts(cluster.lab.engine())
    assert cluster.processes.find({"proof": "pulumi-language-python"}) == ["proof"]
    guests = list(cluster.processes.folder.glob("*.processes"))
    assert len(guests) == 2
    for file in guests:
        assert "/usr/sbin/corosync" in file.read_text(errors="replace")
    assert cluster.processes.find(secrets) == []

    lab.collect()
    backend = lab.paths.pulumi / "backend"
    files = [p for folder in (backend, lab.paths.logs) for p in folder.rglob("*") if p.is_file()]
    files += [lab.paths.pulumi / "outputs.json", lab.paths.pulumi / "Pulumi.lab.yaml", *lab.paths.cloud.glob("*.log")]
    assert any(p.name == "lab.json" for p in files) and any(p.name.endswith("-journal.log") for p in files)
    shown = {p: p.read_text(errors="replace") for p in files}
    assert [(str(p), name) for p, text in shown.items() for name, secret in secrets.items() if secret in text] == []


def test_a_row_is_written_and_read(cluster: Cluster) -> None:
    lab = cluster.lab
    rows = application.query(
        lab,
        "create table if not exists notes (id int primary key, text varchar(40))",
        "insert into notes values (1, 'written through the endpoint')",
        "select id, text from notes",
    )
    assert rows == [(1, "written through the endpoint")]

    serving = service.serving(lab)
    for node in lab.nodes():
        is_serving = node.name == serving.name
        assert bool(trial.server_pid(node)) == is_serving
        listening = node.run("ss --listening --no-header --numeric --tcp | awk '{print $4}'").split()
        assert any(address.endswith(":3306") for address in listening) == is_serving
        assert any(re.fullmatch(r".*:61500", address) for address in listening) == is_serving
        units = node.run(f"systemctl is-enabled {trial.DATABASE.service} drbd corosync pacemaker", check=False).split()
        assert units == ["masked", "disabled", "enabled", "enabled"]
    balancers = cloud.status(lab.paths)["balancers"]
    assert {b["vm"] for b in balancers[0]["backends"] if b["healthy"]} == {serving.name}


def test_status(cluster: Cluster) -> None:
    run = trial.command_line(cluster.lab, "status", "--json")
    assert run.returncode == 0, run.stderr
    status = json.loads(run.stdout)
    assert status["endpoint"] == cluster.lab.outputs()["endpoint"]
    for node in status["nodes"]:
        assert (node["online"], node["drbd_disk"]) == (True, "UpToDate")
    assert sorted(node["drbd_role"] for node in status["nodes"]) == ["Primary", "Secondary"]
    assert all(set(resource) == {"name", "node", "state"} for resource in status["resources"])
    serving = status["serving"]
    where = {resource["name"]: resource["node"] for resource in status["resources"]}
    assert set(where) == {"azure-events", "drbd-r0", "fence-device", "mysql-fs", "mysql-server", "mysql-probe"}
    assert {where[name] for name in ("mysql-fs", "mysql-server", "mysql-probe")} == {serving}
    assert status["fencing"].startswith("on, fence_azure_arm")
    assert status["alarms"] == []
    # Pacemaker 3.0.3 says it several times a second; the journal is spared it.
    for node in cluster.lab.nodes():
        assert not node.run("journalctl --quiet --unit=pacemaker --grep='failed to chown directory'", check=False)


def test_move(cluster: Cluster) -> None:
    """There and back: no row is lost, nothing is copied afterwards, no constraint is left."""
    lab = cluster.lab
    before = service.serving(lab)
    other = service.peer(lab, before)
    with service_moves(lab, 2, MOVE_SECONDS):
        run = trial.command_line(lab, "move")
        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith(f"{before.name} serves, {other.name} has all data and will take over")
        run = trial.command_line(lab, "move", "--json")
        assert run.returncode == 0, run.stderr
        moved = json.loads(run.stdout)
        assert (moved["before"], moved["after"]) == (other.name, before.name)
        assert 0 < moved["seconds"] < trial.bar(MOVE_SECONDS)
    assert service.serving(lab).name == before.name
    assert "cli-" not in before.run("cibadmin --query --scope constraints")
    assert lab.status().alarms == []
    assert application.query(lab, "select @@innodb_max_dirty_pages_pct > 0") == [(1,)]


def test_check(cluster: Cluster) -> None:
    """Asked of the lab's cloud by the real client: all is well, the machines' SSH answers, and all has a price."""
    run = trial.command_line(cluster.lab, "check", "--json")
    assert run.returncode == 0, run.stdout + run.stderr
    lines = [(line["question"], line["answer"]["verdict"], line["answer"]["text"]) for line in json.loads(run.stdout)]
    assert {verdict for _, verdict, _ in lines} == {"yes"}
    assert [text for question, _, text in lines if question == "ssh"] == ["answers"] * 2
    [price] = [text for question, _, text in lines if question == "price"]
    assert re.fullmatch(r"[1-9]\d+\.\d\d USD, \+0\.00 by this update", price)


def test_up_again_changes_nothing(cluster: Cluster) -> None:
    lab = cluster.lab
    pids = {node.name: trial.server_pid(node) for node in lab.nodes()}
    begin = time.monotonic()
    reader = lab.up()
    seconds = time.monotonic() - begin
    assert set(reader.changes) == {"same"}
    assert list(reader.steps) == [], "a script has run"
    assert seconds < trial.bar(30)
    assert {node.name: trial.server_pid(node) for node in lab.nodes()} == pids

    begin = time.monotonic()
    run = trial.command_line(lab, "preview", "--refresh", "--expect-no-changes")
    assert run.returncode == 0, run.stdout + run.stderr
    assert time.monotonic() - begin < trial.bar(20)


@pytest.mark.long
def test_preview_of_a_request(cluster: Cluster, tmp_path: Path) -> None:
    """A token, a disk's size, a setting of the server, a client's network, a line of a template: all are seen."""
    engine = dataclasses.replace(cluster.lab.engine(), checkout=request.checkout(tmp_path / "checkout"))
    code, text = _preview(engine, request.SETTINGS)
    assert code == 0, text[-3000:]
    secrets = secret_texts(engine)
    assert [name for name, secret in secrets.items() if secret in text] == []
    comment = report.comment("lab", text, succeeded=True, commit="abc", log="https://example.org/1")
    assert " to update, " in comment.splitlines()[1] and "Cut here" not in comment
    hold_against(EXPECTED / "previews/request.txt", request.lasting(text))


def test_the_policies_stop_a_preview(cluster: Cluster) -> None:
    code, text = _preview(cluster.lab.engine(), {"fencing": "off"})
    assert code not in (0, CHANGES), text[-3000:]
    assert "fencing-is-on" in report.reasons(text) and "fencing is not enabled" in report.reasons(text)


def _preview(engine: Engine, changes: Mapping[str, object]) -> tuple[int, str]:
    """Preview a stack with other settings, as a workflow does, and let it be as it was."""
    before = engine.settings_file.read_bytes()
    try:
        engine.prepare(changes)
        return engine.pass_on(*PREVIEW)
    finally:
        engine.settings_file.write_bytes(before)


def test_every_script_again(cluster: Cluster) -> None:
    """On a cluster that serves, each one ends well, writes nothing, restarts nothing."""
    lab = cluster.lab
    before = [_unchanging(node) for node in lab.nodes()]

    def run_all(node: Node) -> None:
        for script in scripts:
            if script.node == node.name:
                run = script.run(node)
                told = f"{script.name}: {run.stdout}{run.stderr}"
                assert run.returncode == 0, told
                assert not re.search(r"wrote|adjusted|applied|installed|moved|making|reloaded", run.stdout), told

    scripts = scripts_of(lab.engine())
    assert len(scripts) >= 19
    with ThreadPoolExecutor() as pool:
        list(pool.map(run_all, lab.nodes()))
    assert [_unchanging(node) for node in lab.nodes()] == before


def _unchanging(node: Node) -> str:
    """Return what no script may change on a node: processes, the configuration's version, DRBD's state."""
    return node.run(
        "pgrep --list-name --exact 'mariadbd|mysqld|corosync|pacemakerd|socat';"
        "cibadmin --query | head -n 1 | grep --only-matching --word-regexp 'epoch=\"[0-9]*\"';"
        "drbdadm role r0; drbdadm dstate r0;"
        "cd /etc && find corosync drbd.d azure-mysql-ha mysql systemd ssh hosts apt -type f -printf '%p %T@\\n' | sort"
    )


@pytest.fixture(scope="module")
def read(cluster: Cluster) -> Callable[[Configuration], str]:
    """What has a program of the first node read a file, and returns what it says; the same only once."""
    node = cluster.lab.nodes()[0]

    @functools.cache
    def once(file: Configuration) -> str:
        run = subprocess.run(
            node.command(f"umask 077; file=$(mktemp) && cat >$file && ({file.command}); code=$?; rm $file; exit $code"),
            input=file.text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, f"{file.what}: {run.stdout}{run.stderr}"
        return run.stdout + run.stderr

    return once


@pytest.mark.parametrize("case", cases.CASES)
def test_rendered_configuration_is_read_by_its_programs(
    cluster: Cluster, read: Callable[[Configuration], str], case: str
) -> None:
    """Every golden case, the first node's files by the first guest's own programs."""
    node = cluster.lab.nodes()[0]
    for file in configurations(cases.resources(case), trial.SYSTEM, host=node.name):
        said = read(file)
        assert file.is_fine(said), f"{file.what}: {said}"


def test_preview_of_dev_works_offline(lab: Lab) -> None:
    """With no network at all, it shows what the nodes would get, and no secret."""
    offline = Lab(LabPaths(f"{lab.paths.name}off"))
    offline.engine("dev").prepare()  # makes secrets, which needs no network either
    try:
        begin = time.monotonic()
        run = subprocess.run(
            ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh",
             sys.executable, "-m", "lab", "--lab", offline.paths.name, "preview", "--stack", "dev"],
            cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - begin
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr
        for shown in (
            "cluster_name: mysql-dev",
            "address ipv4 10.32.0.4:7789",
            "ring0_addr: 10.32.0.4",
            "mysql-server",
            "Price per month: unknown, since the price list cannot be reached",
            "make check STACK=dev",
        ):
            assert shown in run.stdout, shown
        secrets = secret_texts(offline.engine("dev"))
        assert [name for name, secret in secrets.items() if secret in run.stdout + run.stderr] == []
        print(f"preview of dev, offline: {seconds:.1f} s")
        assert seconds < trial.bar(20)
    finally:
        offline.down()
    assert leftovers.find(offline) == []


def test_the_clouds_process_is_killed(cluster: Cluster) -> None:
    """The machines run on; `up` finds everything as it was."""
    lab = cluster.lab
    pids = {node.name: trial.server_pid(node) for node in lab.nodes()}
    before = cloud.status(lab.paths)["pid"]
    os.kill(before, signal.SIGKILL)
    wait_until("the end of the cloud's process", lambda: not cloud.is_running(lab.paths), 10)
    reader = lab.up()
    assert set(reader.changes) == {"same"}
    assert cloud.status(lab.paths)["pid"] != before
    service.wait_until_well(lab, 60)
    assert {node.name: trial.server_pid(node) for node in lab.nodes()} == pids


def _call_agent(node: Node, *parameters: str) -> subprocess.CompletedProcess[str]:
    """Call the fence agent on a node, as Pacemaker does."""
    command = node.command("exec fence_azure_arm")
    text = "\n".join(["msi=true", *parameters])
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)


def test_a_node_may_fence_its_peer_and_do_nothing_else(cluster: Cluster) -> None:
    """Azure enforces the role: the peer may be read, itself not; no other operation is allowed on either."""
    node, peer = cluster.lab.nodes()
    assert _call_agent(node, "action=list").stdout.split(",")[0] == peer.name
    seen = _call_agent(node, "action=status", f"plug={peer.name}")
    assert (seen.returncode, seen.stdout.strip()) == (0, "Status: ON")
    assert _call_agent(node, "action=status", f"plug={node.name}").returncode == 1

    token = (
        "$(curl --silent --fail --header 'Metadata: true' 'http://169.254.169.254/metadata/identity/oauth2/token"
        "?api-version=2018-02-01&resource=https://management.azure.com/' | python3 -c 'import json, sys;"
        ' print(json.load(sys.stdin)["access_token"])\')'
    )
    group = next(machine["group"] for machine in cloud.status(cluster.lab.paths)["machines"])
    subscription = cloud.environment(cluster.lab.paths)["ARM_SUBSCRIPTION_ID"]
    machines = (
        f"https://management.azure.com/subscriptions/{subscription}/resourceGroups/{group}"
        "/providers/Microsoft.Compute/virtualMachines"
    )
    for method, path in (("POST", f"{peer.name}/deallocate"), ("DELETE", peer.name), ("POST", f"{node.name}/powerOff")):
        answer = node.run(
            f"curl --silent --request {method} --data '' --header \"Authorization: Bearer {token}\""
            f" '{machines}/{path}?api-version=2024-07-01'"
        )
        assert json.loads(answer)["error"]["code"] == "AuthorizationFailed", (method, path, answer)
    assert {m["power"] for m in cloud.status(cluster.lab.paths)["machines"]} == {"running"}


def test_fencing_that_cannot_be_proved_stops_the_update(cluster: Cluster) -> None:
    lab = cluster.lab
    node = lab.nodes()[0]
    proof = next(script for script in scripts_of(lab.engine()) if script.name == f"{node.name}-fencing")
    hasty = dataclasses.replace(
        proof, text=proof.text.replace("wait_for 900", "wait_for 3").replace("timeout 60", "timeout 5")
    )
    cloud.set_faults(lab.paths, arm="unreachable")
    try:
        run = hasty.run(node)
    finally:
        cloud.set_faults(lab.paths, arm="ok")
    assert run.returncode != 0
    assert f"STOPPED on {node.name}: found no right to fence" in run.stderr
    assert hasty.run(node).returncode == 0


@pytest.mark.parametrize(
    "name", [pytest.param("standby", marks=pytest.mark.long), "mysqld-kill", "power-kill", "network-cut"]
)
def test_drill(cluster: Cluster, drills: Path, name: str) -> None:
    """No acknowledged write is lost, and nothing is served twice."""
    target = LabTarget(cluster.lab)
    [chosen], folder = scenario.choose([name]), drills / f"{name}-1"
    result = conduct(chosen, 1, target, folder, cluster.lab.progress, Extent(moves=2)).result
    print(result)
    assert result.verdict == "pass", f"see {folder}"
    assert (result.lost, result.promoted_max, result.servers_max) == (0, 1, 1)
    assert result.acknowledged > 100


def test_destroy(cluster: Cluster) -> None:
    """Nothing is left in the cloud, and then nothing of the lab on this machine."""
    lab = cluster.lab
    engine = lab.engine()
    engine.run(["destroy", "--yes", "--skip-preview"], lab.progress, lab.paths.logs / "engine-destroy.log")
    assert engine.export().get("resources", []) in ([], None)
    assert cloud.status(lab.paths)["machines"] == []
    assert list((lab.paths.state / "disks").glob("*")) == []
    for _ in range(2):
        lab.down()
        assert leftovers.find(lab) == []
