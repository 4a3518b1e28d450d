"""Settings changed on a running cluster while a client writes: docs/changes.md. Tests in the order of the file."""

import dataclasses
import json
import re
import subprocess
from collections.abc import Mapping

import pymysql
import pytest

from lab import application, azure_native, service
from lab.engine import EngineError
from lab.events import EventReader
from lab.lab import Lab, wait_until
from lab.toolchain import COMMAND_VERSION
from operations import rotate as rotation
from operations.ssh import Node, by_name
from tests.lab.field import OPTIONS
from tests.support import trial
from tests.support.bystander import nobody_notices, server_restarts
from tests.support.scripts import scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900), pytest.mark.last]

_RESTART_SECONDS = 30.0
"""Longest pause of a restart of the server: it ends, it starts, the client tries again.

What was measured: docs/changes.md."""


def preview(lab: Lab, changes: Mapping[str, object]) -> str:
    """Return what Pulumi says of a change before it is made."""
    remembered: dict[str, object] = json.loads(lab.settings_file.read_text())
    lab.engine().prepare({**remembered, **changes})
    run = trial.command_line(lab, "preview")
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr  # where its warnings are


def rotate(lab: Lab, key: str) -> None:
    """Change a secret, as `make rotate` does."""
    rotation.rotate(lab.engine(), key)


def scripts_run(reader: EventReader) -> set[str]:
    """Return the names of the scripts that an update has run."""
    return {step.name for step in reader.steps.values() if step.kind == "Command" and step.operation != "delete"}


def fail_counts(node: Node) -> list[str]:
    """Return what Pacemaker remembers of failures, also of those that an earlier test has made."""
    return re.findall(r"fail-count=.*", node.run("crm_mon --one-shot --failcounts"))


def on_both(*names: str) -> set[str]:
    return {f"{node}-{name}" for node in ("mysql-lab-1", "mysql-lab-2") for name in names}


def variable(lab: Lab, name: str) -> str:
    """Return a variable's value, as the application sees it."""
    return str(application.query(lab, f"select @@global.{name}")[0][0])


@pytest.mark.long
def test_tags_and_networks(lab: Lab) -> None:
    """No script runs."""
    changes = {
        "tags": {"environment": "lab", "owner": "nobody"},
        "clientCidrs": ["198.51.100.0/24", "192.0.2.0/24"],
        "adminCidrs": ["198.51.100.0/24", "192.0.2.0/24"],
    }
    said = preview(lab, changes)
    assert "192.0.2.0/24" in said and "nobody" in said
    assert "command:remote:Command" not in said
    with nobody_notices(lab):
        assert scripts_run(lab.up(changes)) == set()


def test_an_option_that_the_server_refuses(lab: Lab) -> None:
    """It is found before anything is stopped, and the file before is put back."""
    files = [node.run(f"cat {trial.DATABASE.config_file}") for node in lab.nodes()]
    with nobody_notices(lab):
        with pytest.raises(EngineError, match=r"found a server that refuses its configuration .*no_such_option"):
            lab.up({"mysqlOptions": {**OPTIONS, "no_such_option": 1}})
        assert files == [node.run(f"cat {trial.DATABASE.config_file}") for node in lab.nodes()]


def test_a_dynamic_option(lab: Lab) -> None:
    changes = {"mysqlOptions": {**OPTIONS, "max_connections": 123, "long_query_time": 0.5, "max_allowed_packet": "32M"}}
    said = preview(lab, changes)
    assert re.search(r"^ *\+ *max_connections = 123$", said, re.MULTILINE), said
    with nobody_notices(lab):
        assert scripts_run(lab.up(changes)) == on_both("server", "options")
    found = [float(variable(lab, name)) for name in ("max_connections", "long_query_time", "max_allowed_packet")]
    assert found == [123, 0.5, 32 << 20]


def test_an_option_that_needs_a_restart(lab: Lab) -> None:
    """One restart where it serves; options that have gone have their defaults again."""
    serving = service.serving(lab)
    before = fail_counts(serving)
    with server_restarts(lab, _RESTART_SECONDS):
        changes = {"mysqlOptions": {**OPTIONS, "performance_schema": True}}
        assert scripts_run(lab.up(changes)) == on_both("server", "options")
    assert [variable(lab, name) for name in ("performance_schema", "max_connections")] == ["1", "683"]
    assert fail_counts(serving) == before, "Pacemaker counts it as a failure"


