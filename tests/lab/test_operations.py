"""The commands of docs/operations do what the pages say. One lab, the pages in the order of the file."""

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pymysql
import pytest

from components.checkout import CHECKOUT
from drills.target import DRBD_PARAMETERS, LabTarget
from lab import application, power, service
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from operations.ssh import Node, by_name
from tests.support import trial
from tests.support.bystander import MOVE_SECONDS, service_moves
from tests.support.newer import are_newer, make_newer
from tests.support.pages import Runner, Step, steps

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900), pytest.mark.long]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    for made in trial.own_lab(Lab(LabPaths("pages"))):
        made.up()
        yield made


@pytest.fixture
def runner(lab: Lab, tmp_path: Path) -> Runner:
    """Begin with a cluster that is well, and a desk with what an administrator and the application have."""
    service.wait_until_well(lab)
    engine, outputs = lab.engine(), lab.outputs()
    for name in ("Pulumi.yaml", "__main__.py", "components", "configs", "pyproject.toml", ".venv"):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    shutil.copy2(engine.settings_file, tmp_path)
    (tmp_path / "ca.pem").write_text(outputs["ca"])
    (tmp_path / "client.cnf").write_text(
        f'[client]\npassword="{lab.database_password()}"\nssl-ca={tmp_path}/ca.pem\nssl-verify-server-cert\n'
    )
    names = {
        **_roles(lab),
        "HOST": outputs["endpoint"]["host"],
        "USER": outputs["database"]["user"],
        "DATABASE": outputs["database"]["name"],
        "STACK": engine.stack,
        "OLD-FOLDER": str(tmp_path / "old"),
        "NEW-FOLDER": str(tmp_path / "new"),
    }
    # What `pulumi login` has said is heeded where the environment names no back end.
    variables = {key: value for key, value in engine.environment.items() if key != "PULUMI_BACKEND_URL"}
    return Runner(lab, names, tmp_path, variables)


def _roles(lab: Lab) -> dict[str, str]:
    """Return the nodes' names by the pages' words."""
    serving = service.serving(lab).name
    (other,) = {node.name for node in lab.nodes()} - {serving}
    return {"SERVING": serving, "OTHER": other}


def test_reading_crm_mon(runner: Runner) -> None:
    runner.run("reading-crm-mon")


def test_failed_resource(runner: Runner) -> None:
    """The server is killed; Pacemaker starts it again, and remembers until it is told to forget."""
    node = by_name(runner.lab.nodes(), runner.names["SERVING"])
    killed = trial.server_pid(node)
    node.run(f"kill -KILL {killed}")
    wait_until("its failure", lambda: "mysql-server" in node.run("crm_mon -1rf").partition("Migration")[2], 60)
    wait_until("the server", lambda: trial.server_pid(node) not in ("", killed), 60)
    runner.run("failed-resource")


def test_backup(runner: Runner) -> None:
    """What is lost between the dump and its restoration is there again."""
    lab = runner.lab
    rows = [(number, f"row {number} 'é'") for number in range(1, 301)]
    application.query(
        lab,
        "create table kept (id int primary key, text varchar(40) character set utf8mb4)",
        "insert into kept values " + ", ".join(f"({number}, 'row {number} ''é''')" for number, _ in rows),
    )
    for step in steps("backup"):
        if step.command.startswith("mysql "):
            application.query(lab, "drop table kept")
        runner.take(step)
    assert application.query(lab, "select id, text from kept order by id") == rows


