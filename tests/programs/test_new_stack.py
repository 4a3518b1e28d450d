"""A new stack gets every secret, an old one keeps its own; none is ever on a command line."""

import base64
import json
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from components import ports
from components.checkout import CHECKOUT
from components.settings import sshkeys
from components.settings.load import load
from components.settings.names import cluster_name
from components.settings.tunnel import read_tunnel
from operations import new_stack, rotate
from operations.cli import Cli, CliError
from operations.stack_secrets import FilledSecrets, StackSecretsError, fill_secrets, make_ssh_key
from tests.support.stack_configuration import schema, use

PREFIX = "azure-mysql-ha:"
ENCRYPTED = tuple(key for key, declared in schema().items() if declared.get("secret"))
# One is there only while another is changed; one where there are further accounts; the others cannot be made up.
_AT_TIMES = ("sshPreviousPrivateKey", "databaseAccountPasswords", "ownCertificate", "alertWebhook")
SECRETS = tuple(key for key in ENCRYPTED if key not in _AT_TIMES)

# What `pulumi` does as far as new_stack needs it. Each call is noted; base64 stands for encryption.
CLI = r"""#!/bin/sh -eu
printf '%s\n' "$*" >>"$FAKE/calls"
if [ -e "$FAKE/fail" ]; then
    echo "error: incorrect passphrase" >&2
    exit 1
fi
case "$1 $2" in
"stack ls")
    echo "[$(paste -sd, "$FAKE/stacks")]"
    ;;
"stack init")
    test -e Pulumi.yaml
    echo "{\"name\": \"$3\", \"resourceCount\": 0}" >>"$FAKE/stacks"
    file=Pulumi.$3.yaml
    test -e "$file" || echo config: >"$file"
    sed -i '1i encryptionsalt: v1:salt' "$file"
    ;;
"config "*)
    verb=$2 key=$3 file=
    while [ "$file" != --config-file ]; do
        file=$4
        shift
    done
    if [ "$verb" = get ]; then
        sed -n "s/^  $key: {secure: \(.*\)}/\1/p" "$4" | base64 --decode
        exit
    fi
    sed -i "/^  $key:/d" "$4"
    printf '  %s: {secure: %s}\n' "$key" "$(base64 --wrap=0)" >>"$4"
    ;;
*)
    exit 9
    ;;
esac
"""


