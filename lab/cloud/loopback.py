"""The endpoint on the host's own loopback: a way into the namespace."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from lab.cloud.addresses import OUTSIDE
from lab.cloud.flow import Flow

LOG = logging.getLogger("cloud.loopback")


def open_listener(port: int) -> socket.socket:
    """Open the listener on 127.0.0.1 of the namespace that the process is in now: the host's.

    Args:
        port: the one wanted; where it is taken, the system chooses another. 0 lets it choose.
    """
    for candidate in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if candidate == 0:
                raise
            LOG.warning("127.0.0.1:%d: %s; another port is taken", port, error.strerror)
            continue
        listener.setblocking(False)
        return listener
    raise AssertionError


async def serve(listener: socket.socket, frontend: Callable[[], tuple[str, int] | None]) -> None:
    """Pass every connection on to the balancer, as a client from outside.

    Args:
        frontend: returns address and port of the balancer's rule; None while there is none, and the client is
            turned away.
    """
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                LOG.warning("accept: %s", error)
                await asyncio.sleep(0.1)
                continue
            connection.setblocking(False)
            target = frontend()
            if target is None:
                connection.close()
                continue
            task = asyncio.create_task(Flow(OUTSIDE, target).run(connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(OSError):
            listener.close()