def test_restore(runner: Runner, tmp_path: Path) -> None:
    """Rows that are missing come back, what has been written since stays; then the whole table as it was."""
    lab = runner.lab
    runner.names.update({"RESTORED": runner.names["HOST"], "TABLE": "orders"})
    shutil.copy2(tmp_path / "client.cnf", tmp_path / "restored.cnf")
    application.query(
        lab,
        "create table orders (id int primary key, text varchar(40))",
        "insert into orders values (1, 'one'), (2, 'two'), (3, 'three')",
    )
    for step in steps("restore"):
        if step.command.endswith("< rows.sql"):
            application.query(lab, "delete from orders where id > 1", "update orders set text = 'changed' where id = 1")
            application.query(lab, "insert into orders values (4, 'new')")
            runner.take(step)
            found = application.query(lab, "select id, text from orders order by id")
            assert found == [(1, "changed"), (2, "two"), (3, "three"), (4, "new")]
            continue
        if step.command.endswith("< table.sql"):
            application.query(lab, "drop table orders")
        runner.take(step)
    found = application.query(lab, "select id, text from orders order by id")
    assert found == [(1, "changed"), (2, "two"), (3, "three"), (4, "new")]


def test_full_disk(runner: Runner) -> None:
    """No byte is left to the server, until the page has handed some out; its rows are there."""
    lab = runner.lab
    node = by_name(lab.nodes(), runner.names["SERVING"])
    application.query(
        lab, "create table filled (id int primary key, text longblob)", "insert into filled values (1, 'first')"
    )
    # By the server's account, which may not have what is kept back for root.
    fill = (
        "cd /var/lib/mysql/data && free=$(( $(stat --file-system --format '%a * %S' .) ))"
        " && fallocate --length $(( free - (16 << 20) )) filler && dd if=/dev/zero of=filler2 bs=64k status=none"
    )
    node.run(f"runuser --user mysql -- bash -c {shlex.quote(fill)}", check=False)
    try:
        assert node.run("stat --file-system --format %a /var/lib/mysql").strip() == "0"
        with pytest.raises(pymysql.Error, match=r"28|full"):
            application.query(lab, "create table too_much (id int)")
        assert any("100 % full. docs/operations/full-disk.md" in alarm for alarm in lab.status().alarms)
        runner.run("full-disk")
        assert application.query(lab, "select text from filled") == [(b"first",)]
    finally:
        node.run("tune2fs -m 5 /dev/drbd1; rm --force /var/lib/mysql/data/filler /var/lib/mysql/data/filler2")


def test_move_state(runner: Runner) -> None:
    """In a copy of the back end, under which the lab's own stays as it is."""
    shutil.copytree(runner.lab.paths.pulumi / "backend", runner.desk / "old")
    (runner.desk / "new").mkdir()
    (runner.desk / "new-passphrase").write_text("another passphrase\n")
    runner.take(Step("HERE", "pulumi login file://OLD-FOLDER"))
    for step in steps("move-state"):
        if step.command.startswith("export "):  # each command has a shell of its own
            name, _, value = step.command.removeprefix("export ").partition("=")
            runner.variables[name] = value
        else:
            runner.take(step)
    assert list((runner.desk / "old/.pulumi/stacks").rglob("lab.json")) == []


def test_planned_maintenance(runner: Runner) -> None:
    lab = runner.lab
    application.query(lab, "create table moved (id int primary key)", "insert into moved values (1)")
    runner.run("planned-maintenance")
    assert lab.status().serving == runner.names["OTHER"]
    assert application.query(lab, "select id from moved") == [(1,)]
    service.wait_until_well(lab)


def in_turn(runner: Runner, page: str, packages: Sequence[str]) -> None:
    """Run a page of newer packages as it stands, and once more with the nodes' names changed, while a client writes."""
    nodes = runner.lab.nodes()
    for node in nodes:
        make_newer(node, packages)
    with service_moves(runner.lab, 1, MOVE_SECONDS):
        runner.run(page)
        names = dict(runner.names)
        runner.names.update({"SERVING": names["OTHER"], "OTHER": names["SERVING"]})
        runner.run(page)
        service.wait_until_well(runner.lab)
    assert all(are_newer(node, packages) for node in nodes)
    idle = by_name(nodes, runner.names["OTHER"])
    assert idle.run("ls -A /var/lib/mysql") == "", "on the system disk, where a server could start on it"


