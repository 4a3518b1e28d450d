"""What is changed by hand, on the machines and in the cloud, is told and put right; and a cluster is destroyed.

One lab, the tests in the order of the file.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.checkout import CHECKOUT
from lab import application, power, rest, service
from lab.cloud import client as cloud
from lab.engine import EngineError
from lab.lab import Lab
from lab.paths import LabPaths
from operations.ssh import Node
from tests.support import trial
from tests.support.process_lists import secret_texts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900), pytest.mark.long]

PLANTED = "a-secret-that-somebody-has-planted"

# What a node is: its files, what systemd starts, DRBD as it runs, the cluster's configuration, and what runs.
LOOK = r"""
find /etc /usr/local /root /var/lib/azure-mysql-ha /var/lib/corosync /var/log/mysql /run/azure-mysql-ha \
  -xdev -type f -not -name '*.lock' -printf '%p %m %u %g %T@ ' -exec sha256sum {} \; 2>/dev/null | sort
find /etc /usr/local /run/azure-mysql-ha -xdev -not -type f -printf '%p %y %m %u %g %l\n' | sort
systemctl list-unit-files --no-legend | grep --invert-match ' transient ' # sessions
dpkg-query --show --showformat='${Package} ${Version} ${db:Status-Abbrev}\n'
drbdsetup show
drbdadm role r0; drbdadm dstate r0
cibadmin --query --scope configuration | sha256sum
cibadmin --query | head -n 1 | grep --only-matching --word-regexp 'epoch="[0-9]*"'
pgrep --list-name --exact 'mysqld|corosync|pacemakerd|socat'
findmnt --list --noheadings --output TARGET,SOURCE,OPTIONS | grep --invert-match /run/user/ | sort
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    yield from trial.own_lab(Lab(LabPaths("tdrift")))


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    lab.up({"protectData": True})
    service.wait_until_well(lab)
    return lab


def drift(lab: Lab) -> subprocess.CompletedProcess[str]:
    """Do as a user does: `make drift`."""
    run = trial.command_line(lab, "drift", timeout=400)
    assert run.stderr == ""
    print(run.stdout)
    return run


def state_of(node: Node) -> list[str]:
    return node.run(LOOK, check=False, timeout=120).splitlines()


def changed(before: list[list[str]], after: list[list[str]]) -> list[str]:
    """Return the lines that only one of two looks at the nodes has."""
    return [line for one, other in zip(before, after, strict=True) for line in sorted(set(one) ^ set(other))]


def states(lab: Lab) -> list[list[str]]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(state_of, lab.nodes()))


def test_of_a_cluster_as_it_should_be_nothing_is_told(cluster: Lab) -> None:
    before = states(cluster)
    run = drift(cluster)
    assert (run.returncode, run.stdout) == (0, "The machines are as the stack describes them.\n")
    assert changed(before, states(cluster)) == []


