"""What people set by hand survives an update; what unattended updates leave alone; an update that is killed in a turn.

Tests in the order of the file.
"""

import dataclasses
import importlib.util
import re
import signal
from pathlib import Path

import pytest

from components.checkout import CONFIGS
from lab import application, fabric, service
from lab.engine import EngineError
from lab.events import EventReader
from lab.lab import Lab, wait_until
from lab.progress import Progress
from operations.ssh import Node, by_name
from tests.lab.field import MADE_WITH, OPTIONS
from tests.support import trial
from tests.support.interruption import end_engine, up_in_background
from tests.support.newer import make_newer
from tests.support.process_lists import secret_texts
from tests.support.scripts import Script, scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def said(lab: Lab) -> str:
    """Return what the last update's scripts have said, each line with the script's name before it."""
    lines: list[str] = []
    EventReader(lab.paths.logs / "engine-up.events.json", Progress(lines.append)).read()
    return "\n".join(lines)


def script(lab: Lab, name: str) -> tuple[Script, Node]:
    """Return a script of the stack, and the node that it is for."""
    found = next(each for each in scripts_of(lab.engine()) if each.name == name)
    return found, by_name(lab.nodes(), found.node)


def test_maintenance_survives_an_update(lab: Lab) -> None:
    """The server is stopped by hand meanwhile: nothing starts it, nobody waits for it, and it has the options later."""
    serving = service.serving(lab)
    serving.run(f"crm maintenance on && kill {trial.server_pid(serving)}")
    wait_until("the server's end", lambda: trial.server_pid(serving) == "", 60)
    lab.up({"fencingDelaySeconds": 6, "mysqlOptions": {**OPTIONS, "max_connections": 77}})
    left = "left as set by hand: the cluster in maintenance mode (crm maintenance off ends it)"
    assert re.search(rf"resources-document: .*{re.escape(left)}", said(lab))
    later = f"they take effect at the next start of the server, which is {left}"
    assert re.search(rf"{serving.name}-options: .*{re.escape(later)}", said(lab))
    assert trial.server_pid(serving) == ""
    assert "property priority-fencing-delay: was 5s, now 6s" in said(lab)
    assert 'name="maintenance-mode" value="true"' in serving.run("cibadmin --query --scope crm_config")
    serving.run("crm maintenance off")
    service.wait_until_well(lab, trial.bar(120))
    assert application.query(lab, "select @@global.max_connections") == [(77,)]


@pytest.mark.long
def test_a_server_in_maintenance_is_not_restarted(lab: Lab) -> None:
    """What needs no restart it gets; for what does, the update stops with a line that says what ends it."""
    serving = service.serving(lab)
    pid = trial.server_pid(serving)
    serving.run("crm resource maintenance mysql-server on")
    options = {**OPTIONS, "performance_schema": True, "max_connections": 78}
    line = (
        r"found mysql-server not managed by Pacemaker: mysql-server in maintenance"
        r" \(crm resource maintenance mysql-server off ends it\);"
        r" expected it managed, for a restart for performance_schema"
    )
    with pytest.raises(EngineError, match=line):
        lab.up({"mysqlOptions": options})
    assert application.query(lab, "select @@global.max_connections") == [(78,)]
    assert trial.server_pid(serving) == pid
    serving.run("crm resource maintenance mysql-server off")
    lab.up({"mysqlOptions": options})
    assert application.query(lab, "select @@global.performance_schema") == [(1,)]
    service.wait_until_well(lab, trial.bar(60))


BY_HAND = {
    "{idle} in standby (crm_standby --node {idle} --delete ends it)": "crm node standby {idle}",
    "{serving} in maintenance (crm node ready {serving} ends it)": "crm --force node maintenance {serving}",
    "mysql not managed (crm resource manage mysql ends it)": "crm resource unmanage mysql",
    "mysql-probe in maintenance (crm resource maintenance mysql-probe off ends it)": (
        "crm resource maintenance mysql-probe on"
    ),
    "mysql banned from {idle} (crm resource clear mysql ends it)": "crm resource ban mysql {idle}",
}


