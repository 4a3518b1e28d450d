"""A stack as it is reached: by the Pulumi CLI, by SSH, by a client; and nothing secret is seen on the way."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from components import certificates
from components.checkout import CHECKOUT
from components.settings import sshkeys
from operations import ca
from operations.cli import Cli, CliError
from operations.error import OperationError
from operations.ssh_agent import Agent
from operations.stack import Stack, host_keys
from tests.support.keys import ssh_key
from tests.support.stack_configuration import throw_away_secrets

SECRETS: dict[str, Any] = throw_away_secrets()
PASSWORD: str = SECRETS["databasePassword"]
OUTPUTS: dict[str, Any] = {
    "endpoint": {"host": "192.0.2.1", "name": "db.example.org", "port": 3306},
    "ca": certificates.read_authority(SECRETS["tlsAuthority"]).certificate,
    "database": {"name": "app", "user": "shop"},
    "ssh": {f"db-{name}": f"ssh -p {port} me@192.0.2.1" for name, port in (("1", 1), ("2", 2), ("witness", 3))},
    "witness": "db-witness",
}
SETTINGS = {
    **{key: value if isinstance(value, str) else json.dumps(value) for key, value in SECRETS.items()},
    "clusterName": "db",
    "nodeNames": "[]",
}

# What `pulumi`, `ssh` and `mariadb` do as far as it matters here. Each notes how it was called.
PROGRAM = """#!{python} -IS
import json, os, pathlib, re, subprocess, sys
folder, words = pathlib.Path("{folder}"), sys.argv[1:]
name = pathlib.Path(sys.argv[0]).name
with (folder / "calls").open("a") as file:
    file.write(name + " " + " ".join(words) + "\\n")
with (folder / "environments").open("a") as file:
    file.write(repr(dict(os.environ)) + "\\n")
if name == "pulumi":
    what = " ".join(words[:2])
    if what == "stack --show-name":
        print("trial")
    elif (folder / what).exists():
        print((folder / what).read_text())
    else:
        sys.exit("error: no " + what)
elif words == ["--version"]:
    print((folder / "version").read_text())
elif name == "mariadb":
    (authority,) = (word.partition("=")[2] for word in words if word.startswith("--ssl-ca="))
    (folder / "authority").write_text(open(authority).read())
    (file,) = (word.partition("=")[2] for word in words if word.startswith("--defaults-extra-file="))
    print(open(file).read() + sys.stdin.read())
