"""A cluster's witness: lost, made anew, switched off and on, while a client writes. Tests in the order of the file."""

import json
import re
import time

import pytest

from components.places import WATCHDOG_SECONDS
from components.settings import operating_system
from lab import application, power, service
from lab.cloud import client as cloud
from lab.lab import Lab, wait_until
from operations.power import JOIN, LEAVE
from operations.ssh import Node
from tests.support import trial
from tests.support.bystander import nobody_notices
from tests.support.scripts import scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def whole(cluster: Lab) -> None:
    wait_until_whole(cluster)


def witness_of(lab: Lab) -> Node:
    witness = lab.witness()
    assert witness
    return witness


def wait_until_whole(lab: Lab, seconds: float = 180) -> None:
    """Wait until both nodes are fine, one serves, and the witness votes."""

    def is_whole() -> bool:
        now = lab.status().witness
        return now is not None and (now.unreached_by, now.votes, now.expected_votes) == ([], 3, 3)

    wait_until("the witness's vote", is_whole, seconds, every=1)
    service.wait_until_well(lab, seconds)


def test_it_votes(cluster: Lab) -> None:
    run = trial.command_line(cluster, "status", "--json")
    assert run.returncode == 0, run.stderr
    status = json.loads(run.stdout)
    assert status["witness"] == {
        "name": "mysql-lab-witness",
        "unreached_by": [],
        "votes": 3,
        "expected_votes": 3,
    }
    assert status["alarms"] == []
    assert "witness   mysql-lab-witness, connected, votes 3 of 3" in trial.command_line(cluster, "status").stdout
    assert [node["name"] for node in status["nodes"]] == ["mysql-lab-1", "mysql-lab-2"]

    # It serves nothing, and can do nothing in Azure.
    (balancer,) = cloud.status(cluster.paths)["balancers"]
    assert {backend["vm"] for backend in balancer["backends"]} == {"mysql-lab-1", "mysql-lab-2"}
    assert "priority-fencing-delay" not in cluster.nodes()[0].run("cibadmin --query --scope crm_config")


def test_it_hears_nobody_but_the_nodes(cluster: Lab) -> None:
    """Only by TLS with a certificate, and only for a signature by SSH."""
    witness = witness_of(cluster)
    listed = witness.run("corosync-qnetd-tool -lv")
    assert listed.count("TLS active:") == listed.count("client certificate verified") == 2, listed

    def tool(node: Node, line: str) -> str:
        return node.run(f"{line} 2>&1", check=False)

    node = cluster.nodes()[0]
    # The nodes' key is good for a signature there, and for no other command.
    login = f"ssh -i ~azureuser/.ssh/id_ed25519 -o BatchMode=yes azureuser@{witness.name}"
    assert "uid=" not in tool(node, f"{login} id </dev/null")
    assert "uid=" in tool(
        node, f"ssh -i ~azureuser/.ssh/id_ed25519 -o BatchMode=yes azureuser@{cluster.nodes()[1].name} id"
    )
    keys = {
        each.run("certutil -K -d sql:/etc/corosync/qdevice/net/nssdb -f /etc/corosync/qdevice/net/nssdb/pwdfile.txt")
        for each in cluster.nodes()
    }
    assert len(keys) == 2, "the nodes share a private key"


@pytest.mark.long
def test_every_script_again(cluster: Lab) -> None:
    """Each one ends well and changes nothing."""
    machines = {machine.name: machine for machine in (*cluster.nodes(), witness_of(cluster))}
    scripts = [
        script
        for script in scripts_of(cluster.engine())
        if script.name.endswith(("-host", "-packages", "-qnetd", "-certificate", "-corosync", "-reload", "-watchdog"))
    ]
    assert len(scripts) == 3 * 2 + 1 + 2 + 2 + 2 + 2 * has_watchdogs(cluster)
    with nobody_notices(cluster):
        for script in scripts:
            run = script.run(machines[script.node])
            told = f"{script.name}: {run.stdout}{run.stderr}"
            assert run.returncode == 0, told
            assert not re.search(r"wrote|installed|made|making|reloaded|started", run.stdout), told
    wait_until_whole(cluster, 30)


def test_a_node_that_leaves_and_comes_back_has_its_third_vote(cluster: Lab) -> None:
    """Corosync's end is that of what asks the witness, its start is not."""
    idle = service.peer(cluster, service.serving(cluster))
    with nobody_notices(cluster):
        idle.run(LEAVE)
        assert idle.run("systemctl is-active corosync-qdevice", check=False).strip() != "active"
        idle.run(JOIN)
        wait_until_whole(cluster)
    assert "Total votes:      3" in idle.run("corosync-quorumtool -s")


