"""Makes a stack with every secret that it needs: `python -m operations.new_stack NAME`; changes one: `--rotate KEY`.

Secrets reach the Pulumi CLI on standard input, never on a command line, and what is there already
is never overwritten but by `--rotate`. Run again, it makes what is missing still.
"""

import argparse
import base64
import ipaddress
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from components.checkout import CHECKOUT

PROJECT = "azure-mysql-ha"

# RFC 5737: networks for examples. Where they stand, somebody has to put his own.
_EXAMPLES = tuple(ipaddress.IPv4Network(each) for each in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))

_SIZES = ("vmSize", "osDiskSku", "dataDiskSizeGb", "dataDiskSku", "protectData")

# What two clusters cannot both have in one subnet.
_OF_ONE_CLUSTER = ("nodeNames", "nodeAddresses", "witnessAddress", "endpointAddress")


class NewStackError(Exception):
    """The stack cannot be made; the text says why."""


@dataclass(frozen=True)
class FilledSecrets:
    """What `fill_secrets` did.

    Args:
        made: the secrets that were missing or lacked a part, by key.
        kept: those that were there.
    """

    made: tuple[str, ...]
    kept: tuple[str, ...]


def fill_secrets(pulumi: Path | str, stack: str, config_file: Path, env: Mapping[str, str]) -> FilledSecrets:
    """Make the stack in the back end where it is not there, and every secret that it lacks.

    Args:
        pulumi: the Pulumi CLI.
        stack: the stack's name.
        config_file: its settings; made where it is not there.
        env: the CLI's environment (back end, passphrase).

    Raises:
        NewStackError: the CLI or ssh-keygen failed; or the stack has resources, and the file
            none of its secrets: new ones would not be those of the machines that run.
    """
    cli = _Cli(str(pulumi), stack, config_file.resolve(), env)
    present = _settings_of(config_file) if config_file.exists() else {}
    there = tuple(key for key in _MAKERS if f"{PROJECT}:{key}" in present)
    resources = cli.resources()
    if resources is None:
        cli.init()
    elif resources and not there:
        raise NewStackError(
            f"stack {stack} has {resources} resources, but {config_file.name} has none of its"
            " secrets; bring that file back, since new secrets would not fit what runs"
        )
    made: list[str] = []
    for key, make in _MAKERS.items():
        if key not in there:
            cli.set_secret(key, make())
        elif key == _HOST_KEYS and (whole := _with_all_host_keys(cli.secret(key))):
            cli.set_secret(key, whole)
        else:
            continue
        made.append(key)
    return FilledSecrets(tuple(made), tuple(key for key in _MAKERS if key not in made))


def rotate(pulumi: Path | str, stack: str, config_file: Path, env: Mapping[str, str], key: str) -> None:
    """Put a new value in place of one of a stack's secrets. It counts from the next `pulumi up`.

    Args:
        pulumi: the Pulumi CLI.
        stack: the stack's name.
        config_file: its settings.
        env: the CLI's environment (back end, passphrase).
        key: which one. Of `sshPrivateKey` the value before stays, as `sshPreviousPrivateKey`: by it the machines are
            reached once more.

    Raises:
        NewStackError: the CLI or ssh-keygen failed; there is no such secret, or the stack lacks it; it cannot be
            changed; or its last change has not been ended.
    """
    if key not in _MAKERS or key == _HOST_KEYS:
        can_be = ", ".join(each for each in _MAKERS if each != _HOST_KEYS)
        why = "a machine gets its host key when it is made" if key == _HOST_KEYS else "there is no such secret"
        raise NewStackError(f"{key} cannot be changed: {why}; those that can: {can_be}")
    present = _settings_of(config_file) if config_file.exists() else {}
    if f"{PROJECT}:{key}" not in present:
        raise NewStackError(f"{config_file.name} has no {key} yet: make stack STACK={_short(stack)} makes it")
    cli = _Cli(str(pulumi), stack, config_file.resolve(), env)
    if key == _SSH_KEY:
        before = cli.secret(key)
        # The two are the same where a run was interrupted between the settings below.
        if f"{PROJECT}:{_PREVIOUS_SSH_KEY}" in present and cli.secret(_PREVIOUS_SSH_KEY).strip() != before.strip():
            raise NewStackError(
                f"{key} is being changed already: pulumi up --stack {stack}, and when that has succeeded"
                f" pulumi config rm {PROJECT}:{_PREVIOUS_SSH_KEY} --stack {stack}"
            )
        cli.set_secret(_PREVIOUS_SSH_KEY, before)
    cli.set_secret(key, _MAKERS[key]())


