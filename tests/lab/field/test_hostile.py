"""Hostile passwords, options and tags reach the server as the same texts."""

import pytest

from lab import application
from lab.engine import tracked_settings
from lab.lab import Lab
from tests.lab.field import MADE_WITH, OPTIONS
from tests.support import hostile, trial
from tests.support.bystander import nobody_notices

# Any text, dynamic, and run by nobody but a replica.
OPTION = "init_replica" if trial.DATABASE.server == "mysql" else "init_slave"

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1800)]


def test_they_are_the_same_on_the_node(lab: Lab) -> None:
    """Each option while the server runs, and all that is on disk by what the next start would read."""
    own = lab.engine().settings()["databasePassword"]
    try:
        for value in hostile.OPTIONS:
            with nobody_notices(lab):
                lab.up({"mysqlOptions": {**OPTIONS, OPTION: value}, "tags": hostile.TAGS})
            assert application.query(lab, f"select @@global.{OPTION}") == [(value,)]
            for node in lab.nodes():
                said = node.run(f"{trial.DATABASE.program} --print-defaults")
                assert f" --{OPTION}={value} " in f"{said.rstrip()} "
        for password in hostile.PASSWORDS:
            lab.engine().set_secret("databasePassword", password)
            lab.up()
            assert lab.database_password() == password
            assert application.query(lab, "select 1") == [(1,)]
    finally:
        lab.engine().set_secret("databasePassword", own)
        lab.up({**MADE_WITH, "tags": tracked_settings("lab")["tags"]})
