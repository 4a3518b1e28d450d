"""Who may come in, asked of each guest's own server, without a cluster around it. Tests in the order of the file."""

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import trial
from tests.support.own_server import OwnServer, own_server
from tests.support.stack_configuration import throw_away_secrets

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # an image may have to be made first

REPORTS, LOADER = "Reports-throw-away-1$&|x", "Loader-throw-away-text-1"

IN_REPORTS = "accounts: reports can use my_app\n"


def settings(reports: str = "readOnly", **loader: str) -> dict[str, Any]:
    """Return a stack's settings with further accounts."""
    return {
        "databaseName": "my_app",
        "databaseAccounts": {
            "reports": {"database": "my_app", "rights": reports},
            **({"loader": loader} if loader else {}),
        },
        "databaseAccountPasswords": {"reports": REPORTS, "loader": LOADER},
    }


WITHOUT = {"databaseName": "my_app"}


@pytest.fixture(scope="module", params=trial.guests())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    with own_server(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running


def run(server: OwnServer, changes: dict[str, Any]) -> str:
    """Run NODE-accounts, and return what it says."""
    done = server.run("accounts", changes)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def stopped(server: OwnServer, changes: dict[str, Any]) -> str:
    """Run NODE-accounts where it has to stop, and return why."""
    done = server.run("accounts", changes)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stdout + done.stderr
    return done.stderr


def looked(server: OwnServer, changes: dict[str, Any]) -> str:
    """Return what `make drift` tells of NODE-accounts."""
    done = server.run("accounts", changes, look=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def grants(server: OwnServer, name: str) -> list[str]:
    """Return an account's grants in databases, but for the mark."""
    lines = server.sql(f"show grants for {name}@'%'")
    return [line.partition(" TO ")[0] for line in lines if "*.*" not in line and "azure-mysql-ha" not in line]


def test_a_new_server_has_no_door_and_nobody_s_account(server: OwnServer) -> None:
    said = run(server, WITHOUT)
    assert said.endswith("accounts: app can use my_app\n")
    assert "test" not in server.sql("show databases")
    assert run(server, WITHOUT) == "accounts: app can use my_app\n"
    assert looked(server, WITHOUT) == ""
    users = server.sql("select user, host from mysql.user where user not like 'm%.%' order by 1")
    assert users == ["app\t%", "hacluster\tlocalhost", "root\tlocalhost"]


def test_further_accounts(server: OwnServer) -> None:
    """Each may do what it is for, in its own database, of which one is made."""
    server.sql("create database myXapp; create table myXapp.t (x int); create table my_app.t (x int)")
    changes = settings(database="stage_in", rights="owner")
    assert "in the server: CREATE DATABASE" in looked(server, changes)
    said = run(server, changes)
    assert "accounts: database stage_in made\n" in said and said.endswith(IN_REPORTS)
    assert grants(server, "reports") == [r"GRANT SELECT, SHOW VIEW ON `my\_app`.*"]
    assert grants(server, "loader") == [r"GRANT ALL PRIVILEGES ON `stage\_in`.*"]
    assert server.login("reports", REPORTS, "select count(*) from my_app.t") == "0\n"
    for denied in ("insert into my_app.t values (1)", "select * from myXapp.t", "select * from mysql.user"):
        assert "denied" in server.login("reports", REPORTS, denied)
    made = "create table stage_in.t (x int); insert into stage_in.t values (7); select x from stage_in.t"
    assert server.login("loader", LOADER, made) == "7\n"
    assert "denied" in server.login("loader", LOADER, "select * from my_app.t")
    assert "rights" not in run(server, changes) and looked(server, changes) == ""


def test_other_rights_and_another_database(server: OwnServer) -> None:
    """What people have asked of the account stays, but rights in databases are as the setting says."""
    server.sql(
        "alter user reports@'%' require ssl with max_user_connections 3;"
        r"grant all on `we\_i.rd``x`.* to reports@'%' with grant option; grant select on my_app.t to reports@'%'"
    )
    assert "in the server: GRANT SELECT" in looked(server, settings())
    said = run(server, settings("readWrite", database="my_app", rights="readOnly"))
    assert "accounts: reports has the rights readWrite in my_app, and in no other database\n" in said
    assert "accounts: loader has the rights readOnly in my_app, and in no other database\n" in said
    mine = (
        r"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, SHOW VIEW ON `my\_app`.*"
    )
    assert grants(server, "reports") == [mine, "GRANT SELECT ON `my_app`.`t`"]
    assert grants(server, "loader") == [r"GRANT SELECT, SHOW VIEW ON `my\_app`.*"]
    assert server.login("reports", REPORTS, "insert into my_app.t values (1); select x from my_app.t") == "1\n"
    asked = "\n".join(server.sql("show create user reports@'%'"))  # a hash may have line feeds
    assert "REQUIRE SSL" in asked and "MAX_USER_CONNECTIONS 3" in asked


def test_another_password(server: OwnServer) -> None:
    changes = settings()
    other = changes | {"databaseAccountPasswords": {"reports": "Another-throw-away-text-2"}}
    run(server, changes)
    assert "accounts: password of reports set\n" in run(server, other)
    assert "denied" in server.login("reports", REPORTS, "select 1")
    assert server.login("reports", "Another-throw-away-text-2", "select 1") == "1\n"
    run(server, changes)


def test_an_account_that_is_taken_out_is_dropped(server: OwnServer) -> None:
    """It does not stay logged in, and its database stays; not while something would not work without it."""
    server.sql("create definer = reports@'%' view my_app.v as select 1")
    why = r"found 1 views, routines, triggers or events that run as reports, which is to be dropped; expected none\."
    assert re.search(why, stopped(server, WITHOUT))
    server.sql("drop view my_app.v")
    with server.logged_in("reports", REPORTS) as session:
        assert session.stdin and session.stdout
        session.stdin.write("select 1;\n")
        session.stdin.flush()
        assert session.stdout.readline() == "1\n"
        assert "accounts: reports dropped; databases stay\n" in run(server, WITHOUT)
        told, _ = session.communicate("select 2;\n", timeout=60)
        assert re.search("ERROR 20(06|13|26) ", told), told
    assert "denied" in server.login("reports", REPORTS, "select 1")
    assert "stage_in" in server.sql("show databases")
    assert server.sql("select count(*) from mysql.db where user in ('reports', 'loader')") == ["0"]


def test_what_people_have_made_is_left_alone_and_listed(server: OwnServer) -> None:
    """Nobody takes their account over without them."""
    server.sql("create user clerk@'10.%' identified by 'Clerks-text-123456'; create user locked@'%' account lock")
    besides = "left alone: accounts that the stack has not made: clerk@10.%\n"
    assert run(server, WITHOUT).endswith(besides)
    assert looked(server, WITHOUT) == besides
    server.sql("create user reports@'%' identified by 'Somebodys-text-123456'; grant select on myXapp.* to reports@'%'")
    why = stopped(server, settings())
    assert "found an account reports that the stack has not made; expected none. Name another in databaseAcc" in why
    assert server.login("reports", "Somebodys-text-123456", "select count(*) from myXapp.t") == "0\n"
    assert re.search(r"left alone: .* clerk@10\.%, reports@%\n", run(server, WITHOUT))
    [hand_over] = re.findall("GRANT REFERENCES .*?;", why)
    server.sql(hand_over)
    assert "accounts: password of reports set\n" in run(server, settings())
    assert grants(server, "reports") == [r"GRANT SELECT, SHOW VIEW ON `my\_app`.*"]


def test_what_an_interrupted_run_has_left_is_the_stack_s(server: OwnServer) -> None:
    """An account with the stack's password and nothing else."""
    server.sql("revoke all privileges, grant option from reports@'%'")
    assert IN_REPORTS in run(server, settings())
    assert grants(server, "reports") == [r"GRANT SELECT, SHOW VIEW ON `my\_app`.*"]
    assert "reports dropped" in run(server, WITHOUT)


def test_an_account_that_becomes_the_applications_does_not_go(server: OwnServer) -> None:
    run(server, settings())
    as_application = WITHOUT | {"databaseUser": "reports"}
    assert "accounts: reports can use my_app\n" in run(server, as_application)
    assert re.search(r"left alone: .*\breports@%", run(server, WITHOUT))
    server.sql("drop user reports@'%'")


OPEN_TO_EVERYBODY = {
    "''@localhost (no name)": "create user ''@localhost identified by 'Nobodys-text-123456'",
    "'nobody'@% (no password)": "create user nobody@'%'",
    "'root'@% (not by the socket)": "create user root@'%' identified by 'Somebodys-text-123456'",
    "rights of everybody in test": (
        "insert into mysql.db (host, db, user, select_priv) values ('%', 'test', '', 'Y'); flush privileges"
    ),
}
CLOSE = "drop user if exists ''@localhost, nobody@'%', root@'%'; delete from mysql.db where user = ''; flush privileges"


@pytest.mark.parametrize("opened", OPEN_TO_EVERYBODY)
def test_what_is_open_to_everybody(server: OwnServer, opened: str) -> None:
    """The update stops, a look tells the same, and nothing is taken away."""
    server.sql(OPEN_TO_EVERYBODY[opened])
    try:
        why = stopped(server, WITHOUT)
        assert f"found accounts or rights that are open to everybody: {opened}; expected none. " in why
        assert f"would stop: found accounts or rights that are open to everybody: {opened}; expected none. " in looked(
            server, WITHOUT
        )
        assert stopped(server, WITHOUT) == why
    finally:
        server.sql(CLOSE)
    run(server, WITHOUT)


def test_a_grant_from_before_names_were_escaped(server: OwnServer) -> None:
    """Its account has no GRANT OPTION, which MySQL would not revoke where there is none."""
    server.sql(r"revoke all privileges on `my\_app`.* from app@'%'; grant select, insert on my_app.* to app@'%'")
    assert "could use other databases" in run(server, WITHOUT)
    assert grants(server, "app") == [r"GRANT SELECT, INSERT ON `my\_app`.*"]


def test_no_password_is_in_what_the_server_has_written(server: OwnServer) -> None:
    """Its binary log, which goes to the backups too, has hashes only; general and slow log have not even these."""
    passwords = [throw_away_secrets()["databasePassword"], REPORTS, LOADER, "Another-throw-away-text-2"]
    os.kill(server.pid, signal.SIGSTOP)  # or it renames its redo log's spare file between the list and the look
    os.waitpid(server.pid, os.WUNTRACED)
    try:
        written = {path: path.read_bytes() for path in server.folder.rglob("*") if path.is_file()}
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert any(b"Clerks-text-123456" in text for text in written.values()) or server.database.server == "mysql"
    assert b"reports" in written[server.folder / "log/general.log"]
    binary_log = b"".join(text for path, text in written.items() if path.name.startswith("binlog."))
    assert b"CREATE USER `reports`@`%` IDENTIFIED" in binary_log.replace(b"'", b"`")
    assert [str(path) for path, text in written.items() if any(word.encode() in text for word in passwords)] == []