def begin_stack_file(config_file: Path, stack: str, source: Path) -> None:
    """Write a new stack's settings: the plain ones of another stack, with names of its own.

    Its sizes, and whether its data is protected, are not taken over: what was chosen for a small stack would be
    dangerous for a large one. They begin as Pulumi.yaml has them; and so do names and addresses of single machines.

    Args:
        config_file: the new file.
        stack: the new stack's name.
        source: the other stack's file, Pulumi.OTHER.yaml.

    Raises:
        NewStackError: there is no such file.
    """
    if not source.exists():
        raise NewStackError(f"there is no {source.name} to begin with")
    settings = {
        key: value
        for key, value in _settings_of(source).items()
        if key.removeprefix(f"{PROJECT}:") not in (*_MAKERS, _PREVIOUS_SSH_KEY, *_SIZES, *_OF_ONE_CLUSTER)
    }
    label = re.sub(r"[^a-z0-9]+", "-", _short(stack).lower()).strip("-")
    settings[f"{PROJECT}:clusterName"] = f"mysql-{label}"[:33].rstrip("-")
    tags = settings.get(f"{PROJECT}:tags")
    if isinstance(tags, dict) and "environment" in tags:
        settings[f"{PROJECT}:tags"] = {**cast(dict[str, Any], tags), "environment": _short(stack)}
    head = f"# Begun from {source.name}. What can stand here: Pulumi.yaml.\n"
    text = yaml.safe_dump({"config": settings}, sort_keys=False)
    config_file.write_text(head + text, encoding="utf-8")


def networks_to_replace(config_file: Path) -> list[str]:
    """Return the keys of a stack's file whose networks are examples still."""
    found: list[str] = []
    for key in ("adminCidrs", "clientCidrs"):
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


def _make_ssh_key() -> str:
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
                raise NewStackError("ssh-keygen is missing: install OpenSSH's client") from None
            if run.returncode != 0:
                raise NewStackError(f"ssh-keygen: {run.stderr.strip()}")
            return key.read()  # less than a pipe holds (4 KiB at least): nobody had to read before


_HOST_KEYS = "sshHostKeys"
_SSH_KEY = "sshPrivateKey"
_PREVIOUS_SSH_KEY = "sshPreviousPrivateKey"


def _with_all_host_keys(value: str) -> str | None:
    """Return the list with a host key for each machine, those that it has unchanged; None if it has them all."""
    keys: list[str] = json.loads(value)
    return json.dumps(keys + [_make_ssh_key() for _ in range(3 - len(keys))]) if len(keys) < 3 else None


# What components/settings/checks.py asks of each. 24 bytes are 32 characters, 32 bytes 43.
_MAKERS: dict[str, Callable[[], str]] = {
    _SSH_KEY: _make_ssh_key,
    _HOST_KEYS: lambda: _with_all_host_keys("[]") or "",
    "clusterSshKey": _make_ssh_key,
    "databasePassword": lambda: secrets.token_urlsafe(24),
    "corosyncKey": lambda: base64.b64encode(secrets.token_bytes(256)).decode(),
    "drbdSecret": lambda: secrets.token_urlsafe(32),
}