def test_what_was_changed_by_hand_is_told_and_put_right(cluster: Lab) -> None:
    lab = cluster
    serving = service.serving(lab)
    other = service.peer(lab, serving)
    pids = {node.name: trial.server_pid(node) for node in lab.nodes()}
    serving.run(
        f"sed -i 's/^sync_binlog .*/sync_binlog = 0/' {trial.DATABASE.config_file};"
        "sed -i 's/token: 2000/token: 9999/' /etc/corosync/corosync.conf;"
        "chmod 0666 /etc/corosync/corosync.conf;"
        "echo 10.32.0.99 intruder >>/etc/hosts;"
        "crm --force configure primitive by-hand ocf:pacemaker:Dummy;"
        "crm --force configure property no-quorum-policy=ignore"
    )
    other.run(
        "sed -i 's/ping-int .*/ping-int 9;/' /etc/azure-mysql-ha/r0.res;"
        f"sed -i 's/shared-secret .*/shared-secret \"{PLANTED}\";/' /etc/azure-mysql-ha/r0.res;"
        "drbdsetup net-options ipv4:10.32.0.5:7789 ipv4:10.32.0.4:7789 --ping-int=8 2>/dev/null ||"
        " drbdsetup net-options ipv4:10.32.0.4:7789 ipv4:10.32.0.5:7789 --ping-int=8;"
        f"echo {PLANTED} >/home/azureuser/.ssh/id_ed25519;"
        "rm /etc/systemd/system/azure-mysql-ha-probe.service;"
        f"systemctl unmask {trial.DATABASE.service}"
    )
    before = states(lab)
    run = drift(lab)
    assert run.returncode == 1
    assert changed(before, states(lab)) == [], "a look has changed something"

    told = _by_script(run.stdout)
    one, two = serving.name, other.name
    assert "-sync_binlog = 0\n+sync_binlog                    = 1" in told[f"{one}-server"]
    assert "-  token: 9999\n+  token: 2000" in told[f"{one}-corosync"]
    assert "/etc/corosync/corosync.conf: is 666 root:root, should be 644 root:root" in told[f"{one}-corosync"]
    assert "-primitive by-hand ocf:pacemaker:Dummy" in told["resources-document"].replace(" \\\n", "\n")
    assert "no-quorum-policy=ignore" in told["resources-document"]
    assert "-    ping-int 9;\n+    ping-int     3;" in told[f"{two}-drbd"]
    assert "would adjust DRBD" in told[f"{two}-drbd"] and "--ping-int=3" in told[f"{two}-drbd"]
    assert "/home/azureuser/.ssh/id_ed25519: differs" in told[f"{two}-host"]
    assert "is missing: /etc/systemd/system/azure-mysql-ha-probe.service" in told[f"{two}-server"]
    assert f"systemctl --quiet mask {trial.DATABASE.service}" in told[f"{two}-server"]
    scripts = {f"{one}-server", f"{one}-corosync", "resources-document", f"{two}-drbd", f"{two}-host", f"{two}-server"}
    assert scripts <= set(told)
    # They rest on what others would have put right before them.
    follow = {f"{one}-reload", f"{one}-options", f"{two}-connection", f"{two}-growth"}
    assert set(told) <= scripts | follow, "told where nothing is otherwise"
    shown = run.stdout
    assert PLANTED not in shown
    assert [name for name, secret in secret_texts(lab.engine()).items() if secret in shown] == []

    # The command that it names, as it stands there.
    line = shown.strip().splitlines()[-1].strip()
    repaired = subprocess.run(
        shlex.split(line),
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    print(repaired.stdout, repaired.stderr)
    assert repaired.returncode == 0
    run = drift(lab)
    assert (run.returncode, run.stdout) == (0, "The machines are as the stack describes them.\n")
    assert {node.name: trial.server_pid(node) for node in lab.nodes()} == pids, "a server was restarted"
    # What is not the stack's is nobody's business here.
    assert "intruder" not in shown
    assert set(lab.up().changes) == {"same"}


def _by_script(text: str) -> dict[str, str]:
    """Return what is told, by the script that tells it."""
    parts = re.split(r"^(\S+), on \S+\n", text.partition("To put it right")[0], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_a_disk_that_drbd_has_dropped_is_told_and_attached(cluster: Lab) -> None:
    """As after an error of it; what was written meanwhile is copied."""
    lab = cluster
    serving = service.serving(lab)
    other = service.peer(lab, serving)
    other.run("drbdadm detach r0")
    application.query(lab, "create table drift (id int primary key)", "insert into drift values (1)")
    run = drift(lab)
    assert run.returncode == 1
    told = _by_script(run.stdout)
    assert set(told) == {f"{other.name}-drbd"}
    lab.up(options=["--target-replace", _urn(run.stdout)])
    service.wait_until_well(lab)
    assert drift(lab).returncode == 0


PROVIDERS = "/resourceGroups/rg-mysql-lab/providers"


def _urn(text: str) -> str:
    words = shlex.split(text.strip().splitlines()[-1])
    return words[words.index("--target-replace") + 1]


def test_what_was_changed_in_the_cloud_is_told_and_put_right(cluster: Lab) -> None:
    """By whoever has rights there: a rule of the security group, one of the balancer, a disk, the power."""
    lab = cluster
    serving = service.serving(lab)
    other = service.peer(lab, serving)
    assert trial.command_line(lab, "preview", "--refresh", "--expect-no-changes").returncode == 0

    def change(path: str, how: str) -> None:
        _, body = rest.ask(lab, "GET", f"{PROVIDERS}/{path}")
        properties = body["properties"]
        match how:
            case "rule":
                rule = next(r for r in properties["securityRules"] if r["name"] == "nsgsr-mysql")
                rule["properties"]["access"] = "Deny"
            case "balancer":
                properties["loadBalancingRules"][0]["properties"]["idleTimeoutInMinutes"] = 4
            case _:
                properties["storageProfile"]["dataDisks"] = []
        status, answer = rest.ask(lab, "PUT", f"{PROVIDERS}/{path}", body)
        assert status in (200, 201, 202), answer

    names = _cloud_names(lab)
    change(f"Microsoft.Network/networkSecurityGroups/{names['NetworkSecurityGroup']}", "rule")
    change(f"Microsoft.Network/loadBalancers/{names['LoadBalancer']}", "balancer")
    # A disk in use the lab's machines do not give away.
    other.run("crm node standby && crm_resource --wait", timeout=120)
    change(f"Microsoft.Compute/virtualMachines/{other.name}", "disk")

    run = trial.command_line(lab, "preview", "--refresh", "--expect-no-changes", "--diff", timeout=300)
    assert run.returncode != 0
    for what in ("securityRules", "loadBalancingRules", "dataDisks"):
        assert what in run.stdout, run.stdout
    reader = lab.up(options=["--refresh"])
    print(reader.changes)
    assert reader.changes.get("update") == 3, reader.changes
    other.run("crm node online")
    service.wait_until_well(lab)
    assert trial.command_line(lab, "preview", "--refresh", "--expect-no-changes").returncode == 0


def _cloud_names(lab: Lab) -> dict[str, str]:
    """Return the Azure names of the stack's resources, by the last word of their type."""
    return {
        resource["type"].split(":")[-1]: resource["id"].split("/")[-1]
        for resource in lab.engine().export()["resources"]
        if resource["type"].startswith("azure-native:")
    }


def test_a_machine_that_was_switched_off_is_told(cluster: Lab) -> None:
    """Azure's machine has no power among its properties: no refresh can see it, and no update switches it on."""
    lab = cluster
    serving = service.serving(lab)
    other = service.peer(lab, serving)
    # As a person does for whom it is to stay off; otherwise it is started after a minute.
    stopped = trial.command_line(lab, "stop", other.name, timeout=300)
    assert stopped.returncode == 0, stopped.stderr
    assert trial.command_line(lab, "preview", "--refresh", "--expect-no-changes").returncode == 0
    run = drift(lab)
    assert run.returncode == 1
    assert f"{other.name} cannot be reached by SSH" in run.stdout
    assert re.search(rf"az vm start --ids /subscriptions/\S+/virtualMachines/{other.name}\n", run.stdout)
    started = trial.command_line(lab, "start", other.name, timeout=700)
    assert started.returncode == 0, started.stderr
    service.wait_until_well(lab)


def test_destroy(cluster: Lab) -> None:
    """Refused while the data is protected, with the way on; and then complete, with a machine that is dead."""
    lab, engine = cluster, cluster.engine()
    log = lab.paths.logs / "engine-destroy.log"
    before = {resource["urn"] for resource in engine.export()["resources"]}
    with pytest.raises(EngineError) as refused:
        engine.run(["destroy", "--yes"], lab.progress, log)  # its preview refuses
    print(refused.value)
    assert "protected" in str(refused.value)
    assert {resource["urn"] for resource in engine.export()["resources"]} == before, "something was deleted"
    service.wait_until_well(lab, 30)

    way_on = lab.outputs()["protection"]
    assert "azure-mysql-ha:protectData false" in way_on, way_on
    assert set(lab.up({"protectData": False}).changes) <= {"same", "update"}
    power.kill(lab, service.serving(lab).name)
    engine.run(["destroy", "--yes", "--skip-preview"], lab.progress, log)
    assert engine.export().get("resources", []) in ([], None)
    assert cloud.status(lab.paths)["machines"] == []
    assert list((lab.paths.state / "disks").glob("*")) == []
