"""What a machine is called, and whose sessions are open on it, is nothing that the cluster hangs on.

Tests in the order of the file: from the second on, both machines have the names that a domain would give them.
"""

import re
from collections.abc import Iterator

import pytest

from drills import network
from lab import power, service
from lab.lab import Lab, wait_until
from operations import drift
from operations.ssh import Node
from tests.lab.field import OPTIONS
from tests.support import trial
from tests.support.bystander import MOVE_SECONDS, nobody_notices, nothing_is_lost, server_restarts, service_moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_DOMAIN = "example.com"

_DAEMONS = {"pacemakerd", "pacemaker-based", "pacemaker-execd", "pacemaker-fence", "pacemaker-contr"}
"""Of each node, as the kernel names them: by 15 letters."""

_OURS = {trial.SERVER, "socat"}
"""Of the node that serves: the server, and what answers the balancer's probe."""


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Iterator[Lab]:
    yield lab
    for node in lab.nodes():
        node.run(f"hostnamectl set-hostname {node.name}")


def slices(node: Node) -> dict[str, set[str]]:
    """Return the slices in which programs run, by the program's name; without the session that asks.

    Where slices share out the processor, Corosync puts itself in none, for real time; the kernel's threads are in none.
    """
    found: dict[str, set[str]] = {}
    told = node.run("cut --delimiter=: --fields=3 /proc/self/cgroup; ps -eo cgroup:200=,comm=")
    mine, *processes = told.splitlines()
    for process in processes:
        cgroup, name = process.split(maxsplit=1)
        if not cgroup.endswith(mine):
            found.setdefault(name, set()).add("none" if cgroup == "-" else cgroup.split("/")[1])
    return found


def assert_nothing_in_sessions(lab: Lab) -> None:
    """Assert that what the cluster runs is in units of its own: systemd ends sessions first, and at once."""
    serving = service.serving(lab)
    for node in lab.nodes():

        def in_sessions(node: Node = node) -> set[str]:
            # A session that has just been closed is on its way out; its user's own systemd stays for a while.
            return {name for name, where in slices(node).items() if "user.slice" in where} - {"systemd", "(sd-pam)"}

        wait_until(f"the end of sessions on {node.name}", lambda look=in_sessions: not look() & {"sshd", "sudo"}, 20)
        assert in_sessions() == set(), node.name
        expected = {name: {"system.slice"} for name in _DAEMONS | (_OURS if node.name == serving.name else set[str]())}
        found = slices(node)
        assert found.pop("corosync") in ({"none"}, {"system.slice"})
        assert {name: found.get(name) for name in expected} == expected


def barred(node: Node) -> str:
    """Return the constraint by which DRBD's handler bars a node from promotion; empty if there is none."""
    document = node.run("cibadmin --query --scope constraints")
    return "".join(re.findall(r'<rsc_location [^>]*id="drbd-fence-by-handler-.*?</rsc_location>', document, re.DOTALL))


def host_name(node: Node) -> str:
    return node.run("uname --nodename").strip()


def test_sessions_are_scopes(cluster: Lab) -> None:
    """As on Azure's images; a session's processes outlive it."""
    for node in cluster.nodes():
        assert re.search(r"/user\.slice/user-\d+\.slice/session-\d+\.scope$", node.run("cat /proc/self/cgroup").strip())
        kill = "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager"
        assert node.run(f"{kill} KillUserProcesses") == "b false\n"
    assert_nothing_in_sessions(cluster)


@pytest.mark.long
def test_the_machines_join_a_domain(cluster: Lab) -> None:
    """Neither the idle nor the serving machine's other name is noticed by anybody, nor by what is done after it."""
    serving, idle = service.serving(cluster), service.idle(cluster)
    with nobody_notices(cluster):
        for node in (idle, serving):
            node.run(f"hostnamectl set-hostname {node.name}.{_DOMAIN}")
            assert host_name(node) == f"{node.name}.{_DOMAIN}"
            # All agents look anew.
            node.run("crm_resource --refresh >/dev/null && crm_resource --wait --timeout=60s", timeout=90)
            assert node.run("drbdadm cstate r0; drbdadm dstate r0") == "Connected\nUpToDate/UpToDate\n"
    # The serving node's handler bars the other one, and not itself, until it has all data again.
    with nothing_is_lost(cluster):
        network.drop_drbd(idle, serving)
        wait_until("the constraint", lambda: barred(serving), 60)
        assert re.findall('value="(.*?)"', barred(serving)) == [serving.name]
        network.clear(idle)
        wait_until("the constraint's end", lambda: not barred(serving), 60)
    service.wait_until_well(cluster)
    assert _DOMAIN not in serving.run("cibadmin --query"), "an agent has written the machine's name"
    assert [finding for finding in drift.look(cluster.engine().export(), cluster.prefix) if not finding.besides] == []


@pytest.mark.long
def test_an_update_after_that(cluster: Lab) -> None:
    """Its scripts know their nodes, and the server that one of them restarts runs in no session."""
    with server_restarts(cluster, 30):
        cluster.up({"mysqlOptions": {**OPTIONS, "performance_schema": True}})
    assert_nothing_in_sessions(cluster)


@pytest.mark.long
def test_a_move(cluster: Lab) -> None:
    before = service.serving(cluster)
    with service_moves(cluster, 1, MOVE_SECONDS):
        before.run(f"crm node standby {before.name}", timeout=60)
        wait_until("the other node serving", lambda: cluster.status().serving not in (None, before.name), 120)
        before.run(f"crm node online {before.name}", timeout=60)
    service.wait_until_well(cluster)
    assert_nothing_in_sessions(cluster)


@pytest.mark.long
def test_a_reboot_of_the_serving_machine(cluster: Lab) -> None:
    """Pacemaker ends the server, after the probe, and systemd nothing before; the machine comes back as the node."""
    before = service.serving(cluster)
    boot = before.run("cat /proc/sys/kernel/random/boot_id")
    with nothing_is_lost(cluster):
        before.run("systemctl reboot", check=False)
        wait_until("the other node serving", lambda: cluster.status().serving not in (None, before.name), 120)
        wait_until(
            "the reboot", lambda: before.lets_in() and before.run("cat /proc/sys/kernel/random/boot_id") != boot, 120
        )
    service.wait_until_well(cluster)
    assert host_name(before) == f"{before.name}.{_DOMAIN}"
    assert_nothing_in_sessions(cluster)
    told = before.run("journalctl --boot=-1 --output=cat --unit=pacemaker --unit=azure-mysql-ha-server").splitlines()
    order = (
        "Stopping pacemaker.service",
        "Result of stop operation for mysql-probe",
        "Requesting local execution of stop operation for mysql-server",
        "azure-mysql-ha-server.service: Deactivated successfully",
        "Result of stop operation for mysql-server",
        "Stopped pacemaker.service",
    )
    last = [max(number for number, line in enumerate(told) if step in line) for step in order]
    assert last == sorted(last), "\n".join(told[last[0] :])


@pytest.mark.long
def test_the_power_of_the_serving_machine_fails(cluster: Lab) -> None:
    """The other one fences it by its node's name, serves, and has it started again."""
    before = service.serving(cluster)
    with nothing_is_lost(cluster):
        power.kill(cluster, before.name)
        wait_until("the other node serving", lambda: cluster.status().serving not in (None, before.name), 180)
    service.wait_until_well(cluster)
    assert host_name(before) == f"{before.name}.{_DOMAIN}"
    assert _DOMAIN not in before.run("cibadmin --query"), "an agent has written the machine's name"
    assert_nothing_in_sessions(cluster)
