"""Makes a stack with all its secrets: `python -m operations.new_stack --stack NAME`; `--rotate` changes one.

Secrets reach the Pulumi CLI on standard input, never on a command line, and what is there already
is never overwritten but by `--rotate`. Run again, it makes what is missing still.
"""

import base64
import ipaddress
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from components import certificates
from components.checkout import CHECKOUT, schema
from components.settings.mistake import Mistake
from components.settings.tunnel import make_keys
from operations.cli import PROJECT, Cli
from operations.command import cli_of, exit_code_of, stack_parser
from operations.error import OperationError

# RFC 5737: networks for examples. Where they stand, somebody has to put his own.
_EXAMPLES = tuple(ipaddress.IPv4Network(each) for each in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))

_SIZES = ("vmSize", "osDiskSku", "dataDiskSizeGb", "dataDiskSku", "protectData")

# What two clusters cannot both have: names, addresses, an account for backups; and what was said of one's own data.
_OF_ONE_CLUSTER = (
    *("nodeNames", "nodeAddresses", "witnessAddress", "endpointAddress", "dnsLabel", "privateDnsName"),
    *("backupStorageAccount", "existingBackupStorageAccountId", "restoreFrom", "restoreTo", "deleteDataDisks"),
)


class NewStackError(OperationError):
    """The stack cannot be made; the text says why."""


@dataclass(frozen=True)
class FilledSecrets:
    """What `fill_secrets` did.

    Args:
        made: the secrets that were missing or lacked a part, by key; a further account's password by key and name.
        kept: those that were there.
    """

    made: tuple[str, ...]
    kept: tuple[str, ...]


def fill_secrets(cli: Cli) -> FilledSecrets:
    """Make the stack in the back end where it is not there, and every secret that it lacks.

    Args:
        cli: the Pulumi CLI on the stack; the file of its settings is made where it is not there.

    Raises:
        OperationError: the CLI or ssh-keygen failed; or the stack has resources, and the file
            none of its secrets: new ones would not be those of the machines that run.
    """
    present = _settings_of(cli.settings_file) if cli.settings_file.exists() else {}
    there = tuple(key for key in _MAKERS if f"{PROJECT}:{key}" in present)
    resources = cli.resources()
    if resources is None:
        cli.create()
    elif resources and not there:
        raise NewStackError(
            f"stack {cli.stack} has {resources} resources, but {cli.settings_file.name} has none of its"
            " secrets; restore that file, since new secrets would not fit the machines that run"
        )
    made: list[str] = []
    for key, make in _MAKERS.items():
        if key not in there:
            cli.set_secret(key, make())
        elif key == _HOST_KEYS and (whole := _with_all_host_keys(cli.setting(key))):
            cli.set_secret(key, whole)
        else:
            continue
        made.append(key)
    kept = [key for key in _MAKERS if key not in made]
    if accounts := _accounts_of(present):
        before = _passwords(cli, present)
        missing = {name: _make_password() for name in accounts if name not in before}
        if missing:
            cli.set_secret(_ACCOUNT_PASSWORDS, json.dumps(before | missing))
        made += [f"{_ACCOUNT_PASSWORDS}.{name}" for name in missing]
        kept += [f"{_ACCOUNT_PASSWORDS}.{name}" for name in accounts if name in before]
    return FilledSecrets(tuple(made), tuple(kept))


def rotate(cli: Cli, key: str) -> None:
    """Put a new value in place of one of a stack's secrets. It counts from the next `pulumi up`.

    Args:
        key: which one; a further account's password is `databaseAccountPasswords.NAME`. Of `sshPrivateKey` the value
            before stays, as `sshPreviousPrivateKey`: by it the machines are reached once more.

    Raises:
        OperationError: the CLI or ssh-keygen failed; there is no such secret, or the stack lacks it; it cannot be
            changed; or its last change has not been ended.
    """
    present = _settings_of(cli.settings_file) if cli.settings_file.exists() else {}
    accounts = {f"{_ACCOUNT_PASSWORDS}.{name}": name for name in _accounts_of(present)}
    if key in accounts:
        cli.set_secret(_ACCOUNT_PASSWORDS, json.dumps(_passwords(cli, present) | {accounts[key]: _make_password()}))
        return
    if key not in _MAKERS or key == _HOST_KEYS:
        can_be = ", ".join(each for each in (*_MAKERS, *accounts) if each != _HOST_KEYS)
        why = "a machine gets its host key when it is made" if key == _HOST_KEYS else "there is no such secret"
        raise NewStackError(f"{key} cannot be changed: {why}; those that can: {can_be}")
    if f"{PROJECT}:{key}" not in present:
        raise NewStackError(f"{cli.settings_file.name} has no {key} yet: make stack STACK={cli.short_name} makes it")
    if key == _TLS_KEY and present.get(f"{PROJECT}:{_OWN_CERTIFICATE}"):
        raise NewStackError(
            f"{key} is not in use: {cli.settings_file.name} has {_OWN_CERTIFICATE}; put the new one there"
        )
    if key == _SSH_KEY:
        before = cli.setting(key)
        # The two are the same where a run was interrupted between the settings below.
        if f"{PROJECT}:{_PREVIOUS_SSH_KEY}" in present and cli.setting(_PREVIOUS_SSH_KEY).strip() != before.strip():
            raise NewStackError(
                f"{key} is already being changed: pulumi up --stack {cli.stack}, and when that has succeeded"
                f" pulumi config rm {PROJECT}:{_PREVIOUS_SSH_KEY} --stack {cli.stack}"
            )
        cli.set_secret(_PREVIOUS_SSH_KEY, before)
    cli.set_secret(key, _another_tunnel(cli) if key == _TUNNEL_KEYS else _MAKERS[key]())


