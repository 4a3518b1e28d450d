"""Who is who: the engine's service principal, and the tokens that it gets.

The identities are the same in every lab, and good for nothing but a lab; the key that signs tokens is each lab's own.
"""

import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from lab.cloud.state import write_private

TENANT = "00000000-0000-0000-0000-00000000000a"
SUBSCRIPTION = "00000000-0000-0000-0000-00000000000b"
CLIENT_ID = "00000000-0000-0000-0000-00000000000c"
CLIENT_SECRET = "lab"
OBJECT_ID = "00000000-0000-0000-0000-00000000000d"
"""The service principal's object, as role assignments name it."""

AUDIENCE = "https://management.azure.com/"
_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
STORAGE = "https://storage.azure.com/"
"""The audience of all storage accounts."""
MONITOR = "https://monitor.azure.com/"
"""The audience of all endpoints that take metrics."""
_ALGORITHM = "HS256"
LIFETIME_SECONDS = 3600


class InvalidToken(Exception):
    """A token is not one of this lab's, or has expired; the text says which."""


@dataclass(frozen=True)
class Principal:
    """Whom a token speaks for."""

    object_id: str
    client_id: str


def identity_of_machine(object_id: str) -> Principal:
    """Return the principal of a machine's own identity.

    Args:
        object_id: its `principalId`; the application follows from it.
    """
    return Principal(object_id, str(uuid.uuid5(uuid.NAMESPACE_OID, object_id)))


class Tokens:
    """Issues and checks bearer tokens: JSON Web Tokens, signed with HMAC-SHA256.

    Args:
        key: at least 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @staticmethod
    def of_lab(path: Path) -> "Tokens":
        """Return the tokens of a lab, whose key is made once."""
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        return Tokens(bytes.fromhex(path.read_text()))

    def issue(self, principal: Principal, audience: str = AUDIENCE, resource: str = "") -> str:
        """Return a token that is good for an hour.

        Args:
            resource: identity of the machine whose own identity the principal is.
        """
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now,
            "nbf": now - 60,
            "exp": now + LIFETIME_SECONDS,
            "appid": principal.client_id,
            "oid": principal.object_id,
            "sub": principal.object_id,
            "tid": TENANT,
            "ver": "1.0",
            **({"xms_mirid": resource} if resource else {}),
        }
        return jwt.encode(claims, self._key, _ALGORITHM)

    def check(self, token: str, audiences: Sequence[str] = _AUDIENCES) -> Principal:
        """Return whom a token speaks for.

        Args:
            audiences: whom it may have been made for; by default Resource Manager.

        Raises:
            InvalidToken: it is no token of this lab, or has expired.
        """
        try:
            claims: Any = jwt.decode(token, self._key, [_ALGORITHM], {"verify_aud": False, "verify_iat": False})
        except jwt.ExpiredSignatureError:
            raise InvalidToken("The access token expiry UTC time is earlier than current UTC time.") from None
        except jwt.InvalidTokenError:
            raise InvalidToken("The access token is invalid.") from None
        if str(claims["aud"]).rstrip("/") not in audiences:
            raise InvalidToken(f"The access token has been obtained for wrong audience '{claims['aud']}'.")
        return Principal(str(claims["oid"]), str(claims["appid"]))