def test_replication(lab: Lab) -> None:
    """DRBD adjusts while it is connected; the nodes find each other with the new secret."""
    changes = {"drbdResyncMaxRate": "50M"}
    links = "journalctl --boot --dmesg --output=cat | grep --count 'drbd r0: conn('"
    before = [node.run(links, check=False) for node in lab.nodes()]
    rotate(lab, "drbdSecret")
    with nobody_notices(lab):
        assert scripts_run(lab.up(changes)) == on_both("drbd", "connection")
        assert [node.run(links, check=False) for node in lab.nodes()] == before, "the connection was broken"
        secret = lab.engine().settings()["drbdSecret"]
        for node in lab.nodes():
            shown = node.run("drbdsetup show r0")
            assert "51200k" in shown and secret in shown
            # As many as this rate copies in five minutes.
            assert re.search(r"al-extents\s+3750;", shown)


def test_replication_when_the_update_stops_half_way(lab: Lab) -> None:
    """One node has the new secret, the link breaks, they refuse each other: the next update brings them together."""
    rotate(lab, "drbdSecret")
    idle = service.idle(lab)
    script = next(script for script in scripts_of(lab.engine()) if script.name == f"{idle.name}-drbd")
    secret = lab.engine().settings()["drbdSecret"]
    assert dataclasses.replace(script, variables={"HA_DRBD_SECRET": secret}).run(idle).returncode == 0
    idle.run("drbdadm disconnect r0 && drbdadm connect r0")
    states = "drbdadm cstate r0"
    wait_until("the refusal", lambda: "StandAlone" in {node.run(states).strip() for node in lab.nodes()}, 60)
    lab.up()
    service.wait_until_well(lab, 60)


def test_membership(lab: Lab) -> None:
    """Time-out and key change at one order; nobody leaves the membership."""
    nodes = lab.nodes()
    same = "corosync-quorumtool -s | grep 'Ring ID'; pgrep --exact corosync"
    before = [node.run(same) for node in nodes]
    old = nodes[0].run("ls /etc/corosync/").split()
    rotate(lab, "corosyncKey")
    changes = {"corosyncTokenMs": 3000}
    said = preview(lab, changes)
    assert re.search(r"^ *\+ *token: 3000$", said, re.MULTILINE)
    assert re.search(r"^ *\+ *keyfile: ", said, re.MULTILINE)
    with nobody_notices(lab):
        assert scripts_run(lab.up(changes)) == on_both("corosync", "reload")
        assert [node.run(same) for node in nodes] == before
    keys: set[str] = set()
    for node in nodes:
        assert node.run("corosync-cmapctl -g runtime.config.totem.token").split()[-1] == "3000"
        (key,) = [name for name in node.run("ls /etc/corosync/").split() if name.startswith("authkey")]
        assert key not in old
        keys.add(node.run(f"sha256sum /etc/corosync/{key}"))
        assert "Digest does not match" not in node.run("journalctl --boot --unit corosync --output=cat")
    assert len(keys) == 1


def test_the_clusters_document(lab: Lab) -> None:
    """A time-out, a new resource, and its end: applied whole."""
    document = next(script for script in scripts_of(lab.engine()) if script.name == "resources-document")
    node = by_name(lab.nodes(), document.node)
    changed = document.text.replace(
        "op start interval=0 timeout=300s",
        "op start interval=0 timeout=310s",
    ).replace(
        "primitive mysql-probe", "primitive new ocf:pacemaker:Dummy op monitor interval=10s\nprimitive mysql-probe"
    )

    def names() -> set[str]:
        return {resource.name for resource in lab.status().resources}

    with nobody_notices(lab):
        run = dataclasses.replace(document, text=changed).run(node)
        assert run.returncode == 0 and "new in the cluster: new" in run.stdout, run.stdout + run.stderr
        assert 'timeout="310s"' in node.run("cibadmin --query --scope resources")
        wait_until("the new resource", lambda: "new" in names(), 60)
        run = document.run(node)
        assert run.returncode == 0 and "removed from the cluster: new" in run.stdout, run.stdout + run.stderr
        assert 'timeout="310s"' not in node.run("cibadmin --query --scope resources")
        wait_until("its end", lambda: "new" not in names(), 60)


def test_the_databases_password(lab: Lab) -> None:
    """Open connections stay; new ones need the new password."""
    before = application.client(lab)
    with nobody_notices(lab):
        rotate(lab, "databasePassword")
        assert scripts_run(lab.up()) == on_both("accounts", "endpoint")
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            before.query("select 1")
        assert application.query(lab, "select 1") == [(1,)]


