"""What the reports of people in the field broke in settings and accounts. Tests in the order of the file."""

import dataclasses
import json
import re
import shlex
import subprocess
import time
from pathlib import Path

import pymysql
import pytest

from components.settings import operating_system
from components.settings.mistake import Mistake
from components.settings.server_options import server_options
from lab import application, image, service
from lab.lab import Lab, wait_until
from operations import drift
from operations.ssh import Node
from pipeline import report
from pipeline.engine import PREVIEW
from tests.support import trial
from tests.support.scripts import Script, scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

# Files and folders that are on a node's own disk, or may be: what is read there, and logs of queries. The rest is the
# application's business. None has a part of the data or of its history.
_MAY_BE_ELSEWHERE = """
    admin_ssl_capath admin_ssl_crlpath caching_sha2_password_private_key_path caching_sha2_password_public_key_path
    character_sets_dir des_key_file ft_stopword_file general_log_file innodb_redo_log_archive_dirs innodb_tmpdir
    lc_messages_dir log_slow_query_file mysqlx_ssl_capath mysqlx_ssl_crlpath ndb_tls_search_path replica_load_tmpdir
    sha256_password_private_key_path sha256_password_public_key_path slave_load_tmpdir slow_query_log_file ssl_capath
    ssl_crlpath ignore_db_dirs aria_sync_log_dir
"""


@pytest.mark.parametrize("system", trial.guests())
def test_options_that_the_server_has(system: str, tmp_path: Path) -> None:
    """None that is free is taken for a refused one, and none that names a place of data is free."""
    program = operating_system.load(system).database.program
    asked = [program, "--no-defaults", "--verbose", "--help", "--user=mysql", "--datadir=/tmp"]
    run = subprocess.run(
        image.ensure(system).inside(asked, tmp_path), capture_output=True, text=True, timeout=120, check=False
    )
    options = dict(re.findall(r"^  (?:-., |    )?--([a-z][a-z0-9-]+)(\S*)", run.stdout, re.MULTILINE))
    assert len(options) > 600, run.stdout + run.stderr
    taken_for_others: set[str] = set()
    free: set[str] = set()
    for name in options:
        try:
            server_options({name: "/a/path"})
            free.add(name.replace("-", "_"))
        except Mistake as mistake:
            if "stands for" in str(mistake):
                taken_for_others.add(name)
    assert taken_for_others <= {"skip-grant-tables", "skip-name-resolve", "skip-networking"}
    places = {name for name in free if re.search(r"(file|filename|dirs?|director(y|ies)|path)$", name)}
    named = {name for name in places if "name" in options[name.replace("_", "-")]}
    assert named <= {*_MAY_BE_ELSEWHERE.split()}


class Server:
    """The node that serves, with the scripts of the last update."""

    def __init__(self, lab: Lab) -> None:
        self.node = service.serving(lab)
        self._scripts = {script.name: script for script in scripts_of(lab.engine())}

    def script(self, name: str) -> Script:
        """Return a script of this node, such as "accounts"."""
        return self._scripts[f"{self.node.name}-{name}"]

    def run(self, name: str) -> str:
        """Run a script of this node, and return what it says."""
        done = self.script(name).run(self.node)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sql(self, statements: str) -> list[str]:
        """Run SQL as root, and return its rows."""
        return as_root(self.node, statements)


def as_root(node: Node, statements: str) -> list[str]:
    """Run SQL as root, and return its rows."""
    return node.run(f"{trial.ROOT} --raw --execute={shlex.quote(statements)}").splitlines()


def test_who_may_come_in(lab: Lab) -> None:
    """Nobody without a name, nobody without a password but by the socket; no test database, no files of clients."""
    node = service.serving(lab)
    mysql = (
        "select user, host from mysql.user where user = '' or"
        " (plugin <> 'auth_socket' and authentication_string = '' and account_locked = 'N')"
    )
    mariadb = (
        "select user, host from mysql.global_priv where user = '' or (json_value(priv, '$.plugin') <> 'unix_socket'"
        " and coalesce(json_value(priv, '$.authentication_string'), '') = ''"
        " and coalesce(json_extract(priv, '$.account_locked'), 'false') <> 'true')"
    )
    badly_kept = mysql if trial.DATABASE.server == "mysql" else mariadb
    assert as_root(node, badly_kept) == []
    assert "test" not in as_root(node, "show databases")
    assert as_root(node, "select @@local_infile") == ["0"]
    # Where there are such accounts, they are seen.
    as_root(node, "create user nobody@localhost; create user ''@'%'")
    try:
        assert len(as_root(node, badly_kept)) == 2
    finally:
        as_root(node, "drop user nobody@localhost; drop user ''@'%'")


def test_a_grant_is_for_one_database(lab: Lab) -> None:
    """Of what earlier versions granted, the account keeps what it had in its own database, and nothing else."""
    server = Server(lab)
    server.sql("create database myXapp; create table myXapp.t (x int)")
    foreign = "select count(*) from myXapp.t"
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        application.query(lab, foreign)
    server.sql(
        "revoke all privileges on `my\\_app`.* from app@'%';"
        "grant select, insert on `my_app`.* to app@'%' with grant option",
    )
    assert application.query(lab, foreign) == [(0,)]
    found = server.script("accounts")
    looking = dataclasses.replace(found, line=drift.LOOKING_LINE, text=drift.looking(found.text)).run(server.node)
    assert "in the server: GRANT SELECT, INSERT ON `my\\_app`" in looking.stdout, looking.stdout + looking.stderr
    assert application.query(lab, foreign) == [(0,)]

    assert "could use other databases" in server.run("accounts")
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        application.query(lab, foreign)
    grants = [line for line in server.sql("show grants for app@'%'") if "my" in line]
    assert grants == ["GRANT SELECT, INSERT ON `my\\_app`.* TO `app`@`%` WITH GRANT OPTION"]
    assert server.run("accounts") == "accounts: app can use my_app\n"
    server.sql("drop database myXapp; grant all privileges on `my\\_app`.* to app@'%'")


