"""Hostile passwords, options and tags arrive as the same texts: no shell, template or parser changes them."""

import re
import subprocess
from pathlib import Path

import pytest

from components.settings.database import strong
from tests.support.hostile import OPTIONS, PASSWORDS, TAGS
from tests.support.recording import as_sent, record

pytestmark = pytest.mark.xdist_group("recorded")

NAMES = [f"loose_x_{number}" for number in range(len(OPTIONS))]


CHANGES = {"mysqlOptions": dict(zip(NAMES, OPTIONS, strict=True)), "tags": TAGS}


def script(what: str) -> str:
    """Return a script of the first node, in a stack that says the worst."""
    return next(each.inputs["stdin"] for each in record("dev", CHANGES) if each.name == f"mysql-dev-1-{what}")


def function(what: str, name: str) -> str:
    """Return the text of a function of that script."""
    found = re.search(rf"^{name}\(\) \{{.*?^\}}\n", script(what), re.DOTALL | re.MULTILINE)
    assert found, name
    return found[0]


def bash(program: str, *arguments: str, **variables: str) -> str:
    command = ["bash", "-euo", "pipefail", "-c", program, "bash", *arguments]
    environment = {"PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def read_by_server(value: str) -> str:
    """Return what MySQL and MariaDB take from an option file for a value (mysys, `search_default_file_with_ext`)."""
    if value[0] in "'\"" and len(value) > 1 and value[-1] == value[0]:
        value = value[1:-1]
    known = {"b": "\b", "t": "\t", "n": "\n", "r": "\r", "\\": "\\", "s": " ", '"': '"', "'": "'"}
    return re.sub(r"\\(.)", lambda found: known.get(found[1], found[0]), value)


def test_options_in_the_file() -> None:
    written = dict(re.findall(r"^(loose_x_\d+) = (.*)$", script("server"), re.MULTILINE))
    assert [read_by_server(written[name]) for name in NAMES] == [*OPTIONS]


def test_options_of_the_server_that_runs() -> None:
    """As a literal of SQL, in which nothing but a backslash and a quote has to be told."""
    for value in OPTIONS:
        said = bash(f'{function("options", "literal")}literal "$1"', value)
        found = re.fullmatch(r"'((?:[^'\\]|\\\\|\\')*)'", said)
        assert found and re.sub(r"\\(.)", r"\1", found[1]) == value


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_of_the_database(password: str, tmp_path: Path) -> None:
    """In the statement that sets it, and in the client's option file that tries it."""
    assert strong(password) == password
    statement = f'{function("accounts", "with_password")}with_password "ALTER USER a" "$HA_DATABASE_PASSWORD"'
    assert bash(statement, HA_DATABASE_PASSWORD=password) == f"ALTER USER a IDENTIFIED BY '{password}'\n"
    client, told = tmp_path / "client", tmp_path / "told"
    keep = f'case $one in --defaults-extra-file=*) cat "${{one#*=}}" >{told} ;; esac'
    client.write_text(f"#!/bin/bash\nfor one; do {keep}; done\n")
    client.chmod(0o755)
    login = re.sub(r"[/\w]+(?= --defaults-extra-file)", str(client), function("accounts", "logs_in"))
    bash(f'{login}logs_in a "$HA_DATABASE_PASSWORD" ""', HA_DATABASE_PASSWORD=password)
    (line,) = [line.removeprefix("password=") for line in told.read_text().splitlines() if line.startswith("password=")]
    assert read_by_server(line) == password


def test_a_secret_of_drbd() -> None:
    secret = "aB0-_.+/=" * 7
    (line,) = re.findall(r"^  (text=.*HA_DRBD_SECRET.*)$", script("drbd"), re.MULTILINE)
    said = bash(f"text='a \"@HA_DRBD_SECRET@\" b'\n{line}\nprintf '%s' \"$text\"", HA_DRBD_SECRET=secret)
    assert said == f'a "{secret}" b'


def test_tags() -> None:
    tagged = [tags for each in record("dev", CHANGES) if (tags := as_sent(each.inputs.get("tags")))]
    assert len(tagged) > 10 and all(tags == TAGS for tags in tagged)
