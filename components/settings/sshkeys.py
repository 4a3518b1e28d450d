"""OpenSSH's private keys, as far as the settings must understand them."""

import base64
import re
from dataclasses import dataclass

_HEAD = "-----BEGIN OPENSSH PRIVATE KEY-----"
_TAIL = "-----END OPENSSH PRIVATE KEY-----"

# What is between them begins with this (PROTOCOL.key in OpenSSH's source).
_MAGIC = b"openssh-key-v1\0"

# What else people have, by its beginning.
_FOREIGN = {
    "-----BEGIN RSA PRIVATE KEY-----": "an RSA key in PEM form",
    "-----BEGIN DSA PRIVATE KEY-----": "a DSA key in PEM form",
    "-----BEGIN EC PRIVATE KEY-----": "an ECDSA key in PEM form",
    "-----BEGIN PRIVATE KEY-----": "a key in PKCS#8 form",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----": "an encrypted key in PKCS#8 form",
    "PuTTY-User-Key-File-": "a key in PuTTY's form",
    "ssh-": "a public key",
    "ecdsa-": "a public key",
    "sk-": "a public key",
}


class SshKeyError(Exception):
    """A text is no private key of OpenSSH's. The message says what is wrong and quotes nothing."""


@dataclass(frozen=True)
class PrivateKey:
    """What can be read from a private key without its passphrase.

    Args:
        kind: the algorithm's name in SSH, such as "ssh-ed25519".
        public: the line of the public key without a comment, "ssh-ed25519 AAAA...".
    """

    kind: str
    public: str
    encrypted: bool


def parse(text: str) -> PrivateKey:
    """Read a private key in OpenSSH's own form, which ssh-keygen writes by default.

    Raises:
        SshKeyError: it is something else, or damaged.
    """
    lines = text.strip().splitlines()
    if not lines:
        raise SshKeyError("is empty")
    for beginning, name in _FOREIGN.items():
        if lines[0].startswith(beginning):
            raise SshKeyError(f"is {name}, not a private key in OpenSSH's form")
    if lines[0].strip() != _HEAD:
        raise SshKeyError(f"does not begin with {_HEAD}")
    if lines[-1].strip() != _TAIL:
        raise SshKeyError(f"does not end with {_TAIL}; perhaps it was cut off")
    try:
        content = base64.b64decode("".join(line.strip() for line in lines[1:-1]), validate=True)
        return _read(content)
    except (ValueError, _Truncated):  # a ValueError of base64's
        raise SshKeyError("is damaged: there is no key between its first and last line") from None


class _Truncated(Exception):
    pass


def _read(content: bytes) -> PrivateKey:
    if not content.startswith(_MAGIC):
        raise _Truncated
    rest = content[len(_MAGIC) :]
    cipher, rest = _string(rest)
    _key_derivation, rest = _string(rest)
    _options, rest = _string(rest)
    count, rest = _number(rest)
    if count != 1:
        raise SshKeyError(f"holds {count} keys; one is expected")
    public, rest = _string(rest)
    private, rest = _string(rest)
    kind = _string(public)[0].decode("ascii", "replace")
    # RFC 4251, section 6: what a name of an algorithm may be.
    if not re.fullmatch(r"[!-+\--~]{1,64}", kind):
        raise _Truncated
    encrypted = cipher != b"none"
    # Two equal numbers head the private half: by them OpenSSH sees whether it was deciphered.
    if not encrypted and private[:4] != private[4:8]:
        raise _Truncated
    return PrivateKey(kind, f"{kind} {base64.b64encode(public).decode()}", encrypted)


def _number(content: bytes) -> tuple[int, bytes]:
    if len(content) < 4:
        raise _Truncated
    return int.from_bytes(content[:4], "big"), content[4:]


def _string(content: bytes) -> tuple[bytes, bytes]:
    length, rest = _number(content)
    if len(rest) < length:
        raise _Truncated
    return rest[:length], rest[length:]
