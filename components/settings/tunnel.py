"""The tunnel that the replication's traffic goes through, WireGuard's: its keys, and what follows from them."""

import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from components import ports
from components.settings.mistake import Mistake

_KEY_BYTES = 32


@dataclass(frozen=True)
class End:
    """A node's end of the tunnel.

    Args:
        address: its IPv4 address within the tunnel.
        public_key: base64.
        private_key: base64.
    """

    address: str
    public_key: str
    private_key: str = field(repr=False)


@dataclass(frozen=True)
class Tunnel:
    """The tunnel between the nodes, as `wg` knows it.

    For as long as the keys are being changed there are two, the one before and this one. So a pair of keys has one of
    two ports, and the interface that is called by it.

    Args:
        ends: the first node's and the second's.
        port: UDP port of both ends, one of `ports.WIREGUARD`.
        preshared_key: base64. What is recorded today stays secret if the others can be computed one day.
    """

    ends: tuple[End, End]
    port: int
    preshared_key: str = field(repr=False)

    @property
    def interface(self) -> str:
        return interface(self.port)


def interface(port: int) -> str:
    """Return the name of the interface of the tunnel with a port."""
    return f"drbd-{port}"


def read_tunnel(keys: Sequence[str]) -> Tunnel:
    """Return the tunnel that has these keys.

    Args:
        keys: the private keys of both nodes and the preshared one, base64 of 32 bytes each, as `wg genkey` writes them.

    Raises:
        Mistake: they are not that.
    """
    if len(keys) != 3:
        raise Mistake(f"has {len(keys)} keys; 3 are needed: one of each node, and a preshared one")
    if len({*keys}) != len(keys):
        raise Mistake("has the same key twice")
    first, second, _ = (_read(key) for key in keys)
    publics = [X25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw() for key in (first, second)]
    one, other = (
        End(address, base64.b64encode(public).decode(), private)
        for address, private, public in zip(ports.TUNNEL_ADDRESSES, keys, publics, strict=False)
    )
    return Tunnel((one, other), ports.WIREGUARD[publics[0][0] % 2], keys[2])


def make_keys(before: Sequence[str] = ()) -> list[str]:
    """Make the keys of a tunnel.

    Args:
        before: those that the machines have; the new tunnel has another port, so that both can be there for a while.

    Raises:
        Mistake: those before are none.
    """
    taken = read_tunnel(before).port if before else None
    while True:
        keys = [base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() for _ in range(3)]
        if read_tunnel(keys).port != taken:
            return keys


def _read(key: str) -> bytes:
    try:
        read = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        read = b""
    # WireGuard takes a key in this spelling only.
    if len(read) != _KEY_BYTES or base64.b64encode(read).decode() != key:
        raise Mistake(f"has a key that is not base64 of {_KEY_BYTES} bytes, as wg genkey writes it")
    return read