def test_its_power_fails(cluster: Lab) -> None:
    """The service goes on; status tells; started again, it votes again by itself."""
    witness = witness_of(cluster)
    with nobody_notices(cluster):
        power.kill(cluster, witness.name)

        def is_missed() -> bool:
            now = cluster.status().witness
            return now is not None and len(now.unreached_by) == 2

        wait_until("the loss of the witness", is_missed, 60, every=1)
        status = cluster.status()
        assert status.witness
        assert (status.witness.votes, status.witness.expected_votes) == (2, 3)
        (alarm,) = status.alarms
        assert "witness mysql-lab-witness cannot be reached from mysql-lab-1 and mysql-lab-2" in alarm
        power.start(cluster, witness.name)
        wait_until_whole(cluster)
    assert cluster.status().alarms == []


@pytest.mark.long
def test_it_is_made_anew(cluster: Lab) -> None:
    """A new machine has another certificate authority; both nodes turn to it."""
    before = witness_of(cluster).run("certutil -L -d sql:/etc/corosync/qnetd/nssdb -n 'QNet CA' -r | sha256sum")
    machine = next(
        resource["urn"]
        for resource in cluster.engine().export()["resources"]
        if resource["urn"].endswith("VirtualMachine::mysql-lab-witness")
    )
    with nobody_notices(cluster):
        cluster.up(options=["--replace", machine])
        wait_until_whole(cluster)
    after = witness_of(cluster).run("certutil -L -d sql:/etc/corosync/qnetd/nssdb -n 'QNet CA' -r | sha256sum")
    assert before != after


@pytest.mark.long
def test_it_is_switched_off_and_on(cluster: Lab) -> None:
    """On the running cluster, while a client writes."""
    with nobody_notices(cluster):
        cluster.up({"witness": False})
        assert cluster.status().witness is None
        flags = [node.run("corosync-quorumtool -s", check=False) for node in cluster.nodes()]
        assert all(re.search(r"Expected votes: +2\b.*2Node Quorate", each, re.DOTALL) for each in flags), flags
        assert {machine["name"] for machine in cloud.status(cluster.paths)["machines"]} == {
            "mysql-lab-1",
            "mysql-lab-2",
        }
        assert "priority-fencing-delay" in cluster.nodes()[0].run("cibadmin --query --scope crm_config")
        cluster.up({"witness": True})
        wait_until_whole(cluster)
    assert set(cluster.up().changes) == {"same"}


def test_a_node_is_lost(cluster: Lab) -> None:
    """The witness's vote lets the other one go on."""
    killed = service.serving(cluster)
    begin = time.monotonic()
    power.kill(cluster, killed.name)
    wait_until("an answer from the other node", lambda: application.answers(cluster), 120, every=0.2)
    print(f"power failure: served again after {time.monotonic() - begin:.1f} s")
    # The server answers before Pacemaker calls it started.
    wait_until("the other node to serve", lambda: cluster.status().serving not in (None, killed.name), 60)
    status = cluster.status()
    assert status.witness
    assert status.witness.unreached_by == [], "it is a node that is away"
    wait_until_whole(cluster)


@pytest.mark.long
def test_a_node_and_the_witness_are_lost(cluster: Lab) -> None:
    """The one left stops all. When the witness is back, it has the lost node started, and they serve again."""
    witness = witness_of(cluster)
    killed = service.serving(cluster)
    (left,) = [node for node in cluster.nodes() if node.name != killed.name]
    before = boots(left)
    power.kill(cluster, witness.name)
    power.kill(cluster, killed.name)
    wait_until("the loss of quorum", lambda: "Activity blocked" in quorum(left), 60, every=1)
    wait_until("the end of service", lambda: cluster.status().serving is None, 60, every=1)
    if has_watchdogs(cluster):
        wait_until("its end by the watchdog", lambda: boots(left) > before, 60, every=1)
    power.start(cluster, witness.name)
    wait_until_whole(cluster)


def test_the_watchdogs_are_armed(cluster: Lab) -> None:
    """Of the times that belong to the token; no status of one that runs has an alarm."""
    if not has_watchdogs(cluster):
        pytest.skip("its Pacemaker cannot have it")
    for node in cluster.nodes():
        assert watchdog_seconds(node) == 11
        assert is_armed(node)
    assert counted_seconds(cluster) == "22"
    assert "the nodes' watchdogs" in cluster.status().fencing


