"""TLS as our own clients speak it: the server's certificate is of the stack's authority, and for its endpoint."""

import functools
import ssl
from typing import Any

_HANDSHAKE_SECONDS = 5.0
"""Longest wait for a handshake, some milliseconds alone: a machine may be frozen in the middle of it."""


class Context(ssl.SSLContext):
    """What clients are made with, one for all: it holds a certificate to be that of a name, whatever leads there."""

    name: str

    def wrap_socket(self, sock: Any, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        # A client of long patience would wait for a handshake as long as for an answer.
        patience: float | None = sock.gettimeout()
        sock.settimeout(_HANDSHAKE_SECONDS)
        wrapped = super().wrap_socket(sock, *arguments, **{**options, "server_hostname": self.name})
        wrapped.settimeout(patience)
        return wrapped


@functools.cache
def context(authority: str, name: str) -> Context:
    """Return what connects to a server.

    Args:
        authority: the authority's certificate, PEM.
        name: what its certificate must have, a domain name or an address. A lab's endpoint is also at the loopback.
    """
    made = Context(ssl.PROTOCOL_TLS_CLIENT)
    made.name = name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(cadata=authority)
    return made
