"""Corosync's token and key."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Annotated

import pulumi

from components.settings.given import between, given, hidden, number, optional, secret
from components.settings.mistake import Mistake
from components.settings.section import Section


@dataclass(frozen=True)
class CorosyncKey:
    """Corosync's key.

    Args:
        content: base64 of 256 random bytes, secret.
        file: a name for its file that tells one key from another and nothing of the key itself.
    """

    content: pulumi.Output[str]
    file: str


def _corosync_key(value: str) -> CorosyncKey:
    value = "".join(value.split())
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Mistake("is not base64") from None
    # As many as corosync-keygen makes.
    if len(key) != 256:
        raise Mistake(f"is base64 of {len(key)} bytes; 256 are needed")
    # Of 256 random bytes 162 are different on average.
    if len(set(key)) < 100:
        raise Mistake("is not random")
    return CorosyncKey(hidden(value), key_file(value))


def key_file(value: str) -> str:
    """Return the name of a key's file, of its base64: of 256 random bytes a part of the hash betrays nothing."""
    return f"authkey-{hashlib.sha256(base64.b64decode(value)).hexdigest()[:16]}"


def _token(value: str) -> int:
    return between(1000, 60000, "milliseconds")(number(value))


class MembershipSection(Section):
    corosync_token_ms: Annotated[int | None, given(optional(_token))]
    corosync_key: Annotated[CorosyncKey, given(secret, _corosync_key)]
