"""Entering a network namespace: what is opened before stays where it was opened."""

import ctypes
import os
import threading
from pathlib import Path

_CLONE_NEWNET = 0x40000000


class NamespaceError(RuntimeError):
    """The namespace is not there, or cannot be entered."""


def enter(name: str) -> None:
    """Move the calling thread, and the threads and processes that it starts from now on, into a network namespace.

    Args:
        name: as `ip netns list` shows it.

    Raises:
        NamespaceError: it is not there, or other threads run, which would stay behind.
    """
    if threading.active_count() != 1:
        raise NamespaceError("other threads run already")
    path = Path("/run/netns", name)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NamespaceError(f"the network namespace {name} is not there: {error.strerror}") from None
    try:
        # os.setns is new in Python 3.12.
        library = ctypes.CDLL(None, use_errno=True)
        if library.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise NamespaceError(f"the network namespace {name} cannot be entered: {os.strerror(number)}")
    finally:
        os.close(descriptor)


def identity() -> str:
    """Return what tells the namespace that the process is in from every other one, also of other boots."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/thread-self/ns/net').readlink()}"
