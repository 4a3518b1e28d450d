"""The secrets of a stack: which there are, how each is made, and what a stack has of them.

Secrets reach the Pulumi CLI on standard input, never on a command line.
"""

import base64
import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from components import certificates
from components.settings.tunnel import make_keys
from operations.cli import PROJECT, Cli
from operations.error import OperationError


class StackSecretsError(OperationError):
    """A secret cannot be made or changed; the text says why."""


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
    present = settings_of(cli.settings_file) if cli.settings_file.exists() else {}
    there = tuple(key for key in MAKERS if f"{PROJECT}:{key}" in present)
    resources = cli.resources()
    if resources is None:
        cli.create()
    elif resources and not there:
        raise StackSecretsError(
            f"stack {cli.stack} has {resources} resources, but {cli.settings_file.name} has none of its"
            " secrets; restore that file, since new secrets would not fit the machines that run"
        )
    made: list[str] = []
    for key, make in MAKERS.items():
        if key not in there:
            cli.set_secret(key, make())
        elif key == HOST_KEYS and (whole := _with_all_host_keys(cli.setting(key))):
            cli.set_secret(key, whole)
        else:
            continue
        made.append(key)
    kept = [key for key in MAKERS if key not in made]
    if accounts := accounts_of(present):
        before = passwords(cli, present)
        missing = {name: make_password() for name in accounts if name not in before}
        if missing:
            cli.set_secret(ACCOUNT_PASSWORDS, json.dumps(before | missing))
        made += [f"{ACCOUNT_PASSWORDS}.{name}" for name in missing]
        kept += [f"{ACCOUNT_PASSWORDS}.{name}" for name in accounts if name in before]
    return FilledSecrets(tuple(made), tuple(kept))


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
                raise StackSecretsError("ssh-keygen is missing: install the OpenSSH client") from None
            if run.returncode != 0:
                raise StackSecretsError(f"ssh-keygen: {run.stderr.strip()}")
            return key.read()  # less than a pipe holds (4 KiB at least): nobody had to read before


HOST_KEYS = "sshHostKeys"
SSH_KEY = "sshPrivateKey"
TLS_KEY = "tlsCertificate"
ACCOUNT_PASSWORDS = "databaseAccountPasswords"
TUNNEL_KEYS = "replicationKeys"


def _with_all_host_keys(value: str) -> str | None:
    """Return the list with a host key for each machine, those that it has unchanged; None if it has them all."""
    keys: list[str] = json.loads(value)
    return json.dumps(keys + [make_ssh_key() for _ in range(3 - len(keys))]) if len(keys) < 3 else None


def accounts_of(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of the further accounts that a stack's file has."""
    accounts: object = settings.get(f"{PROJECT}:databaseAccounts")
    return list(cast(dict[str, object], accounts)) if isinstance(accounts, dict) else []


def passwords(cli: Cli, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the further accounts' passwords that a stack has."""
    if f"{PROJECT}:{ACCOUNT_PASSWORDS}" not in settings:
        return {}
    try:
        found: object = json.loads(cli.setting(ACCOUNT_PASSWORDS))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StackSecretsError(f"{ACCOUNT_PASSWORDS} is not an object (name: value)")
    return cast(dict[str, str], found)


def make_password() -> str:
    return secrets.token_urlsafe(24)


# What the sections of components/settings ask of each. 24 bytes are 32 characters, 32 bytes 43.
MAKERS: dict[str, Callable[[], str]] = {
    SSH_KEY: make_ssh_key,
    HOST_KEYS: lambda: _with_all_host_keys("[]") or "",
    "clusterSshKey": make_ssh_key,
    "databasePassword": make_password,
    "tlsAuthority": certificates.make_authority,
    TLS_KEY: certificates.make_key,
    "monitorPassword": make_password,
    "corosyncKey": lambda: base64.b64encode(secrets.token_bytes(256)).decode(),
    TUNNEL_KEYS: lambda: json.dumps(make_keys()),
    "drbdSecret": lambda: secrets.token_urlsafe(32),
}


def settings_of(config_file: Path) -> dict[str, Any]:
    content: object = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    config = cast(dict[str, Any], content).get("config") if isinstance(content, dict) else None
    return config or {}