FENCING = f"{trial.SYSTEM.fencing_prefix}-enabled"


@pytest.mark.long
def test_a_changed_document_leaves_what_was_set_by_hand(lab: Lab) -> None:
    """But fencing, which is the document's."""
    serving, idle = service.serving(lab), service.idle(lab)
    names = {"serving": serving.name, "idle": idle.name}
    pid = trial.server_pid(serving)
    commands = [command.format_map(names) for command in BY_HAND.values()]
    serving.run("; ".join([*commands, f"crm configure property {FENCING}=false"]), timeout=120)
    document, node = script(lab, "resources-document")
    changed = dataclasses.replace(
        document, text=document.text.replace("migration-threshold=3", "migration-threshold=4")
    )
    run = changed.run(node)
    assert run.returncode == 0, run.stderr
    for line in BY_HAND:
        assert f"left as set by hand: {line.format_map(names)}" in run.stdout
    assert f"property {FENCING}: was false, now true\ncluster resources: applied" in run.stdout
    # Nothing of it has gone, and nothing was told that is not there.
    again = changed.run(node)
    assert again.stdout.splitlines() == [
        *(line for line in run.stdout.splitlines() if line.startswith("left")), "cluster resources: as they should be"
    ]  # fmt: skip
    assert trial.server_pid(serving) == pid
    ends = [line.format_map(names).partition("(")[2].removesuffix(" ends it)") for line in BY_HAND]
    serving.run("; ".join(ends), timeout=120)
    run = document.run(node)
    assert (run.returncode, "left" in run.stdout) == (0, False), run.stdout
    service.wait_until_well(lab, trial.bar(120))


@pytest.mark.long
def test_nobody_waits_for_a_server_that_a_person_has_stopped(lab: Lab) -> None:
    serving = service.serving(lab)
    serving.run("crm resource stop mysql-server")
    wait_until("the server's end", lambda: trial.server_pid(serving) == "", trial.bar(60))
    options, _ = script(lab, f"{serving.name}-options")
    run = options.run(serving, timeout=trial.bar(60))
    assert run.returncode == 0, run.stderr
    assert "mysql-server stopped (crm resource start mysql-server ends it)" in run.stdout
    assert trial.server_pid(serving) == ""
    serving.run("crm resource start mysql-server")
    service.wait_until_well(lab, trial.bar(120))


_CLUSTERS = (
    "libqb100",
    "libcpg4",
    "pacemaker-cli-utils",
    "libcrmcommon68",
    "drbd-utils",
    "mysql-server-core",
    "socat",
)
_MACHINES = ("curl", "libc6")


@pytest.mark.long
def test_unattended_updates_leave_the_clusters_packages_alone(lab: Lab) -> None:
    """The real unattended-upgrades, with newer versions of packages of both kinds before it."""
    node = service.idle(lab)
    make_newer(node, [*_CLUSTERS, *_MACHINES])
    # The node's only source has no name.
    origins = """echo 'Unattended-Upgrade::Origins-Pattern { "origin=*"; };' >/etc/apt/apt.conf.d/95test"""
    install = "apt-get --yes --no-install-recommends install unattended-upgrades"
    node.run(f"{origins} && apt-get update && DEBIAN_FRONTEND=noninteractive {install}", timeout=300)
    told = node.run("unattended-upgrade --dry-run --debug 2>&1", timeout=300)
    node.run("rm /etc/apt/apt.conf.d/95test")
    assert re.findall(r"^Packages that will be upgraded: (.*)$", told, re.MULTILINE) == [" ".join(_MACHINES)], told


# Prints the packages that own what the cluster's daemons have open.
_OWNERS = r"""
for pid in $(pgrep --exact 'corosync|pacemaker.*|mysqld|socat'); do
  awk '$6 ~ "^/" { print $6 }' /proc/$pid/maps
done | sort --unique >/run/files
# dpkg knows some by the names that they had before /lib was one with /usr/lib.
sed 's:^/usr::' /run/files | cat - /run/files | xargs dpkg-query --search 2>/dev/null | cut --delimiter=: --fields=1
rm /run/files
"""