class FakeCli:
    """A stand-in of the Pulumi CLI in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "pulumi"
        self.path.write_text(CLI)
        self.path.chmod(0o755)
        (folder / "stacks").touch()

    @property
    def calls(self) -> str:
        return (self.folder / "calls").read_text()

    def on(self, config_file: Path, stack: str = "trial") -> Cli:
        """Return the wrapper of it on a stack."""
        return Cli(stack, str(self.path), config_file, {**os.environ, "FAKE": str(self.folder)})

    def fill(self, config_file: Path, stack: str = "trial") -> FilledSecrets:
        return fill_secrets(self.on(config_file, stack))


@pytest.fixture
def cli(tmp_path: Path) -> FakeCli:
    folder = tmp_path / "cli"
    folder.mkdir()
    return FakeCli(folder)


def settings_of(config_file: Path) -> dict[str, Any]:
    config = yaml.safe_load(config_file.read_text())["config"]
    return {key.removeprefix(PREFIX): value for key, value in config.items()}


def decrypted(config_file: Path) -> dict[str, Any]:
    values = settings_of(config_file)
    return {
        key: base64.b64decode(value["secure"]).decode() if key in ENCRYPTED else value for key, value in values.items()
    }


def test_a_new_stack_gets_every_secret(cli: FakeCli, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.trial.yaml"
    new_stack.begin_stack_file(Cli("trial", config_file=file), CHECKOUT / "Pulumi.dev.yaml")
    assert cli.fill(file) == FilledSecrets(made=SECRETS, kept=())
    # What was made is what settings asks for, as the engine hands it over.
    settings = load(use(decrypted(file)))
    assert settings.names.cluster_name == "mysql-trial"
    assert settings.names.tags == {"environment": "trial"}
    assert yaml.safe_load(file.read_text())["encryptionsalt"] == "v1:salt"


def test_no_secret_is_on_a_command_line(cli: FakeCli, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.trial.yaml"
    cli.fill(file)
    made = decrypted(file)
    assert set(made) == set(SECRETS)
    assert cli.calls.count("config set") == len(SECRETS)
    assert not any(part in cli.calls for secret in made.values() for part in secret.split() if len(part) > 20)


def test_nothing_is_ever_overwritten(cli: FakeCli, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.trial.yaml"
    cli.fill(file)
    before = file.read_text()
    assert cli.fill(file) == FilledSecrets(made=(), kept=SECRETS)
    assert file.read_text() == before

    # Host keys of two nodes, from before there was a witness.
    older = json.dumps(json.loads(decrypted(file)["sshHostKeys"])[:2])
    line = f"  {PREFIX}sshHostKeys: {{secure: {base64.b64encode(older.encode()).decode()}}}"
    file.write_text("\n".join(line if "sshHostKeys" in each else each for each in before.splitlines()) + "\n")
    assert cli.fill(file).made == ("sshHostKeys",)
    whole = json.loads(decrypted(file)["sshHostKeys"])
    assert len(whole) == len(set(whole)) == 3
    assert whole[:2] == json.loads(older)
    file.write_text(before)

    # Half of them, as an interrupted run leaves it.
    content = yaml.safe_load(before)
    lines = [line for line in before.splitlines() if not any(f"{PREFIX}{key}:" in line for key in SECRETS[3:])]
    file.write_text("\n".join(lines) + "\n")
    assert cli.fill(file) == FilledSecrets(made=SECRETS[3:], kept=SECRETS[:3])
    for key in SECRETS[:3]:
        assert settings_of(file)[key] == content["config"][PREFIX + key]


@pytest.mark.parametrize("key", [key for key in SECRETS if key != "sshHostKeys"])
def test_a_secret_is_changed(key: str, cli: FakeCli, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.trial.yaml"
    cli.fill(file)
    before = decrypted(file)
    rotate.rotate(cli.on(file), key)
    after = decrypted(file)
    previous = {"sshPreviousPrivateKey": before[key].rstrip("\n")} if key == "sshPrivateKey" else {}
    assert {name: value.rstrip("\n") for name, value in after.items() if before.get(name) != value} == {
        key: after[key].rstrip("\n"),
        **previous,
    }
    load(use(after | {"adminCidrs": ["10.0.0.0/8"], "clientCidrs": ["10.0.0.0/8"]}))
    assert not any(part in cli.calls for secret in after.values() for part in secret.split() if len(part) > 20)


def test_the_administrators_key_is_changed_once_at_a_time(cli: FakeCli, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.trial.yaml"
    cli.fill(file)
    rotate.rotate(cli.on(file), "sshPrivateKey")
    before = file.read_text()
    with pytest.raises(
        StackSecretsError, match=r"is already being changed: .*pulumi config rm azure-mysql-ha:sshPrevious"
    ):
        rotate.rotate(cli.on(file), "sshPrivateKey")
    assert file.read_text() == before

    # As an interrupted run leaves it: the key before is kept, and still in use.
    key = next(line for line in before.splitlines() if "sshPreviousPrivateKey:" in line).replace("Previous", "")
    half = [key if f"{PREFIX}sshPrivateKey:" in line else line for line in before.splitlines()]
    file.write_text("\n".join(half) + "\n")
    previous = decrypted(file)["sshPreviousPrivateKey"]
    rotate.rotate(cli.on(file), "sshPrivateKey")
    assert decrypted(file)["sshPreviousPrivateKey"].strip() == previous.strip()
    assert decrypted(file)["sshPrivateKey"].strip() != previous.strip()


ACCOUNTS = f"""config:
  {PREFIX}databaseAccounts:
    reports: {{database: app, rights: readOnly}}