@pytest.mark.long
def test_the_applications_account(lab: Lab) -> None:
    """A new one is made; the one before stays until a person drops it."""
    before = application.client(lab)
    with nobody_notices(lab):
        lab.up({"databaseUser": "shop"})
        assert application.query(lab, "select user()")[0][0].startswith("shop@")
        assert before.query("select 1") == [(1,)]


@pytest.mark.long
def test_further_accounts(lab: Lab) -> None:
    """One comes, gets other rights and another password, and goes, which the preview says aloud."""
    reports = {"database": "my_app", "rights": "readOnly"}

    def client() -> application.Client:
        passwords = json.loads(lab.engine().settings()["databaseAccountPasswords"])
        return dataclasses.replace(application.client(lab), user="reports", password=passwords["reports"])

    with nobody_notices(lab):
        said = preview(lab, {"databaseAccounts": {"reports": reports}})
        assert re.search(r"^ *\+ *further_account reports my_app readOnly ", said, re.MULTILINE), said
        reader = lab.up({"databaseAccounts": {"reports": reports}})
        assert scripts_run(reader) == on_both("accounts")
        before = client()
        assert before.query("select 1") == [(1,)]
        make = ("create table of_reports (x int)", "drop table of_reports")
        with pytest.raises(pymysql.err.OperationalError, match="command denied"):
            before.query(*make)
        lab.up({"databaseAccounts": {"reports": {**reports, "rights": "owner"}}})
        before.query(*make)
        rotate(lab, "databaseAccountPasswords.reports")
        assert scripts_run(lab.up()) == on_both("accounts")
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            before.query("select 1")
        after = client()
        assert after.query("select 1") == [(1,)]
        warning = "this update drops the database account reports, which is no longer in databaseAccounts"
        assert warning in preview(lab, {"databaseAccounts": {}})
        lab.up({"databaseAccounts": {}})
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            after.query("select 1")
        assert warning not in preview(lab, {})


@pytest.mark.long
def test_the_ssh_keys(lab: Lab) -> None:
    """The administrator's and the nodes' own; the ones before open nothing any more."""
    logins = lab.nodes()  # whose agent has the key that they have now

    def opens() -> list[bool]:
        return [
            subprocess.run(each.command("true"), capture_output=True, check=False).returncode == 0 for each in logins
        ]

    assert opens() == [True, True]
    lab.nodes()[0].run("install --mode=0600 ~azureuser/.ssh/id_ed25519 /root/old")
    with nobody_notices(lab):
        rotate(lab, "sshPrivateKey")
        rotate(lab, "clusterSshKey")
        reader = lab.up()
        assert on_both("login", "host") < scripts_run(reader)
        assert opens() == [False, False]
        first, second = lab.nodes()
        login = "ssh -o BatchMode=yes -o IdentitiesOnly=yes -i {} azureuser@" + second.name + " hostname </dev/null"
        assert first.run(login.format("~azureuser/.ssh/id_ed25519")).strip() == second.name
        assert not first.run(login.format("/root/old"), check=False)
        # The change is ended.
        lab.engine().forget("sshPreviousPrivateKey")
        assert scripts_run(lab.up()) == on_both("host", "turn")
    first.run("rm /root/old")


@pytest.mark.long
def test_newer_versions_of_the_providers(lab: Lab) -> None:
    """The cluster was made with older ones; that alone changes nothing of it."""
    state = lab.engine().state_file
    text = state.read_text()
    versions = {"azure-native": (azure_native.version(), "3.20.0"), "command": (COMMAND_VERSION, "1.0.0")}
    for name, (now, before) in versions.items():
        urn = f"pulumi:providers:{name}::default_"
        assert urn + now.replace(".", "_") in text
        text = text.replace(urn + now.replace(".", "_"), urn + before.replace(".", "_"))
        text = text.replace(f'"version":"{now}"', f'"version":"{before}"')
    state.write_text(text)
    assert re.search(r"^Resources:\n *\d+ unchanged\n", preview(lab, {}), re.MULTILINE)
    with nobody_notices(lab):
        assert set(lab.up().changes) == {"same"}
    for now, before in versions.values():
        assert f'"version":"{now}"' in state.read_text()
        assert f'"version":"{before}"' not in state.read_text()


def test_nothing_is_left_to_do(lab: Lab) -> None:
    assert set(lab.up().changes) == {"same"}
    service.wait_until_well(lab, 60)
    assert lab.status().alarms == []