@pytest.mark.long
def test_what_the_daemons_have_open_is_left_alone_or_the_machines_own(lab: Lab) -> None:
    spec = importlib.util.spec_from_file_location("held_packages", CONFIGS / "host/held_packages.py")
    assert spec and spec.loader
    held_packages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(held_packages)

    node = service.serving(lab)
    expressions = [each for each in node.run("cat /etc/apt/apt.conf.d/90azure-mysql-ha").split('"') if each[0] == "^"]
    owners = set(node.run(_OWNERS, timeout=120, check=False).split())
    installed = held_packages.Installed(node.run(f"dpkg-query --show --showformat '{held_packages.SHOWN}'"))
    own: set[str] = installed.all_that_need(installed.own)
    left = {owner for owner in owners if any(re.match(each, owner) for each in expressions)}
    assert left >= {"corosync", "libcpg4", "libqb100", "libcrmcommon68", "mysql-server-core", "socat"}
    assert owners - left - own == set()
    assert left & own == set()


@pytest.mark.long
def test_the_packages_script_is_at_rest(lab: Lab) -> None:
    """Whether or not the cluster's daemons run: the file is the same."""
    node = service.idle(lab)
    packages, _ = script(lab, f"{node.name}-packages")
    node.run("systemctl stop pacemaker corosync", timeout=120)
    run = packages.run(node)
    node.run("systemctl start corosync pacemaker", timeout=120)
    assert "90azure-mysql-ha" not in run.stdout and run.returncode == 0, run.stdout + run.stderr
    service.wait_until_well(lab, trial.bar(180))


def test_a_killed_turn(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is killed while both turns wait: the administrator's key is in no file, and in no agent soon."""
    idle = service.idle(lab)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    key = secret_texts(lab.engine())["sshPrivateKey 0"].encode()
    idle.run("drbdadm disconnect r0")

    def have_the_key() -> list[Path]:
        return [path for path in tmp_path.rglob("*") if path.is_file() and key in path.read_bytes()]

    def agents() -> list[int]:
        return [pid for pid in fabric.processes(lab.paths.namespace) if command(pid).startswith("ssh-agent")]

    log = lab.paths.logs / "engine-up.events.json"
    with up_in_background(lab, {"vmSize": "Standard_B2as_v2"}) as outcome:
        waits = f"{idle.name}: waits for both disks to have all data"
        wait_until("the turn", lambda: outcome or (log.exists() and waits in log.read_text()), trial.bar(180))
        assert not outcome and len(agents()) == 2
        assert have_the_key() == []
        end_engine(lab, signal.SIGKILL)
    # The provider kills its local commands when it loses its engine.
    wait_until("the agents' end", lambda: not agents(), trial.bar(60))
    assert have_the_key() == []
    assert not list(tmp_path.glob("azure-mysql-ha-*"))
    idle.run("drbdadm connect r0")
    # With what the tests before have changed.
    lab.up({**MADE_WITH, "vmSize": "Standard_B2s_v2"})
    service.wait_until_well(lab, trial.bar(120))


@pytest.mark.long
def test_no_machine_is_restarted_in_maintenance(lab: Lab) -> None:
    """A node could not leave."""
    serving = service.serving(lab)
    serving.run("crm maintenance on")
    line = (
        r"STOPPED before .*: the cluster is in maintenance mode \(crm maintenance off ends it\), so nothing would leave"
    )
    with pytest.raises(EngineError, match=line):
        lab.up({"vmSize": "Standard_B2as_v2"})
    serving.run("crm maintenance off")
    lab.up({"vmSize": "Standard_B2s_v2"})
    service.wait_until_well(lab, trial.bar(60))
    assert lab.status().alarms == []


def command(pid: int) -> str:
    """Return a process's command line; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
