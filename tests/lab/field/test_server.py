"""What people do to a server that serves must not make the cluster restart it. Tests in the order of the file.

Each state is one that Pacemaker's monitor cannot ask through, or could not before it was repaired; the server's
process is the same at the end as at the beginning.
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager

import pymysql
import pytest

from lab import application, service
from lab.lab import Lab, wait_until
from operations.ssh import Node
from tests.support import trial

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_AGENT = "/usr/lib/ocf/resource.d/azure-mysql-ha/mysql"
_CANNOT_ASK = "/run/azure-mysql-ha/cannot-ask"


@pytest.fixture
def serving(lab: Lab) -> Node:
    return service.serving(lab)


@pytest.fixture(autouse=True)
def _never_restarted(lab: Lab, serving: Node) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    before, failures = trial.server_pid(serving), _failures(serving)
    yield
    wait_until("Pacemaker's next look", lambda: not _reason(serving), 30)
    assert trial.server_pid(serving) == before
    assert _failures(serving) <= failures
    assert service.serving(lab) == serving


def _failures(node: Node) -> set[str]:
    """Return what Pacemaker counts as failures of the server; it forgets old ones."""
    lines = node.run("crm_mon --one-shot --failcounts").splitlines()
    return {line for line in lines if "mysql-server" in line and "fail-count" in line}


def _reason(node: Node) -> str:
    """Return why the server could not be asked when Pacemaker looked last; empty if it could."""
    return node.run(f"cat {_CANNOT_ASK} 2>/dev/null", check=False).strip()


def _looks_twice(node: Node) -> None:
    """Wait until two monitors have begun and ended: each asks over a connection of its own."""
    for _ in range(2):
        node.run(f"timeout 60 {_AGENT} monitor", timeout=90)


@contextmanager
def _session(node: Node, *statements: str, seconds: int = 60) -> Generator[None]:
    """Have somebody run statements as root on the node, and stay in that session while the body runs."""
    wanted = "; ".join([*statements, f"select sleep({seconds})"])
    node.run(f'{trial.ROOT} --execute "{wanted}" >/run/session 2>&1 </dev/null & echo $! >/run/session.pid')
    try:
        yield
    finally:
        node.run("kill $(cat /run/session.pid)", check=False)


def test_no_connection_is_left(lab: Lab, serving: Node) -> None:
    """All connections are taken, root's extra one too."""
    client = application.client(lab)
    before = serving.run(f"{trial.ROOT} --execute 'select @@global.max_connections'").strip()
    serving.run(f"{trial.ROOT} --execute 'set global max_connections = 10'")
    with ExitStack() as end:
        end.callback(serving.run, f"{trial.ROOT} --execute 'set global max_connections = {before}'")
        with ExitStack() as taken, pytest.raises(pymysql.err.OperationalError, match="Too many connections"):
            while True:
                connection = client.connect(5)
                taken.callback(connection.close)
                end.callback(taken.pop_all().close)
        with _session(serving, "select 1"):
            wait_until("an alarm", lambda: "Too many connections" in _reason(serving), 30)
            _looks_twice(serving)


def test_root_has_a_password(serving: Node) -> None:
    serving.run(f"{trial.ROOT} --execute \"alter user root@localhost {trial.PASSWORD_LOGIN} 'Somebody-5et-1t'\"")
    try:
        assert "Access denied" in serving.run(f"{trial.ROOT} --execute 'select 1' 2>&1", check=False)
        _looks_twice(serving)
        assert _reason(serving) == ""
    finally:
        serving.run(
            f"MYSQL_PWD=Somebody-5et-1t {trial.ROOT}"
            f" --execute 'alter user root@localhost {trial.DATABASE.socket_login}'"
        )


def test_the_monitors_account_is_gone(serving: Node) -> None:
    """A restored dump has taken it away."""
    serving.run(f"{trial.ROOT} --execute 'drop user hacluster@localhost'")
    wait_until("an alarm", lambda: "Access denied" in _reason(serving), 30)
    _looks_twice(serving)
    serving.run(f"{trial.ROOT} --execute 'create user hacluster@localhost {trial.DATABASE.socket_login}'")


def test_grant_tables_are_locked(serving: Node) -> None:
    """As by an upgrade, or by an ALTER beside an open transaction."""
    with _session(serving, "lock tables mysql.user write, mysql.db write, mysql.tables_priv write"):
        _looks_twice(serving)
        assert _reason(serving) == ""


@pytest.mark.long
def test_all_tables_are_locked_for_a_backup(serving: Node) -> None:
    with _session(serving, "flush tables with read lock"):
        _looks_twice(serving)
        assert _reason(serving) == ""


@pytest.mark.long
def test_all_tables_are_checked_and_analyzed(serving: Node) -> None:
    serving.run("mysqlcheck --all-databases --check-upgrade && mysqlcheck --all-databases --analyze", timeout=300)
    _looks_twice(serving)


def test_the_socket_is_deleted(serving: Node) -> None:
    """By somebody who cleans up; clients from outside notice nothing."""
    serving.run("mv /run/mysqld/mysqld.sock /run/mysqld/away")
    try:
        wait_until("an alarm", lambda: "does not lead to the server" in _reason(serving), 30)
        _looks_twice(serving)
    finally:
        serving.run("mv /run/mysqld/away /run/mysqld/mysqld.sock")


@pytest.mark.long
def test_the_pid_file_is_deleted(serving: Node) -> None:
    serving.run("mv /run/mysqld/mysqld.pid /run/mysqld/away")
    try:
        _looks_twice(serving)
        assert _reason(serving) == ""
    finally:
        serving.run("mv /run/mysqld/away /run/mysqld/mysqld.pid")
