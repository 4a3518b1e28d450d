"""The TCP ports at which an address lets in. Of the standard library alone: it is also run on nodes.

`python3 scan.py HOST [SOURCE]` prints them as JSON; SOURCE is the address that the scan comes from.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Iterable, Iterator

ALL = range(1, 1 << 16)

_AT_ONCE = 128
_PATIENCE_SECONDS = 3.0
"""Longest wait for an answer: a packet that was dropped has none."""

_RESET_SECONDS = 1.0
"""How soon the lab's balancer resets what it has let in, where nobody is behind."""


async def _lets_in(host: str, port: int, source: str) -> bool:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        if source:
            sock.bind((source, 0))
        try:
            await asyncio.wait_for(loop.sock_connect(sock, (host, port)), _PATIENCE_SECONDS)
        except (OSError, TimeoutError):
            return False
        try:
            await asyncio.wait_for(loop.sock_recv(sock, 1), _RESET_SECONDS)
        except TimeoutError:
            return True  # it waits for the client to speak first
        except OSError:
            return False
        return True


async def _scan(host: str, source: str, ports: Iterator[int], found: list[int]) -> None:
    for port in ports:
        if await _lets_in(host, port, source):
            found.append(port)


async def _scanners(host: str, source: str, ports: Iterator[int], found: list[int]) -> None:
    await asyncio.gather(*(_scan(host, source, ports, found) for _ in range(_AT_ONCE)))


def scan(host: str, source: str = "", ports: Iterable[int] = ALL) -> list[int]:
    """Return the ports of an address at which a client is let in, sorted."""
    found: list[int] = []
    asyncio.run(_scanners(host, source, iter(ports), found))
    return sorted(found)


if __name__ == "__main__":
    print(json.dumps(scan(sys.argv[1], sys.argv[2] if sys.argv[2:] else "")))