def begin_stack_file(cli: Cli, source: Path) -> None:
    """Write a new stack's settings: the plain ones of another stack, with names of its own.

    Its sizes, and whether its data is protected, are not taken over: what was chosen for a small stack would be
    dangerous for a large one. They begin as Pulumi.yaml has them; and so does what two clusters cannot share.

    Args:
        source: the other stack's file, Pulumi.OTHER.yaml.
    """
    if not source.exists():
        raise NewStackError(f"there is no {source.name} to copy from")
    settings = {
        key: value
        for key, value in _settings_of(source).items()
        if key.removeprefix(f"{PROJECT}:") not in (*_secrets(), *_SIZES, *_OF_ONE_CLUSTER)
    }
    label = re.sub(r"[^a-z0-9]+", "-", cli.short_name.lower()).strip("-")
    settings[f"{PROJECT}:clusterName"] = f"mysql-{label}"[:33].rstrip("-")
    tags = settings.get(f"{PROJECT}:tags")
    if isinstance(tags, dict) and "environment" in tags:
        settings[f"{PROJECT}:tags"] = {**cast(dict[str, Any], tags), "environment": cli.short_name}
    head = f"# Copied from {source.name}. Pulumi.yaml lists all settings.\n"
    text = yaml.safe_dump({"config": settings}, sort_keys=False)
    cli.settings_file.write_text(head + text, encoding="utf-8")


def _secrets() -> list[str]:
    """Return the keys of all secrets: encrypted for one stack, they are of no use to another."""
    return [key for key, declared in schema().items() if declared.get("secret")]


def networks_to_replace(config_file: Path) -> list[str]:
    """Return the keys of a stack's file whose networks are examples still."""
    found: list[str] = []
    for key in ("adminCidrs", "clientCidrs", "monitorCidrs"):
        values: object = _settings_of(config_file).get(f"{PROJECT}:{key}")
        if isinstance(values, list) and any(map(_is_example, cast(list[object], values))):
            found.append(key)
    return found


def _is_example(value: object) -> bool:
    try:
        network = ipaddress.IPv4Network(str(value), strict=False)
    except ValueError:
        return False
    return any(network.subnet_of(example) for example in _EXAMPLES)