@pytest.mark.long
def test_a_watchdog_that_is_stopped(cluster: Lab) -> None:
    """By a person: nothing happens but an alarm, and the script starts it again."""
    if not has_watchdogs(cluster):
        pytest.skip("its Pacemaker cannot have it")
    first, _ = cluster.nodes()
    with nobody_notices(cluster):
        first.run("systemctl stop sbd")
        (alarm,) = cluster.status().alarms
        assert alarm.startswith(f"the watchdog of {first.name} is not armed")
        time.sleep(30)  # longer than it would have had to run out
        script = next(one for one in scripts_of(cluster.engine()) if one.name == f"{first.name}-watchdog")
        run = script.run(first)
        assert run.returncode == 0 and "watchdog: sbd started" in run.stdout, run.stdout + run.stderr
    assert cluster.status().alarms == []


@pytest.mark.long
def test_the_watchdogs_are_changed_and_switched_off_and_on(cluster: Lab) -> None:
    """On the running cluster, while a client writes: other times, longer and shorter; then off; then on."""
    if not has_watchdogs(cluster):
        pytest.skip("its Pacemaker cannot have it")
    before = [boots(node) for node in cluster.nodes()]
    with nobody_notices(cluster):
        for token, seconds in ((4000, 17), (2000, 11)):
            cluster.up({"corosyncTokenMs": token})
            assert [watchdog_seconds(node) for node in cluster.nodes()] == [seconds, seconds]
            assert counted_seconds(cluster) == str(2 * seconds)
        cluster.up({"watchdog": "off"})
        configuration = cluster.nodes()[0].run("cibadmin --query --scope configuration")
        assert "watchdog-timeout" not in configuration and "fence_watchdog" not in configuration
        for node in cluster.nodes():
            assert node.run("systemctl is-active sbd", check=False).strip() == "inactive"
            assert not is_armed(node)
        wait_until_whole(cluster, 60)
        cluster.up({"watchdog": "on"})
        assert [watchdog_seconds(node) for node in cluster.nodes()] == [11, 11]
        wait_until_whole(cluster, 60)
    assert [boots(node) for node in cluster.nodes()] == before
    assert set(cluster.up().changes) == {"same"}


@pytest.mark.long
def test_a_node_that_starts_alone_does_not_serve(cluster: Lab) -> None:
    """Both were off. With the witness's vote the first has the other started, and serves nothing before they meet."""
    first, second = cluster.nodes()
    for node in (first, second):
        power.kill(cluster, node.name)
    power.start(cluster, first.name)
    wait_until("the other to be started", lambda: power.is_on(cluster, second.name), 180)
    assert cluster.status().serving is None
    wait_until_whole(cluster)
    told = first.run("journalctl --boot --dmesg --grep 'drbd r0/0 .*(conn|role)\\('").splitlines()
    met = next(number for number, line in enumerate(told) if "conn( WFReportParams -> " in line)
    promoted = [number for number, line in enumerate(told) if "-> Primary" in line]
    assert all(number > met for number in promoted), told


def has_watchdogs(lab: Lab) -> bool:
    return not operating_system.load(lab.stack().settings["operatingSystem"]).no_watchdog


def watchdog_seconds(node: Node) -> int:
    """Return what the watchdog of the sbd that runs on a node is set to."""
    return int(node.run(f"systemctl is-active --quiet sbd && cat {WATCHDOG_SECONDS}"))


def is_armed(node: Node) -> bool:
    """Tell whether something has a watchdog open."""
    return "/dev/watchdog" in node.run("find /proc/[0-9]*/fd -lname '/dev/watchdog*' -printf '%l\\n' 2>&1", check=False)


def counted_seconds(lab: Lab) -> str:
    """Return how long the cluster waits for a watchdog."""
    seen = lab.nodes()[0].run("cibadmin --query --scope crm_config")
    return next(iter(re.findall(r'-watchdog-timeout" value="(\d+)"', seen)), "")


def boots(node: Node) -> int:
    """Return how often a node's kernel has started; 0 while it does not say."""
    listed = node.run("journalctl --list-boots --quiet", check=False)
    return len(listed.splitlines())


def quorum(node: Node) -> str:
    return node.run("corosync-quorumtool -s", check=False)