@dataclass(frozen=True)
class _Cli:
    pulumi: str
    stack: str
    config_file: Path
    env: Mapping[str, str]

    def resources(self) -> int | None:
        """Return how many resources the stack has; None if there is no such stack."""
        for each in json.loads(self._run("stack", "ls", "--json")):
            if each["name"] in (self.stack, _short(self.stack)):
                return each.get("resourceCount") or 0
        return None

    def init(self) -> None:
        """Make the stack in the back end."""
        # `stack init` knows no --config-file: it writes what it knows of encryption into
        # Pulumi.STACK.yaml of its project. So it gets a project of its own, and the file's copy.
        with tempfile.TemporaryDirectory(prefix="azure-mysql-ha-") as folder:
            shutil.copy(CHECKOUT / "Pulumi.yaml", folder)
            copy = Path(folder) / f"Pulumi.{_short(self.stack)}.yaml"
            if self.config_file.exists():
                shutil.copy(self.config_file, copy)
            self._run("stack", "init", self.stack, "--no-select", cwd=Path(folder))
            if copy.exists():
                shutil.copy(copy, self.config_file)

    def secret(self, key: str) -> str:
        """Return a secret of the stack's file in clear."""
        target = ["--stack", self.stack, "--config-file", str(self.config_file)]
        return self._run("config", "get", f"{PROJECT}:{key}", *target)

    def set_secret(self, key: str, value: str) -> None:
        """Encrypt a secret into the stack's file."""
        target = ["--stack", self.stack, "--config-file", str(self.config_file)]
        self._run("config", "set", f"{PROJECT}:{key}", "--secret", *target, stdin=value)

    def _run(self, *arguments: str, cwd: Path = CHECKOUT, stdin: str = "") -> str:
        command = [self.pulumi, *arguments, "--non-interactive"]
        try:
            run = subprocess.run(
                command,
                cwd=cwd,
                env=dict(self.env),
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise NewStackError(
                f"there is no program {self.pulumi}: put the Pulumi CLI on PATH, or name it with --pulumi"
            ) from None
        if run.returncode != 0:
            reason = run.stderr.strip() or run.stdout.strip()
            raise NewStackError(f"pulumi {' '.join(arguments[:2])}: {reason}")
        return run.stdout


def _short(stack: str) -> str:
    """Return a stack's name without its organisation, as in the name of its file."""
    return stack.rpartition("/")[2]


def _settings_of(config_file: Path) -> dict[str, Any]:
    content: object = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    config = cast(dict[str, Any], content).get("config") if isinstance(content, dict) else None
    return config or {}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.new_stack",
        description="Make a stack with every secret that it needs; keep those that it has.",
    )
    parser.add_argument("stack", metavar="NAME", help="the stack")
    parser.add_argument("--config-file", type=Path, metavar="FILE", help="its settings (default: Pulumi.NAME.yaml)")
    parser.add_argument(
        "--from",
        dest="source",
        default="dev",
        metavar="OTHER",
        help="stack whose plain settings a new file begins with (default: %(default)s)",
    )
    parser.add_argument("--rotate", metavar="SECRET", help="change this secret of a stack that is there, and no more")
    parser.add_argument("--pulumi", default="pulumi", metavar="CLI", help="the Pulumi CLI")
    options = parser.parse_args(arguments)
    stack = _short(options.stack)
    config_file: Path = options.config_file or CHECKOUT / f"Pulumi.{stack}.yaml"
    try:
        if options.rotate:
            rotate(options.pulumi, options.stack, config_file, os.environ, options.rotate)
            print(f"{options.rotate}: changed in {config_file.name}. Now: pulumi up --stack {options.stack}")
            if options.rotate == _SSH_KEY:
                print(
                    "When that has succeeded, the key before is of no use any more:"
                    f"\n  pulumi config rm {PROJECT}:{_PREVIOUS_SSH_KEY} --stack {options.stack}"
                    f"\n  pulumi up --stack {options.stack}"
                )
            return 0
        if not config_file.exists():
            begin_stack_file(config_file, stack, CHECKOUT / f"Pulumi.{options.source}.yaml")
            print(f"{config_file.name}: begun from Pulumi.{options.source}.yaml")
        filled = fill_secrets(options.pulumi, options.stack, config_file, os.environ)
    except NewStackError as error:
        print(f"new_stack: {error}", file=sys.stderr)
        return 1
    for word, keys in (("kept", filled.kept), ("made", filled.made)):
        for key in keys:
            print(f"{key}: {word}")
    print(f"\nStack {stack} has all its secrets, encrypted in {config_file.name}. To read one:")
    print(f"  pulumi config get {PROJECT}:databasePassword --stack {options.stack}")
    if keys := networks_to_replace(config_file):
        print(f"Before `pulumi up`, put networks of yours into {' and '.join(keys)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
