"""What the lab's own clients make TLS with, against a server of this process."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import tls
from tests.support.brought import Maker

_MAKER = Maker(datetime.now(UTC))
_AUTHORITY = _MAKER.authority("root")


@pytest.fixture
def connected(tmp_path: Path) -> Iterator[socket.socket]:
    """A client's end of a connection whose server shakes hands, and says nothing more."""
    server = _MAKER.server(_AUTHORITY, ["db.example.org"])
    file = tmp_path / "server.pem"
    file.write_text(server.key + server.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    ours, theirs = socket.socketpair()
    held: list[ssl.SSLSocket] = []

    def shake_hands() -> None:
        with contextlib.suppress(ssl.SSLError):  # the client may refuse
            held.append(context.wrap_socket(theirs, server_side=True))

    shaking = threading.Thread(target=shake_hands, daemon=True)
    shaking.start()
    with ours:
        yield ours
    shaking.join(10)
    for each in held:
        each.close()


def test_a_client_stays_as_patient_as_it_was(connected: socket.socket) -> None:
    """PyMySQL sets its time-out once, before the handshake: drills would wait for a dead server without end."""
    connected.settimeout(0.01)
    with tls.context(_AUTHORITY.pem, "db.example.org").wrap_socket(connected) as wrapped:
        assert wrapped.gettimeout() == 0.01
        with pytest.raises(TimeoutError):
            wrapped.recv(1)


def test_the_name_is_the_contexts(connected: socket.socket) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example\.org"):
        tls.context(_AUTHORITY.pem, "other.example.org").wrap_socket(connected, server_hostname="db.example.org")
