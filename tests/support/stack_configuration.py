"""A stack's configuration as the engine hands it to the program, without an engine.

Defaults come from Pulumi.yaml and values from Pulumi.STACK.yaml, merged as
pkg/workspace/config.go of the engine does it; secrets are throw-away ones.
"""

import asyncio
import base64
import functools
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import yaml

from components import certificates, ports
from components.checkout import CHECKOUT, schema
from operations.cli import PROJECT
from operations.stack_secrets import make_ssh_key
from tests.support.keys import tunnel_keys


@functools.cache
def throw_away_secrets() -> dict[str, Any]:
    """Make a value for every secret, once."""
    return {
        "sshPrivateKey": make_ssh_key(),
        "sshHostKeys": [make_ssh_key() for _ in range(3)],
        "clusterSshKey": make_ssh_key(),
        "databasePassword": "Throw-away-" + secrets.token_urlsafe(18),
        "corosyncKey": base64.b64encode(secrets.token_bytes(256)).decode(),
        "replicationKeys": tunnel_keys(ports.WIREGUARD[0]),
        "drbdSecret": secrets.token_urlsafe(32),
        "tlsAuthority": certificates.make_authority(),
        "tlsCertificate": certificates.make_key(),
        "monitorPassword": "Throw-away-" + secrets.token_urlsafe(18),
    }


def stack_settings(stack: str) -> dict[str, Any]:
    """Return the plain settings of a stack: those of Pulumi.STACK.yaml, over the project's defaults."""
    return _defaults() | _stack_values(stack)


def _defaults() -> dict[str, Any]:
    return {key: declared["default"] for key, declared in schema().items()}


@functools.cache
def _stack_values(stack: str) -> dict[str, Any]:
    file = CHECKOUT / f"Pulumi.{stack}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in content.items()}


def use(values: Mapping[str, Any], *, secret: bool = True) -> pulumi.Config:
    """Make these settings the running program's, over the project's defaults.

    Args:
        values: settings, keys without the project's name; a value None takes the key out.
        secret: whether the secrets among them count as encrypted.
    """
    _have_an_event_loop()
    merged = _defaults() | dict(values)
    present = {f"{PROJECT}:{key}": value for key, value in merged.items() if value is not None}
    hidden = [f"{PROJECT}:{key}" for key, declared in schema().items() if declared.get("secret")]
    pulumi.runtime.set_all_config(
        {key: _as_the_engine_writes(value) for key, value in present.items()},
        hidden if secret else [],
    )
    return pulumi.Config(PROJECT)


def _have_an_event_loop() -> None:
    """See to it that there is a loop for outputs, which a test before may have closed."""
    try:
        usable = not asyncio.get_event_loop().is_closed()
    except RuntimeError:
        usable = False
    if not usable:
        asyncio.set_event_loop(asyncio.new_event_loop())


def use_stack(stack: str, changes: Mapping[str, Any] | None = None) -> pulumi.Config:
    """Make a tracked stack's settings the running program's, with throw-away secrets."""
    return use(throw_away_secrets() | _stack_values(stack) | dict(changes or {}))


def _as_the_engine_writes(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, dict)):
        return json.dumps(value, separators=(",", ":"))
    return str(value)


def besides_clear_text(told: Sequence[str]) -> list[str]:
    """Return what is told of a stack, but for the line that each without `replicationEncryption` has."""
    return [line for line in told if "replicationEncryption: off" not in line]
