"""Entering a network namespace: what is opened before stays where it was opened."""

import ctypes
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_CLONE_NEWNET = 0x40000000


class NamespaceError(RuntimeError):
    """The namespace is not there, or cannot be entered."""


def enter(name: str) -> None:
    """Move the calling thread, and the threads and processes that it starts from now on, into a network namespace.

    Raises:
        NamespaceError: it is not there, or other threads run, which would stay behind.
    """
    if threading.active_count() != 1:
        raise NamespaceError("other threads run already")
    with _open(name) as there:
        _set(there)


@contextmanager
def inside(name: str) -> Generator[None]:
    """Let the calling thread, and what it starts meanwhile, be in a network namespace.

    Raises:
        NamespaceError: it is not there.
    """
    with _open(name) as there, Path("/proc/thread-self/ns/net").open("rb") as here:
        _set(there)
        try:
            yield
        finally:
            _set(here)


def _open(name: str) -> BinaryIO:
    try:
        return Path("/run/netns", name).open("rb")
    except OSError as error:
        raise NamespaceError(f"the network namespace {name} is not there: {error.strerror}") from None


def _set(namespace: BinaryIO) -> None:
    # os.setns is new in Python 3.12.
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
        raise NamespaceError(f"the network namespace cannot be entered: {os.strerror(ctypes.get_errno())}")


def identity() -> str:
    """Return what tells the namespace that the process is in from every other one, also of other boots."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/thread-self/ns/net').readlink()}"