@pytest.mark.long
def test_what_people_ask_of_the_account_stays(lab: Lab) -> None:
    """TLS, a certificate, a lock: the script says what it cannot try, a new password is set, and nothing is undone."""
    server = Server(lab)
    other = dataclasses.replace(
        server.script("accounts"), variables={"HA_DATABASE_PASSWORD": "Another-Password-1234567"}
    )

    server.sql("alter user app@'%' require x509")
    assert "was not tried: it requires a client's certificate" in other.run(server.node).stdout
    assert "REQUIRE X509" in server.sql("show create user app@'%'")[0]
    server.sql("alter user app@'%' require none account lock")
    assert "password of app set" in server.run("accounts")
    assert server.run("accounts").startswith("accounts: app has its password, and is refused: ERROR 4151")
    server.sql("alter user app@'%' require ssl account unlock")
    assert "password of app set" in other.run(server.node).stdout
    assert server.run("accounts").endswith("accounts: password of app set\naccounts: app can use my_app\n")
    assert server.run("endpoint").endswith(":3306 answers\n")
    assert "REQUIRE SSL" in server.sql("show create user app@'%'")[0]
    server.sql("alter user app@'%' require none")


def test_a_root_with_a_password(lab: Lab) -> None:
    """Scripts do not wait for what waiting does not change, and say how it is repaired."""
    server = Server(lab)
    node = server.node
    server.sql(f"alter user root@localhost {trial.PASSWORD_LOGIN} 'known'")
    for name in ("options", "accounts"):
        begin = time.monotonic()
        done = server.script(name).run(node)
        assert "found root@localhost that cannot log in (ERROR 1045" in done.stderr, done.stdout + done.stderr
        assert time.monotonic() - begin < trial.bar(20)
    (remedy,) = re.findall(r"ALTER USER root@localhost .*?;", done.stderr)
    node.run(f"MYSQL_PWD=known {trial.ROOT} --execute={shlex.quote(remedy)}")
    assert server.sql("select 1") == ["1"]
    assert server.run("accounts") == "accounts: app can use my_app\n"


@pytest.mark.long
def test_a_binary_log_goes_with_the_data(lab: Lab) -> None:
    """By its name alone: the other node goes on with it."""
    application.query(lab, "create or replace table t (x int)", "insert into t values (1)")
    node = service.serving(lab)
    peer = service.peer(lab, node)
    before = [line.split()[0] for line in as_root(node, "show binary logs")]
    node.run("crm node standby")
    wait_until("the other node", lambda: lab.status().serving == peer.name, 120)
    wait_until("its answer", lambda: application.answers(lab), 60)
    after = [line.split()[0] for line in as_root(peer, "show binary logs")]
    assert after[: len(before)] == before and len(after) > len(before)
    node.run("crm node online")
    service.wait_until_well(lab, 120)


def test_what_was_chosen_when_the_cluster_was_made(lab: Lab) -> None:
    """The preview refuses all that Azure would refuse half-way, at once."""
    remembered = json.loads(lab.settings_file.read_text())
    engine = lab.engine()
    group = f"/subscriptions/{'1' * 8}-1111-1111-1111-{'1' * 12}/resourceGroups/keys"
    others = {
        "adminUser": "dba",
        "endpoint": "internal",
        "sshAccess": "node-addresses",
        "subnet": "10.32.1.0/24",
        "diskEncryptionKeyVaultId": f"{group}/providers/Microsoft.KeyVault/vaults/keys-1",
        "diskEncryptionKeyUrl": f"https://keys-1.vault.azure.net/keys/disks/{'0' * 32}",
    }
    engine.prepare({**remembered, **others})
    code, said = engine.pass_on(*PREVIEW)
    engine.prepare(remembered)
    told = re.findall(r"(\w+): .*, and Azure does not change that on machines that exist", said)
    assert code != 0 and {*told} == {*others} - {"diskEncryptionKeyVaultId"}, said


def test_a_change_that_would_delete_the_data(lab: Lab) -> None:
    """The preview refuses it; where the stack allows it, it tells what the engine has no line for."""
    remembered = json.loads(lab.settings_file.read_text())
    engine = lab.engine()
    engine.prepare({**remembered, "clusterName": "shop"})
    code, said = engine.pass_on(*PREVIEW)
    line = r"clusterName: would delete disk-mysql-lab-1-data and disk-mysql-lab-2-data with .*deleteDataDisks: (\[.*\])"
    refusal = re.search(line, said)
    assert code != 0 and refusal, said
    disks = json.loads(refusal[1])

    engine.prepare({**remembered, "clusterName": "shop", "deleteDataDisks": disks})
    code, said = engine.pass_on(*PREVIEW)
    engine.prepare(remembered)
    assert code == 0, said
    told = report.comment("lab", said, True, "abc", "https://example.org").partition("<details>")[0]
    for disk in disks:
        assert f"this update deletes data disk {disk} with all data" in told
    for what in ("Disk mysql-lab-1-data", "VirtualMachine mysql-lab-2", "NetworkInterface mysql-lab-1-interface"):
        assert what in told
