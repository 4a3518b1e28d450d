"""Streams through zstd, counted on their way."""

import hashlib
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO

_PIECE = 1 << 20


class Failed(Exception):
    """A program has failed; one line."""


class Packed:
    """What a file or a program gives, compressed, to be read to its end.

    The end is told only when all has gone well; otherwise the last read raises `Failed`.

    Args:
        source: what is compressed.
        look: called with each piece before it is compressed.
        after: what follows it.
        rate: how many bytes of the source are taken in a second at most; 0 for all.
        finish: called when the source has ended; raises `Failed` where it is not whole.
    """

    def __init__(
        self,
        source: IO[bytes],
        *,
        after: bytes = b"",
        rate: int = 0,
        look: Callable[[bytes], None] = lambda _: None,
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self.unpacked = 0
        self.bytes = 0
        self._sha = hashlib.sha256()
        self._source, self._after, self._rate, self._look, self._finish = source, after, rate, look, finish
        self._zstd = subprocess.Popen(["zstd", "-q", "-3", "-T1", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._failure: Exception | None = None
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    @property
    def sha256(self) -> str:
        """Of what was read."""
        return self._sha.hexdigest()

    def _feed(self) -> None:
        assert self._zstd.stdin
        begin = time.monotonic()
        try:
            with self._zstd.stdin as into:
                while piece := self._source.read(_PIECE):
                    self._look(piece)
                    into.write(piece)
                    self.unpacked += len(piece)
                    if self._rate:
                        time.sleep(max(0.0, begin + self.unpacked / self._rate - time.monotonic()))
                into.write(self._after)
                self.unpacked += len(self._after)
        except (OSError, ValueError) as error:  # ValueError: it was closed meanwhile
            self._failure = error

    def read(self, size: int = -1) -> bytes:
        assert self._zstd.stdout
        piece = self._zstd.stdout.read(size)
        if not piece:
            self._feeder.join()
            self._finish()
            if self._failure or self._zstd.wait():
                raise Failed(f"compressing: {self._failure or 'zstd has failed'}")
        self._sha.update(piece)
        self.bytes += len(piece)
        return piece