else:
    (agent,) = (word.partition("=")[2] for word in words if word.startswith("-oIdentityAgent="))
    asked = {{**os.environ, "SSH_AUTH_SOCK": agent}}
    has = subprocess.run(["ssh-add", "-L"], env=asked, capture_output=True, text=True)
    (known,) = (word.partition("=")[2] for word in words if word.startswith("-oUserKnownHostsFile="))
    print(has.stdout.replace(" (stdin)", "") + open(known).read() + sys.stdin.read())
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's programs, and a stack for them."""
    for name in ("pulumi", "ssh", "mariadb"):
        (tmp_path / name).write_text(PROGRAM.format(python=sys.executable, folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    (tmp_path / "stack output").write_text(json.dumps(OUTPUTS))
    (tmp_path / "version").write_text("mariadb  Ver 15.1 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)")
    config = {f"azure-mysql-ha:{key}": {"value": value} for key, value in SETTINGS.items()}
    (tmp_path / "config --json").write_text(json.dumps({**config, "azure-native:location": {"value": "x"}}))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def run(module: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as a person does, with a text piped into it."""
    command = [sys.executable, "-m", f"operations.{module}", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, input=text, capture_output=True, text=True, timeout=60, check=False)


def secret_lines() -> set[str]:
    """Return a telling line of each secret."""
    keys = [SECRETS["sshPrivateKey"], *SECRETS["sshHostKeys"], SECRETS["tlsAuthority"], SECRETS["tlsCertificate"]]
    return {PASSWORD, *(key.strip().splitlines()[-3] for key in keys)}


def nothing_is_seen(desk: Path) -> None:
    """Hold command lines and environments of all that was run against the secrets."""
    seen = (desk / "calls").read_text() + (desk / "environments").read_text()
    assert [line for line in secret_lines() if line in seen] == []


def test_the_cli_says_what_there_is(desk: Path) -> None:
    stack = Stack(Cli("prod"))
    assert stack.outputs == OUTPUTS and stack.settings == SETTINGS
    assert [node.name for node in stack.nodes] == ["db-1", "db-2"]
    assert [node.name for node in stack.machines] == ["db-1", "db-2", "db-witness"]
    calls = (desk / "calls").read_text().splitlines()
    assert calls == [
        "pulumi stack output --json --stack prod --non-interactive",
        "pulumi config --json --show-secrets --stack prod --non-interactive",
    ], "each is asked once"


def test_the_cli_on_a_stack(desk: Path) -> None:
    cli = Cli("us/prod", config_file=Path("/x/Pulumi.yaml"), prefix=("ip", "netns", "exec", "n"))
    own = ["--stack", "us/prod", "--non-interactive"]
    assert cli.command("up", "--yes") == [*cli.prefix, "pulumi", "up", "--yes", *own, "--config-file", "/x/Pulumi.yaml"]
    assert cli.command("stack", "export") == [*cli.prefix, "pulumi", "stack", "export", *own]
    assert Cli("us/prod").settings_file == CHECKOUT / "Pulumi.prod.yaml"
    with pytest.raises(CliError, match=r"^pulumi config get: error: no config get$"):
        Cli("prod").setting("databasePassword")
    Path(desk / "config set").touch()
    Cli("prod").set_secret("databasePassword", PASSWORD)
    nothing_is_seen(desk)


def test_what_the_cli_says_is_passed_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "pulumi"
    program.write_text('#!/bin/sh\necho "$@"; echo two >&2; exit 7\n')
    program.chmod(0o755)
    code, said = Cli("prod", str(program), environment={"PATH": "/usr/bin:/bin"}).pass_on("preview", "--diff")
    assert (code, said) == (7, "preview --diff --stack prod --non-interactive --color never\ntwo\n")
    assert capfd.readouterr().out == said


def test_a_stack_without_a_cluster(desk: Path) -> None:
    (desk / "stack output").write_text("{}")
    with pytest.raises(OperationError, match=r"^stack prod has no cluster yet; to make it: pulumi up --stack prod$"):
        _ = Stack(Cli("prod")).outputs
    for module in ("status", "mysql", "ssh", "logs"):
        done = run(module, "--stack", "prod")
        assert (done.returncode, done.stderr) == (
            1,
            f"{module}: stack prod has no cluster yet; to make it: pulumi up --stack prod\n",
        )


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], ["db-1", "db-2", "db-witness"]), (["left", "a"], ["left", "a", "db-witness"])],
)
def test_host_keys_go_by_the_settings(names: Sequence[str], expected: Sequence[str]) -> None:
    """And not by the outputs, which the CLI sorts."""
    found = host_keys({**SETTINGS, "nodeNames": json.dumps(names)})
    assert list(found) == expected
    assert list(found.values()) == [sshkeys.parse(key).public for key in SECRETS["sshHostKeys"]]
    older = {**SETTINGS, "sshHostKeys": json.dumps(SECRETS["sshHostKeys"][:2])}
    assert list(host_keys(older)) == ["db-1", "db-2"], "from before there was a witness"


def test_a_shell(desk: Path) -> None:
    """By an agent that has the key, with the host key pinned, and what is piped is run there."""
    done = run("ssh", "--stack", "prod", "db-2", text="uptime")
    assert done.returncode == 0, done.stderr
    public = sshkeys.parse(SECRETS["sshPrivateKey"]).public
    known = [f"{name} {key}" for name, key in host_keys(SETTINGS).items()]
    assert [line.strip() for line in done.stdout.splitlines()] == [public, *known, "uptime"]
    call = (desk / "calls").read_text().splitlines()[-1]
    assert "-oHostKeyAlias=db-2" in call and "-oStrictHostKeyChecking=yes" in call
    assert call.endswith(" -p 2 me@192.0.2.1 bash -s")
    nothing_is_seen(desk)
    for arguments, told in (((), "no machine is named"), (("db-3",), "there is no db-3")):
        done = run("ssh", "--stack", "prod", *arguments)
        assert (done.returncode, done.stderr) == (1, f"ssh: {told}: NODE is one of db-1, db-2, db-witness\n")


def test_while_the_key_is_changed_both_are_tried(desk: Path) -> None:
    config = json.loads((desk / "config --json").read_text())
    config["azure-mysql-ha:sshPreviousPrivateKey"] = {"value": ssh_key()}
    (desk / "config --json").write_text(json.dumps(config))
    shown = run("ssh", "--stack", "prod", "db-1").stdout.splitlines()
    assert [line.strip() for line in shown[:2]] == [
        sshkeys.parse(key).public for key in (SECRETS["sshPrivateKey"], ssh_key())
    ]


def test_a_client(desk: Path) -> None:
    """The password goes through a pipe; the stack is the one that is selected."""
    done = run("mysql", text="select 1")
    assert (done.returncode, done.stdout) == (0, f'[client]\npassword="{PASSWORD}"\nselect 1\n'), done.stderr
    *_, call = (desk / "calls").read_text().splitlines()
    assert call.startswith("mariadb --defaults-extra-file=/dev/fd/")
    assert " --host=192.0.2.1 --port=3306 --protocol=tcp --ssl-ca=/" in call
    assert call.endswith(".pem --ssl-verify-server-cert --user=shop app")
    assert (desk / "authority").read_text() == OUTPUTS["ca"]
    nothing_is_seen(desk)

    (desk / "version").write_text("mysql  Ver 9.7.0 for Linux on x86_64 (Debian)")
    run("mysql")
    assert (desk / "calls").read_text().endswith(".pem --ssl-mode=VERIFY_IDENTITY --user=shop app\n")


def set_up(desk: Path, **changes: str) -> Stack:
    """Return the stack with other settings."""
    config = json.loads((desk / "config --json").read_text())
    changed = {f"azure-mysql-ha:{key}": {"value": value} for key, value in changes.items()}
    (desk / "config --json").write_text(json.dumps(config | changed))
    return Stack(Cli("prod"))


def test_the_authority_that_comes_is_known_before(desk: Path) -> None:
    done = run("ca", "--stack", "prod")
    assert (done.returncode, done.stdout) == (0, OUTPUTS["ca"]), done.stderr
    after = certificates.make_authority()
    assert ca.authorities(set_up(desk, tlsAuthority=after)) == (
        OUTPUTS["ca"] + certificates.read_authority(after).certificate
    )
    (desk / "stack output").write_text(json.dumps({key: each for key, each in OUTPUTS.items() if key != "ca"}))
    done = run("ca", "--stack", "prod")
    assert (done.returncode, done.stderr) == (
        1, "ca: the server of stack prod has no certificate yet; to make it: pulumi up --stack prod\n",
    )  # fmt: skip


def test_nothing_is_left(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = desk / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    for module, arguments in (("ssh", ("db-1",)), ("mysql", ()), ("status", ())):
        run(module, "--stack", "prod", *arguments)
        assert list(temporary.iterdir()) == []


def test_status_of_a_cluster_that_does_not_answer(desk: Path) -> None:
    """In both forms, and with the exit code of an alarm."""
    shown = run("status", "--stack", "prod")
    assert shown.returncode == 1 and shown.stdout.startswith("endpoint  192.0.2.1:3306, served by UNKNOWN\n")
    told = run("status", "--stack", "prod", "--json")
    assert told.returncode == 1
    found = json.loads(told.stdout)
    assert found["serving"] is None and found["witness"]["name"] == "db-witness"
    assert [node["name"] for node in found["nodes"]] == ["db-1", "db-2"]
    assert [f"ALARM     {alarm}" for alarm in found["alarms"]] == shown.stdout.splitlines()[-len(found["alarms"]) :]


def test_a_stack_whose_file_lacks_its_secrets(desk: Path) -> None:
    """As after a clone without the file that has them: Pulumi.yaml's default is empty."""
    for key, empty in (("sshPrivateKey", ""), ("sshHostKeys", "[]")):
        shown = {f"azure-mysql-ha:{name}": {"value": value} for name, value in (SETTINGS | {key: empty}).items()}
        (desk / "config --json").write_text(json.dumps(shown))
        done = run("status", "--stack", "prod")
        assert done.returncode == 1 and done.stderr.startswith(f"status: Pulumi.prod.yaml has no {key}, so no machine")


def test_an_agent_is_kept_for_the_same_keys(desk: Path) -> None:
    one, two = Stack(Cli("prod")).agent, Stack(Cli("prod")).agent
    assert isinstance(one, Agent) and one is two


def test_a_record_that_is_being_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A back end in a folder writes it in place; another refusal is told at once."""
    program = tmp_path / "pulumi"
    program.write_text(
        f"#!/bin/sh\n[ $1 = config ] || {{ echo refused >&2; exit 1; }}\n"
        f"[ -e {tmp_path}/asked ] && echo '{{}}' && exit\n"
        f"touch {tmp_path}/asked; echo 'error: failed to load checkpoint: EOF' >&2; exit 255\n"
    )
    program.chmod(0o755)
    cli = Cli("trial", str(program))
    assert cli.settings() == {}
    with pytest.raises(CliError, match="refused"):
        cli.ask("stack", "export")
    (tmp_path / "asked").unlink()
    monkeypatch.setattr("operations.cli._RECORD_SECONDS", 0)
    with pytest.raises(CliError, match="failed to load checkpoint"):
        cli.settings()