"""


def test_further_accounts_get_a_password_each(cli: FakeCli, tmp_path: Path) -> None:
    """Those that have one keep it, and one is changed alone."""
    file = tmp_path / "Pulumi.trial.yaml"
    file.write_text(ACCOUNTS)
    assert cli.fill(file).made == (*SECRETS, "databaseAccountPasswords.reports")
    reports = json.loads(decrypted(file)["databaseAccountPasswords"])["reports"]
    file.write_text(file.read_text().replace("  reports:", "  loader: {database: app, rights: owner}\n    reports:"))
    filled = cli.fill(file)
    assert filled.made == ("databaseAccountPasswords.loader",)
    assert filled.kept == (*SECRETS, "databaseAccountPasswords.reports")
    load(use(decrypted(file) | {"adminCidrs": ["10.0.0.0/8"], "clientCidrs": ["10.0.0.0/8"]}))

    before = json.loads(decrypted(file)["databaseAccountPasswords"])
    assert before["reports"] == reports
    rotate.rotate(cli.on(file), "databaseAccountPasswords.loader")
    after = json.loads(decrypted(file)["databaseAccountPasswords"])
    assert after["reports"] == reports and after["loader"] != before["loader"]
    assert not any(password in cli.calls for password in (*before.values(), *after.values()))
    with pytest.raises(StackSecretsError, match=r"no such secret; .*, databaseAccountPasswords\.loader, databaseAcc"):
        rotate.rotate(cli.on(file), "databaseAccountPasswords.nobody")


def test_passwords_that_are_none(cli: FakeCli, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.trial.yaml"
    file.write_text(ACCOUNTS)
    cli.on(file).set_secret("databaseAccountPasswords", "a-text-of-somebody")
    with pytest.raises(StackSecretsError, match=r"^databaseAccountPasswords is not an object \(name: value\)$"):
        cli.fill(file)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (
            "sshHostKeys",
            "sshHostKeys cannot be changed: a machine gets its host key when it is made; those that can: ssh",
        ),
        ("databaseName", "databaseName cannot be changed: there is no such secret"),
    ],
)
def test_what_cannot_be_changed_is_told(key: str, told: str, cli: FakeCli, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.trial.yaml"
    cli.fill(file)
    with pytest.raises(StackSecretsError, match=told):
        rotate.rotate(cli.on(file), key)


def test_other_keys_of_the_tunnel_are_for_the_other_port(cli: FakeCli, tmp_path: Path) -> None:
    """So that the tunnel before is there until both nodes have the new one."""
    file = tmp_path / "Pulumi.trial.yaml"
    cli.fill(file)
    keys = [json.loads(decrypted(file)["replicationKeys"])]
    for _ in range(3):
        rotate.rotate(cli.on(file), "replicationKeys")
        keys.append(json.loads(decrypted(file)["replicationKeys"]))
    one, other = (read_tunnel(each).port for each in keys[:2])
    assert {one, other} == {*ports.WIREGUARD}
    assert [read_tunnel(each).port for each in keys] == [one, other, one, other]
    assert len({key for each in keys for key in each}) == 12


def test_keys_that_are_none_are_not_taken_for_some(cli: FakeCli, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.trial.yaml"
    cli.fill(file)
    for value, told in (('["a"]', "replicationKeys has 1 keys; 3"), ("a", "replicationKeys is not a list")):
        cli.on(file).set_secret("replicationKeys", value)
        with pytest.raises(StackSecretsError, match=told):
            rotate.rotate(cli.on(file), "replicationKeys")


def test_a_secret_that_is_not_there_is_not_changed(cli: FakeCli, tmp_path: Path) -> None:
    with pytest.raises(StackSecretsError, match=r"has no drbdSecret yet: make stack STACK=trial makes it"):
        rotate.rotate(cli.on(tmp_path / "Pulumi.trial.yaml"), "drbdSecret")


def test_two_stacks_share_no_secret(cli: FakeCli, tmp_path: Path) -> None:
    one, two = tmp_path / "Pulumi.one.yaml", tmp_path / "Pulumi.two.yaml"
    cli.fill(one, "one")
    cli.fill(two, "two")
    assert not set(decrypted(one).values()) & set(decrypted(two).values())


def test_a_lost_stack_file_is_not_made_anew_for_a_stack_that_runs(cli: FakeCli, tmp_path: Path) -> None:
    (cli.folder / "stacks").write_text('{"name": "trial", "resourceCount": 42}')
    file = tmp_path / "Pulumi.trial.yaml"
    file.write_text("config:\n")
    with pytest.raises(StackSecretsError, match=r"stack trial has 42 resources, but .* has none"):
        cli.fill(file)
    assert file.read_text() == "config:\n"


def test_the_tracked_file_is_not_touched(cli: FakeCli, tmp_path: Path) -> None:
    before = (CHECKOUT / "Pulumi.lab.yaml").read_text()
    file = tmp_path / "Pulumi.lab.yaml"
    file.write_text(before)
    cli.fill(file, "lab")
    assert (CHECKOUT / "Pulumi.lab.yaml").read_text() == before


def test_what_the_cli_says_is_told(cli: FakeCli, tmp_path: Path) -> None:
    (cli.folder / "fail").touch()
    with pytest.raises(CliError, match=r"^pulumi stack ls: error: incorrect passphrase; PULUMI_CONFIG_PASS"):
        cli.fill(tmp_path / "Pulumi.trial.yaml")


def test_a_missing_cli_is_told(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"there is no program .*: put the Pulumi CLI on PATH"):
        fill_secrets(Cli("trial", str(tmp_path / "pulumi"), tmp_path / "Pulumi.trial.yaml"))


def test_keys_are_made_in_a_private_folder_that_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modes: list[int] = []
    run = subprocess.run

    def watched(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        modes.append(stat.S_IMODE(Path(command[-1]).parent.stat().st_mode))
        return cast(subprocess.CompletedProcess[str], run(command, **options))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", watched)
    sshkeys.parse(make_ssh_key())
    assert modes == [0o700]
    assert not list(tmp_path.iterdir())


def test_the_command(
    cli: FakeCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE", str(cli.folder))
    file = tmp_path / "Pulumi.trial.yaml"
    arguments = ["--stack", "trial", "--config-file", str(file), "--pulumi", str(cli.path)]
    assert new_stack.main(arguments) == 0
    said = capsys.readouterr().out
    assert "Pulumi.trial.yaml: copied from Pulumi.dev.yaml" in said
    assert all(f"{key}: made" in said for key in SECRETS)
    assert "pulumi config get azure-mysql-ha:databasePassword --stack trial" in said
    assert "put your own networks into adminCidrs and clientCidrs" in said
    assert not any(decrypted(file)[key] in said for key in SECRETS)

    assert new_stack.main(arguments) == 0
    said = capsys.readouterr().out
    assert all(f"{key}: kept" in said for key in SECRETS)
    assert "begun" not in said

    assert (
        new_stack.main(["--stack", "trial", "--config-file", str(tmp_path / "Pulumi.x.yaml"), "--from", "nowhere"]) == 1
    )
    assert "there is no Pulumi.nowhere.yaml to copy from" in capsys.readouterr().err


def test_the_command_that_changes_a_secret(
    cli: FakeCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE", str(cli.folder))
    file = tmp_path / "Pulumi.trial.yaml"
    cli.fill(file)
    arguments = ["--stack", "trial", "--config-file", str(file), "--pulumi", str(cli.path), "sshPrivateKey"]
    assert rotate.main(arguments) == 0
    said = capsys.readouterr().out
    assert "sshPrivateKey: changed in Pulumi.trial.yaml. Now: pulumi up --stack trial" in said
    assert "pulumi config rm azure-mysql-ha:sshPreviousPrivateKey --stack trial" in said
    assert rotate.main(arguments) == 1


@pytest.mark.parametrize(
    ("stack", "cluster"),
    [("prod", "mysql-prod"), ("acme/Prod_EU.1", "mysql-prod-eu-1"), ("x" * 60, "mysql-" + "x" * 27)],
)
def test_cluster_names(stack: str, cluster: str, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    new_stack.begin_stack_file(Cli(stack, config_file=file), CHECKOUT / "Pulumi.dev.yaml")
    assert settings_of(file)["clusterName"] == cluster
    cluster_name(cluster)


@pytest.mark.parametrize("source", ["dev", "staging", "prod"])
def test_a_stack_from_any_other_works(source: str, cli: FakeCli, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.copy.yaml"
    new_stack.begin_stack_file(Cli("copy", config_file=file), CHECKOUT / f"Pulumi.{source}.yaml")
    cli.fill(file)
    settings = load(use(decrypted(file)))
    assert settings.names.cluster_name == "mysql-copy"
    assert settings.disks.protect_data
    assert (not settings.machines.zones) == (source == "dev")
    assert settings.disks.deletion_lock == (source == "prod")


def test_what_belongs_to_one_cluster_is_not_taken_over(tmp_path: Path) -> None:
    source, file = tmp_path / "Pulumi.old.yaml", tmp_path / "Pulumi.new.yaml"
    kept = {"existingResourceGroup": "data", "existingSubnetId": "/subscriptions/…/subnets/s", "subnet": "10.9.0.0/24"}
    own: dict[str, Any] = {
        "nodeNames": ["a", "b"],
        "nodeAddresses": ["10.9.0.7", "10.9.0.8"],
        "witnessAddress": "10.9.0.9",
        "dnsLabel": "shop",
        "privateDnsName": "db.shop.internal",
        "existingPrivateDnsZoneId": "/subscriptions/…/privateDnsZones/shop.internal",
        "existingBackupStorageAccountId": "/subscriptions/…/storageAccounts/old",
        "restoreFrom": "/subscriptions/…/storageAccounts/older",
        "restoreTo": "latest",
        "deleteDataDisks": ["disk-a-data"],
    }
    own |= {key: {"secure": "of the other stack"} for key in ENCRYPTED}
    source.write_text(yaml.safe_dump({"config": {PREFIX + key: value for key, value in (kept | own).items()}}))
    new_stack.begin_stack_file(Cli("new", config_file=file), source)
    assert settings_of(file) == kept | {"clusterName": "mysql-new"}
    assert new_stack.shares_a_subnet(file) and not new_stack.shares_a_subnet(source)


def test_sizes_and_protection_are_not_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    new_stack.begin_stack_file(Cli("prod", config_file=file), CHECKOUT / "Pulumi.dev.yaml")
    assert {"vmSize", "dataDiskSizeGb", "dataDiskSku", "protectData"}.isdisjoint(settings_of(file))


def test_a_key_is_on_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh-keygen writes it into a pipe."""
    real, keygen = shutil.which("ssh-keygen"), tmp_path / "ssh-keygen"
    keygen.write_text(f'#!/bin/sh\nfor file; do :; done\ntest -p "$file" && exec {real} "$@"\n')
    keygen.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    made = {make_ssh_key() for _ in range(2)}
    assert len({sshkeys.parse(key).public for key in made}) == 2