def test_updates(runner: Runner) -> None:
    packages = ["corosync", "drbd-utils", "fence-agents-azure-arm", "pacemaker", "resource-agents"]
    boots = {node.name: node.run("cat /proc/sys/kernel/random/boot_id") for node in runner.lab.nodes()}
    in_turn(runner, "updates", packages)
    for node in runner.lab.nodes():
        assert node.run("cat /proc/sys/kernel/random/boot_id") != boots[node.name]


def test_upgrade_of_mysql(runner: Runner) -> None:
    in_turn(runner, "upgrade-mysql", ["mysql-client", "mysql-server", "mysql-server-core"])


def test_failed_disk(runner: Runner) -> None:
    """All I/O of the serving node's disk ends with an error, until the page takes the node back."""
    lab = runner.lab
    node = by_name(lab.nodes(), runner.names["SERVING"])
    # All I/O, metadata's too: drivers/block/drbd/drbd_int.h.
    node.run(f"cd {DRBD_PARAMETERS} && echo 0 >fault_devs && echo 100 >fault_rate && echo {0x7F} >enable_faults")
    try:
        application.query(lab, "create table without_disk (id int primary key)", "insert into without_disk values (1)")
        wait_until("the end of the disk", lambda: "Diskless" in node.run("drbdadm dstate r0"), 60)
    finally:
        node.run(f"echo 0 >{DRBD_PARAMETERS}/enable_faults")
    runner.run("failed-disk")
    assert application.query(lab, "select id from without_disk") == [(1,)]


def test_both_off(runner: Runner) -> None:
    """Both were off, and the one that served does not exist any more: the other goes on alone, and gets a new peer."""
    lab = runner.lab
    application.query(lab, "create table left_alone (id int primary key)", "insert into left_alone values (1)")
    lost, left = runner.names["SERVING"], runner.names["OTHER"]
    for name in (lost, left):
        power.kill(lab, name)
    trial.delete_machine(lab, lost)
    power.start(lab, left)
    node = by_name(lab.nodes(), left)
    wait_until("its start", lambda: "Activity blocked" in node.run("corosync-quorumtool -s", check=False), 120, every=1)
    runner.run("both-off")
    wait_until("the one left to serve", lambda: lab.status().serving == left, 120, every=1)
    assert application.query(lab, "select id from left_alone") == [(1,)]
    lab.engine().run(["refresh", "--yes", "--skip-preview"], lab.progress, lab.paths.logs / "refresh.log")
    lab.up()
    service.wait_until_well(lab, trial.bar(300))


def test_split_brain(lab: Lab, runner: Runner) -> None:
    """Of the two histories that of the node that serves stays. The last test: fencing stays off."""
    lab.up({"fencing": "off"})
    application.query(lab, "create table histories (node varchar(64) primary key)")
    target = LabTarget(lab)
    target.part()
    try:
        wait_until("two that serve", lambda: all(trial.server_pid(node) for node in lab.nodes()), 180, every=1)
        for node in lab.nodes():
            insert = f"insert into {runner.names['DATABASE']}.histories values (@@hostname)"
            wait_until("a write on each", lambda n=node, i=insert: _writes(n, i), 60, every=1)
    finally:
        target.join()
    wait_until("one that serves, alone", lambda: _is_alone(lab), 180, every=1)
    runner.names.update(_roles(lab))
    runner.run("split-brain")
    assert application.query(lab, "select node from histories") == [(runner.names["SERVING"],)]
    service.wait_until_well(lab)


def _writes(node: Node, statement: str) -> bool:
    try:
        node.run(f"{trial.ROOT} --execute {shlex.quote(statement)}")
    except subprocess.CalledProcessError:
        return False
    return True


def _is_alone(lab: Lab) -> bool:
    now = lab.status()
    return (
        now.serving is not None
        and all(node.online for node in now.nodes)
        and any("StandAlone" in alarm for alarm in now.alarms)
    )
