"""The same program on the lab's other guests: all but the one that the lab's stack names."""

import subprocess
import sys
import time
from collections.abc import Generator

import pytest

from components.checkout import CHECKOUT
from components.settings import operating_system
from lab import application, service
from lab.engine import tracked_settings
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from tests.support import trial

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]  # an image may have to be made first


@pytest.fixture(scope="module", params=trial.guests(tracked_settings("lab")["operatingSystem"]))
def guest(request: pytest.FixtureRequest) -> Generator[tuple[Lab, str]]:
    """A cluster that is up, and the operating system of its nodes."""
    system: str = request.param
    for lab in trial.own_lab(Lab(LabPaths("tguest"))):
        lab.up({"operatingSystem": system})
        lab.progress(f"{system}:\n{lab.progress.summary()}")
        yield lab, system


def test_serves(guest: tuple[Lab, str]) -> None:
    """The cluster is well, its server is the one that the system has, and its log is where it should be."""
    lab, system = guest
    service.wait_until_well(lab)
    node, database = service.serving(lab), operating_system.load(system).database
    [(version,)] = application.query(lab, "select version()")
    assert ("MariaDB" in version) == (database.server == "mariadb")
    assert version.removesuffix("-log") in node.run(f"{database.program} --version")
    lab.progress(f"{system}: {version}")
    assert "ready for connections" in node.run(f"cat {database.error_log}")


def test_command_line_client(guest: tuple[Lab, str]) -> None:
    """The client that `make mysql` opens gets in as well."""
    lab, _ = guest
    told = subprocess.run(
        [sys.executable, "-m", "lab", "--lab", lab.paths.name, "mysql"],
        cwd=CHECKOUT, input="select 6 * 7", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stdout) == (0, "6 * 7\n42\n"), told.stderr


def test_nobody_gets_in_without_proof(guest: tuple[Lab, str]) -> None:
    """No account is open to whoever is on the machine, and root is who is root there."""
    lab, system = guest
    node = service.serving(lab)
    database = operating_system.load(system).database
    client = f"{database.client} --no-defaults --socket={database.socket} --batch --skip-column-names"
    assert node.run(f"{client} --execute='select current_user()'") == "root@localhost\n"
    for account in ("root", "nobody", lab.outputs()["database"]["user"]):
        refused = node.run(f"sudo -u nobody {client} --user={account} --execute='select 1' 2>&1", check=False)
        assert "Access denied" in refused, (account, refused)


def test_other_node_takes_over_in_standby(guest: tuple[Lab, str]) -> None:
    """A row written before `crm node standby` of the serving node is read from the other one, at the same endpoint."""
    lab, system = guest
    application.query(lab, "create table standby (guest varchar(20))", f"insert into standby values ('{system}')")
    left = service.serving(lab)
    begin = time.monotonic()
    left.run(f"crm node standby {left.name}")

    def other_serves() -> bool:
        return lab.status().serving not in (None, left.name) and application.answers(lab)

    wait_until("the other node serving", other_serves, 180)
    lab.progress(f"{system}: standby to answer {time.monotonic() - begin:.0f} s")
    assert application.query(lab, "select * from standby") == [(system,)]
    left.run(f"crm node online {left.name}")
    service.wait_until_well(lab)


def test_nothing_to_do_the_second_time(guest: tuple[Lab, str]) -> None:
    """`pulumi up` again changes nothing, although the other node serves now."""
    lab, _ = guest
    changes = lab.up().changes
    assert set(changes) == {"same"}
