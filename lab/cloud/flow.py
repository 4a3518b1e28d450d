"""One client's connection through the balancer: two sockets, and what passes between them."""

import asyncio
import contextlib
import logging
import socket
import struct
from typing import cast

LOG = logging.getLogger("cloud.flows")

_TCP_REPAIR = 19  # linux/tcp.h: a socket closed under repair tells its peer nothing
_TCP_INFO = 11
_SEGMENTS_IN_OFFSET = 140  # struct tcp_info: tcpi_segs_in

_BUFFER_LIMIT = 256 * 1024
"""Bytes that wait for a slow receiver before the sender is made to wait."""


def vanish(connection: socket.socket) -> None:
    """Close a connection without a word to the peer, as a balancer that has no entry for it."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
    connection.close()


def _reset(connection: socket.socket) -> None:
    """Let the next close of a socket be a reset."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class _Side(asyncio.Protocol):
    """One of the two sockets of a flow.  It does not read before both are there."""

    def __init__(self, flow: "Flow") -> None:
        self.flow = flow
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self.closed = False
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_BUFFER_LIMIT)
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if (peer := self._peer()) is not None:
            peer.write(data)

    def eof_received(self) -> bool:
        # Half-closed: what the other side still has to say goes on.
        self.ended = True
        if (peer := self._peer()) is not None and self.other is not None:
            with contextlib.suppress(OSError):
                peer.write_eof()
            if self.other.ended:
                peer.close()
                return False
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.flow.lost(self, exc)

    def pause_writing(self) -> None:
        if (peer := self._peer()) is not None:
            peer.pause_reading()

    def resume_writing(self) -> None:
        if (peer := self._peer()) is not None:
            peer.resume_reading()

    def _peer(self) -> asyncio.Transport | None:
        return self.other.transport if self.other is not None and not self.other.closed else None

    @property
    def socket(self) -> socket.socket | None:
        return self.transport.get_extra_info("socket") if self.transport is not None else None

    def segments(self) -> int:
        """Return how many TCP segments have come in: keep-alives count, which no program sees."""
        sock = self.socket
        if sock is None or sock.fileno() < 0:
            return 0
        try:
            info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _SEGMENTS_IN_OFFSET + 4)
        except OSError:
            return 0
        return struct.unpack_from("=I", info, _SEGMENTS_IN_OFFSET)[0] if len(info) > _SEGMENTS_IN_OFFSET else 0

    def reset(self) -> None:
        """End the connection with a reset."""
        sock = self.socket
        if self.transport is not None and not self.closed:
            if sock is not None and sock.fileno() >= 0:
                _reset(sock)
            self.transport.abort()

    def forget(self) -> None:
        """End the connection without a word to the peer, as a balancer that has lost its entry."""
        sock = self.socket
        if sock is not None and sock.fileno() >= 0 and not self.closed:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        if self.transport is not None:
            self.transport.abort()


class Flow:
    """A connection that is passed on."""

    CONNECT_SECONDS = 20.0

    def __init__(self, source: str, backend: tuple[str, int]) -> None:
        self.source = source
        self.backend = backend
        self.client = _Side(self)
        self.server = _Side(self)
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._segments = -1
        self._rested = 0.0

    async def run(self, connection: socket.socket) -> None:
        """Connect to the machine and pass on until both sides are done.

        Args:
            connection: the client's, accepted; the flow owns it from now on.
        """
        loop = asyncio.get_running_loop()
        outgoing = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            outgoing.setblocking(False)
            # Many flows of one client: a port is chosen when the peer is known, so that it need not be the only one.
            with contextlib.suppress(OSError):
                outgoing.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            outgoing.bind((self.source, 0))
            async with asyncio.timeout(self.CONNECT_SECONDS):
                await loop.sock_connect(outgoing, self.backend)
            for sock in (connection, outgoing):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, TimeoutError) as error:
            LOG.debug("%s to %s: %s", self.source, self.backend, error)
            outgoing.close()
            _reset(connection)
            connection.close()
            return
        except BaseException:
            outgoing.close()
            connection.close()
            raise
        self.client.other, self.server.other = self.server, self.client
        try:
            await loop.connect_accepted_socket(lambda: self.server, outgoing)
            await loop.connect_accepted_socket(lambda: self.client, connection)
            for side in (self.client, self.server):
                if side.transport is not None and not side.closed:
                    side.transport.resume_reading()
            await self._done
        finally:
            self.abort()

    def lost(self, side: _Side, error: Exception | None) -> None:
        """Take note of the end of one side; a reset is passed on as one."""
        other = side.other
        if other is not None and not other.closed and other.transport is not None:
            if error is not None:
                other.reset()
            else:
                other.transport.close()
        if (other is None or other.closed) and not self._done.done():
            self._done.set_result(None)

    def rest(self, seconds: float) -> float:
        """Return for how long the flow has rested."""
        segments = self.client.segments() + self.server.segments()
        self._rested = 0.0 if segments != self._segments else self._rested + seconds
        self._segments = segments
        return self._rested

    def expire(self, reset: bool) -> None:
        """End a flow that has rested too long."""
        for side in (self.client, self.server):
            if reset:
                side.reset()
            else:
                side.forget()

    def abort(self) -> None:
        """End the flow with a reset to both sides."""
        self.expire(reset=True)
