"""Who comes in over the network: asked by clients that this project did not write. Tests in the order of the file."""

import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest

from components import certificates
from lab import application, azurite, service, tls
from lab.lab import Lab, wait_until
from operations import ca
from operations.rotate import rotate
from operations.ssh import Node
from tests.lab.field import MADE_WITH
from tests.lab.field.test_changes import on_both, preview, scripts_run
from tests.support import trial
from tests.support.brought import Made, Maker
from tests.support.bystander import nobody_notices
from tests.support.scripts import Script, scripts_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

_FILE = "/etc/mysql/azure-mysql-ha-server.pem"


@dataclasses.dataclass(frozen=True)
class Way:
    """How a client comes.

    Args:
        host: the endpoint's address, or another way there.
        name: what the certificate must have.
        authority: what it must be issued by, PEM; None for a client that comes in clear text.
    """

    host: str
    name: str
    authority: str | None


Client = Callable[[Lab, Way, Path], str]
"""Asks who it is; returns the answer, or why there is none."""


def _settings(lab: Lab) -> dict[str, Any]:
    return {"user": lab.outputs()["database"]["user"], "password": lab.database_password()}


def _of_mariadb(lab: Lab, way: Way, folder: Path) -> str:
    """The command line of the machine that the lab is on."""
    (folder / "ca.pem").write_text(way.authority or "")
    how = [f"--ssl-ca={folder}/ca.pem", "--ssl-verify-server-cert"] if way.authority else ["--skip-ssl"]
    account = _settings(lab)
    run = subprocess.run(
        [
            *lab.prefix, "mariadb", "--no-defaults", f"--host={way.host}", "--protocol=tcp",
            f"--user={account['user']}", "--batch", "--skip-column-names", *how, "--execute=select user()",
        ],
        env={**os.environ, "MYSQL_PWD": account["password"]}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return run.stdout + run.stderr


def _of_the_guest(lab: Lab, way: Way, folder: Path) -> str:
    """The command line of the nodes' own server, on the node that does not serve."""
    node, account, server = service.idle(lab), _settings(lab), trial.DATABASE
    in_clear = "--ssl-mode=DISABLED" if server.server == "mysql" else "--skip-ssl"
    how = f"--ssl-ca=/run/client-ca.pem {server.client_verifies}" if way.authority else in_clear
    text = f"cat >/run/client-ca.pem <<'PEM'\n{way.authority or ''}PEM\n"
    return node.run(
        f"{text}MYSQL_PWD={account['password']} {server.client} --no-defaults --host={way.host} --protocol=tcp"
        f" --user={account['user']} --batch --skip-column-names {how} --execute='select user()' 2>&1",
        check=False,
    )


def _of_pymysql(lab: Lab, way: Way, folder: Path) -> str:
    """By the loopback, with the way's name."""
    client = application.client(lab)
    context = tls.context(way.authority, way.name) if way.authority else None
    options: dict[str, Any] = {"ssl": context} if context else {"ssl_disabled": True}
    try:
        with pymysql.connect(
            host=client.host, port=client.port, connect_timeout=10, **_settings(lab), **options
        ) as connection, connection.cursor() as cursor:  # fmt: skip
            cursor.execute("select user()")
            return str(cursor.fetchall())
    except pymysql.Error as error:
        return str(error)


_MYSQL2 = """
const [address, name] = process.argv.slice(2);
const told = JSON.parse(require("fs").readFileSync(0));
const connection = require("mysql2").createConnection({
  host: name, stream: require("net").connect(3306, address), user: told.user, password: told.password,
  ssl: told.authority ? { ca: told.authority, verifyIdentity: true } : undefined,
});
connection.query("select user()", (error, rows) => {
  console.log(error ? String(error.code) + " " + error.message : JSON.stringify(rows));
  process.exit();
});
"""


def _of_mysql2(lab: Lab, way: Way, folder: Path) -> str:
    """Node's most used client, where Azurite has brought it. It compares domain names only."""
    program = azurite.installed()
    assert program
    (folder / "client.cjs").write_text(_MYSQL2)
    modules = next(parent for parent in program.parents if parent.name == "node_modules")
    name = "mysql-lab-1" if way.name == way.host else way.name
    run = subprocess.run(
        [*lab.prefix, str(azurite.node()), str(folder / "client.cjs"), way.host, name],
        input=json.dumps({**_settings(lab), "authority": way.authority}),
        env={**os.environ, "NODE_PATH": str(modules)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return run.stdout + run.stderr


CLIENTS: list[Client] = [_of_mariadb, _of_the_guest, _of_pymysql, _of_mysql2]

IN = "app@"
# MariaDB says no more than that.
NO_CLEAR_TEXT = ("Access denied",) if trial.DATABASE.server == "mariadb" else ("insecure transport",)
NOT_TRUSTED = ("certificate verify failed", "self-signed", "unable to get local issuer", "unable to verify")
ANOTHER_NAME = (
    *("mismatch", "not valid for", "does not match", "doesn't match", "altnames", "certificate verify failed"),
    "validation of ssl server certificate failed",
)
ENDED = ("expired", "certificate verify failed")


@pytest.fixture(params=CLIENTS, ids=lambda client: client.__name__.removeprefix("_of_"))
def client(request: pytest.FixtureRequest) -> Client:
    return request.param


def way_of(lab: Lab) -> Way:
    host = lab.outputs()["endpoint"]["host"]
    return Way(host, host, lab.outputs()["ca"])


def says(words: tuple[str, ...], told: str) -> bool:
    return IN not in told and any(word.lower() in told.lower() for word in words)


def test_who_knows_the_authority_comes_in(lab: Lab, client: Client, tmp_path: Path) -> None:
    """By the address, and by the name, as of `connect`."""
    assert IN in client(lab, way_of(lab), tmp_path)


def test_nobody_comes_in_clear_text(lab: Lab, client: Client, tmp_path: Path) -> None:
    told = client(lab, dataclasses.replace(way_of(lab), authority=None), tmp_path)
    assert says(NO_CLEAR_TEXT, told), told


def test_a_client_of_another_authority(lab: Lab, client: Client, tmp_path: Path) -> None:
    other = certificates.read_authority(certificates.make_authority()).certificate
    told = client(lab, dataclasses.replace(way_of(lab), authority=other), tmp_path)
    assert says(NOT_TRUSTED, told), told


def test_a_client_that_wants_another_name(lab: Lab, client: Client, tmp_path: Path) -> None:
    """It has been led astray: to an address that the certificate has not."""
    way = way_of(lab)
    if client in (_of_pymysql, _of_mysql2):
        way = dataclasses.replace(way, name="db.example.org")
    else:
        way = dataclasses.replace(way, host=_detour(lab, client))
    told = client(lab, way, tmp_path)
    assert says(ANOTHER_NAME, told), told


def _detour(lab: Lab, client: Client) -> str:
    """Return a name that leads to the endpoint for this client, and that no certificate has."""
    line = f"{lab.outputs()['endpoint']['host']} elsewhere"
    if client is _of_the_guest:
        service.idle(lab).run(f"grep --quiet elsewhere /etc/hosts || echo '{line}' >>/etc/hosts")
    else:
        # What `ip netns exec` puts in the place of /etc/hosts.
        folder = Path("/etc/netns") / lab.paths.namespace
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{line}\n")
    return "elsewhere"


@pytest.fixture(scope="module", autouse=True)
def _no_detour_stays(lab: Lab) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    for node in lab.nodes():
        node.run("sed --in-place '/ elsewhere$/d' /etc/hosts")
    shutil.rmtree(Path("/etc/netns") / lab.paths.namespace, ignore_errors=True)


def scripts(lab: Lab, node: Node) -> dict[str, Script]:
    """Return the node's scripts that bring a certificate, by the ends of their names."""
    found = {script.name: script for script in scripts_of(lab.engine())}
    return {what: found[f"{node.name}-{what}"] for what in ("server", "tls")}


@contextmanager
def ended(lab: Lab) -> Generator[None]:
    """Have the server show a certificate that has ended, while the body runs.

    MySQL takes none that has ended already, so it ends meanwhile.
    """
    serving, settings = service.serving(lab), lab.engine().settings()
    authority = certificates.read_authority(settings["tlsAuthority"])
    key = certificates.read_key(settings["tlsCertificate"]).key
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)
    before = certificates.DatedKey(key, end - timedelta(days=certificates.CERTIFICATE_DAYS))
    old = certificates.issue(authority, before, "old", [lab.outputs()["endpoint"]["host"], "mysql-lab-1"])
    own = scripts(lab, serving)
    for script in own.values():
        run = dataclasses.replace(script, variables={"HA_TLS_CERTIFICATE": old, "HA_TLS_KEY": key}).run(serving)
        assert run.returncode == 0, run.stdout + run.stderr
    wait_until("its end", lambda: datetime.now(UTC) > end + timedelta(seconds=2), 40)
    try:
        yield
    finally:
        runs = [script.run(serving) for script in own.values()]
    assert [run.returncode for run in runs] == [0, 0], runs
    assert "uses the new certificate, without a restart" in runs[-1].stdout


@pytest.mark.long
def test_a_certificate_that_has_ended(lab: Lab, tmp_path: Path) -> None:
    """No client takes it that looks at it, and there is an alarm."""
    with ended(lab):
        for client in CLIENTS:
            told = client(lab, way_of(lab), tmp_path)
            assert says(ENDED, told), told
        (alarm,) = lab.status().alarms
        assert "has expired" in alarm and alarm.endswith(" docs/operations/tls.md")
    assert lab.status().alarms == []
    assert application.query(lab, "show session status like 'Ssl_version'")[0][1] in ("TLSv1.2", "TLSv1.3")


def test_old_versions_of_tls(lab: Lab) -> None:
    """Asked by OpenSSL with all that it can still do."""
    node = service.idle(lab)
    host = lab.outputs()["endpoint"]["host"]
    ask = f"openssl s_client -connect {host}:3306 -starttls mysql -cipher ALL:@SECLEVEL=0 {{}} </dev/null 2>&1"
    for version, good in (("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        told = node.run(ask.format(version), check=False)
        assert ("BEGIN CERTIFICATE" in told) == good, told


def test_the_file_of_the_key(lab: Lab) -> None:
    """The same on both nodes, and for the server alone to read."""
    found = {node.run(f"stat --format='%a %U:%G' {_FILE}; sha256sum {_FILE}") for node in lab.nodes()}
    assert len(found) == 1 and next(iter(found)).startswith("640 root:mysql\n")


def test_a_new_certificate(lab: Lab, tmp_path: Path) -> None:
    """Under a writer: no connection is lost, no commit fails, and no server starts anew."""
    shown = lab.nodes()[0].run(f"openssl x509 -in {_FILE} -noout -serial")
    with nobody_notices(lab):
        rotate(lab.engine(), "tlsCertificate")
        assert "HA_TLS_KEY" in preview(lab, {})
        assert scripts_run(lab.up()) == on_both("server", "tls")
    after = {node.run(f"openssl x509 -in {_FILE} -noout -serial") for node in lab.nodes()}
    assert len(after) == 1 and shown not in after
    assert IN in CLIENTS[0](lab, way_of(lab), tmp_path)
    assert set(lab.up().changes) == {"same"}


@pytest.mark.long
def test_a_new_authority(lab: Lab, tmp_path: Path) -> None:
    """Who has asked for it between `make rotate` and the update knows the server before and after."""
    client, before = CLIENTS[0], way_of(lab)
    rotate(lab.engine(), "tlsAuthority")
    both = dataclasses.replace(before, authority=ca.authorities(lab.stack()))
    assert both.authority and both.authority.startswith(before.authority or "?")
    assert IN in client(lab, both, tmp_path)
    with nobody_notices(lab):
        assert scripts_run(lab.up()) == on_both("server", "tls")
    assert IN in client(lab, both, tmp_path)
    assert says(NOT_TRUSTED, client(lab, before, tmp_path))
    assert ca.authorities(lab.stack()) == lab.outputs()["ca"] == both.authority.removeprefix(before.authority or "")


@pytest.mark.long
def test_a_certificate_of_ones_own(lab: Lab, tmp_path: Path) -> None:
    """Clients come by its name; without it the stack's is back."""
    maker = Maker(datetime.now(UTC))
    root = maker.authority("root")
    middle = maker.authority("middle", root)
    server = maker.server(middle, ["db.example.org"])
    way = Way(lab.outputs()["endpoint"]["host"], "db.example.org", root.pem)
    engine = lab.engine()
    engine.set_secret("ownCertificate", bundle(server, middle, root))
    with nobody_notices(lab):
        assert scripts_run(lab.up()) == on_both("server", "tls", "endpoint")
    assert "--host db.example.org " in lab.outputs()["connect"]
    for client in (_of_pymysql, _of_mysql2):
        assert IN in client(lab, way, tmp_path)
    engine.forget("ownCertificate")
    lab.up(MADE_WITH)
    assert IN in CLIENTS[0](lab, way_of(lab), tmp_path)


def bundle(server: Made, *issuers: Made) -> str:
    return "".join([server.key, server.pem, *(issuer.pem for issuer in issuers)])


@pytest.mark.long
def test_drift_shows_no_key(lab: Lab) -> None:
    """Of a file that somebody has changed, and of a server that shows another certificate."""
    node = service.serving(lab)
    key = node.run(f"sed --quiet '/PRIVATE KEY/,$ p' {_FILE}").splitlines()[3]
    node.run(f"sed --in-place '$ d' {_FILE}")
    run = trial.command_line(lab, "drift", timeout=300)
    assert f"{_FILE}: differs (it is a secret, and not shown)" in run.stdout, run.stdout + run.stderr
    assert key not in run.stdout
    for script in scripts(lab, node).values():
        assert script.run(node).returncode == 0
    run = trial.command_line(lab, "drift", timeout=300)
    assert run.returncode == 0, run.stdout
