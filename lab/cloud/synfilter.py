"""Whose SYNs a listener sees at all.

Azure drops the packets that a security group refuses, or for which there is no healthy backend: the client waits,
and is not refused.  A listening socket of Linux completes handshakes by itself, before any program is asked; so the
listener gets a socket filter (classic BPF, SO_ATTACH_FILTER), which drops the packets that are not wanted as Azure
would.  Connections that stand do not pass the listener's filter.
"""

import ctypes
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # asm-generic/socket.h

# linux/bpf_common.h
_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

# linux/filter.h: loads relative to the IP header; the source address is 12 bytes in.
_SOURCE_ADDRESS = (-0x100000 + 12) & 0xFFFFFFFF

_KEEP, _DROP = 0xFFFFFFFF, 0

_MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS

Verdict = tuple[IPv4Network, bool]


def assemble(verdicts: Sequence[Verdict], otherwise: bool) -> list[tuple[int, int, int, int]]:
    """Return a filter as instructions (code, jump if true, jump if false, constant).

    Args:
        verdicts: networks and whether their packets are kept; the longest prefix decides.

    Raises:
        ValueError: too many networks for one filter.
    """
    program: list[tuple[int, int, int, int]] = []
    for network, keep in sorted(verdicts, key=lambda verdict: -verdict[0].prefixlen):
        program += [
            (_LOAD_WORD, 0, 0, _SOURCE_ADDRESS),
            (_AND, 0, 0, int(network.netmask)),
            (_JUMP_EQUAL, 0, 1, int(network.network_address)),
            (_RETURN, 0, 0, _KEEP if keep else _DROP),
        ]
    program.append((_RETURN, 0, 0, _KEEP if otherwise else _DROP))
    if len(program) > _MOST_INSTRUCTIONS:
        raise ValueError(f"{len(verdicts)} networks are too many for a socket filter")
    return program


def run(program: Sequence[tuple[int, int, int, int]], source: IPv4Address) -> bool:
    """Carry a filter out as the kernel does; tell whether a packet from this source is kept."""
    accumulator = counter = 0
    while True:
        code, if_true, if_false, constant = program[counter]
        counter += 1
        if code == _LOAD_WORD:
            accumulator = int(source)
        elif code == _AND:
            accumulator &= constant
        elif code == _JUMP_EQUAL:
            counter += if_true if accumulator == constant else if_false
        else:
            return constant != _DROP


def attach(listener: socket.socket, program: Sequence[tuple[int, int, int, int]]) -> None:
    """Put a filter on a listening socket, in place of the one it has."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a 16-bit length, padding, and a pointer that the kernel copies from at once.
    listener.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(buffer))
    )


def detach(listener: socket.socket) -> None:
    """Let a listening socket see everything again."""
    listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
