"""What goes over a lab's network between the machines: `python wire.py TEXT`, within the lab's namespace.

Reads each packet of every interface until its standard input ends, then prints what it has seen, as JSON.
"""

import contextlib
import json
import select
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from components import ports
from lab.lab import Lab

_ALL_PROTOCOLS = 3  # ETH_P_ALL (packet(7))
_LONGEST = 1 << 17  # more than a segment that the interface would cut
_IPV4 = 0x0800


@dataclass
class Seen:
    """What was seen.

    Args:
        texts: packets that have the text.
        drbd: packets of DRBD's port.
        wireguard: packets of WireGuard's ports, by port.
    """

    texts: int
    drbd: int
    wireguard: dict[str, int]


def listen(text: bytes) -> Seen:
    """Count packets until standard input ends."""
    seen = Seen(0, 0, {})
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS)) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
        print("listening", flush=True)
        while sys.stdin not in select.select([sys.stdin, wire], [], [])[0]:
            _count(seen, wire.recv(_LONGEST), text)
        wire.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                _count(seen, wire.recv(_LONGEST), text)
    return seen


def _count(seen: Seen, packet: bytes, text: bytes) -> None:
    seen.texts += text in packet
    if int.from_bytes(packet[12:14]) != _IPV4:
        return
    protocol, header = packet[23], 14 + 4 * (packet[14] & 15)
    found = {int.from_bytes(packet[header : header + 2]), int.from_bytes(packet[header + 2 : header + 4])}
    if protocol == socket.IPPROTO_TCP and ports.DRBD in found:
        seen.drbd += 1
    elif protocol == socket.IPPROTO_UDP:
        for port in found.intersection(ports.WIREGUARD):
            seen.wireguard[str(port)] = seen.wireguard.get(str(port), 0) + 1


@contextmanager
def wire(lab: Lab, text: str) -> Generator[Seen]:
    """Listen on the lab's network while the body runs; what is yielded is filled at its end."""
    seen = Seen(0, 0, {})
    command = [*lab.prefix, sys.executable, "-m", "tests.support.wire", text]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout and running.stdin and running.stdout.readline() == "listening\n"
        yield seen
        running.stdin.close()
        told = json.loads(running.stdout.read())
    seen.texts, seen.drbd, seen.wireguard = told["texts"], told["drbd"], told["wireguard"]


if __name__ == "__main__":
    print(json.dumps(vars(listen(sys.argv[1].encode()))))