def make_ssh_key() -> str:
    """Make a private key, Ed25519 in OpenSSH's form; it is on no disk."""
    with tempfile.TemporaryDirectory(prefix="azure-mysql-ha-") as folder:  # of mode 0700
        # ssh-keygen writes a file and nothing else. A pipe with a name is one, and what goes through it is on no disk.
        pipe = Path(folder) / "key"
        os.mkfifo(pipe, mode=0o600)
        with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), encoding="ascii") as key:
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(pipe)]
            overwrite = "y\n"  # it is there, of course
            try:
                run = subprocess.run(command, input=overwrite, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                raise NewStackError("ssh-keygen is missing: install the OpenSSH client") from None
            if run.returncode != 0:
                raise NewStackError(f"ssh-keygen: {run.stderr.strip()}")
            return key.read()  # less than a pipe holds (4 KiB at least): nobody had to read before


_HOST_KEYS = "sshHostKeys"
_SSH_KEY = "sshPrivateKey"
_PREVIOUS_SSH_KEY = "sshPreviousPrivateKey"
_TLS_KEY = "tlsCertificate"
_OWN_CERTIFICATE = "ownCertificate"
_ACCOUNT_PASSWORDS = "databaseAccountPasswords"
_TUNNEL_KEYS = "replicationKeys"


def _with_all_host_keys(value: str) -> str | None:
    """Return the list with a host key for each machine, those that it has unchanged; None if it has them all."""
    keys: list[str] = json.loads(value)
    return json.dumps(keys + [make_ssh_key() for _ in range(3 - len(keys))]) if len(keys) < 3 else None


def _another_tunnel(cli: Cli) -> str:
    """Return keys of a tunnel that can be there beside the one that the stack has."""
    try:
        return json.dumps(make_keys([str(key) for key in json.loads(cli.setting(_TUNNEL_KEYS))]))
    except Mistake as mistake:
        raise NewStackError(f"{_TUNNEL_KEYS} {mistake}") from None
    except (ValueError, TypeError):
        raise NewStackError(f"{_TUNNEL_KEYS} is not a list") from None


def _accounts_of(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of the further accounts that a stack's file has."""
    accounts: object = settings.get(f"{PROJECT}:databaseAccounts")
    return list(cast(dict[str, object], accounts)) if isinstance(accounts, dict) else []


def _passwords(cli: Cli, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the further accounts' passwords that a stack has."""
    if f"{PROJECT}:{_ACCOUNT_PASSWORDS}" not in settings:
        return {}
    try:
        found: object = json.loads(cli.setting(_ACCOUNT_PASSWORDS))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NewStackError(f"{_ACCOUNT_PASSWORDS} is not an object (name: value)")
    return cast(dict[str, str], found)


def _make_password() -> str:
    return secrets.token_urlsafe(24)


# What the sections of components/settings ask of each. 24 bytes are 32 characters, 32 bytes 43.
_MAKERS: dict[str, Callable[[], str]] = {
    _SSH_KEY: make_ssh_key,
    _HOST_KEYS: lambda: _with_all_host_keys("[]") or "",
    "clusterSshKey": make_ssh_key,
    "databasePassword": _make_password,
    "tlsAuthority": certificates.make_authority,
    _TLS_KEY: certificates.make_key,
    "monitorPassword": _make_password,
    "corosyncKey": lambda: base64.b64encode(secrets.token_bytes(256)).decode(),
    _TUNNEL_KEYS: lambda: json.dumps(make_keys()),
    "drbdSecret": lambda: secrets.token_urlsafe(32),
}


def _settings_of(config_file: Path) -> dict[str, Any]:
    content: object = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    config = cast(dict[str, Any], content).get("config") if isinstance(content, dict) else None
    return config or {}


def main(arguments: list[str] | None = None) -> int:
    parser = stack_parser("new_stack", "Make a stack with every secret that it needs; keep those that it has.")
    parser.add_argument(
        "--from",
        dest="source",
        default="dev",
        metavar="OTHER",
        help="stack from which a new file copies its plain settings (default: %(default)s)",
    )
    parser.add_argument("--rotate", metavar="SECRET", help="change this secret of an existing stack, and nothing else")
    options = parser.parse_args(arguments)

    def run() -> int:
        cli = cli_of(options)
        if options.rotate:
            _rotate(cli, options.rotate)
        else:
            _make(cli, options.source)
        return 0

    return exit_code_of("new_stack", run)


def _rotate(cli: Cli, key: str) -> None:
    rotate(cli, key)
    print(f"{key}: changed in {cli.settings_file.name}. Now: pulumi up --stack {cli.stack}")
    if key == _SSH_KEY:
        print(
            "When that has succeeded, the previous key is no longer needed:"
            f"\n  pulumi config rm {PROJECT}:{_PREVIOUS_SSH_KEY} --stack {cli.stack}"
            f"\n  pulumi up --stack {cli.stack}"
        )


def _make(cli: Cli, source: str) -> None:
    file = cli.settings_file
    if not file.exists():
        begin_stack_file(cli, CHECKOUT / f"Pulumi.{source}.yaml")
        print(f"{file.name}: copied from Pulumi.{source}.yaml")
    filled = fill_secrets(cli)
    for word, keys in (("kept", filled.kept), ("made", filled.made)):
        for key in keys:
            print(f"{key}: {word}")
    print(f"\nStack {cli.short_name} has all its secrets, encrypted in {file.name}. To read one:")
    print(f"  pulumi config get {PROJECT}:databasePassword --stack {cli.stack}")
    if keys := networks_to_replace(file):
        print(f"Before `pulumi up`, put your own networks into {' and '.join(keys)}.")


if __name__ == "__main__":
    sys.exit(main())
