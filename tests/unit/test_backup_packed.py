"""Streams through zstd: they come back, and the end of one that has failed is not told."""

import os
import subprocess
from io import BytesIO

import pytest

from configs.backup import packed


def unpacked(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-d", "-c"], input=data, capture_output=True, check=True).stdout


def test_packed_comes_back_and_is_counted() -> None:
    content, seen = os.urandom(3_000_000), [b""]
    stream = packed.Packed(BytesIO(content), look=lambda piece: seen.append(piece))
    data = b""
    while piece := stream.read(70_000):
        data += piece
    assert unpacked(data) == content == b"".join(seen)
    assert (stream.bytes, stream.unpacked) == (len(data), len(content))


def test_end_of_what_has_failed_is_not_told() -> None:
    """The store takes the end of a stream for the whole of it."""

    def finish() -> None:
        raise packed.Failed("the dump has ended with 1")

    stream = packed.Packed(BytesIO(b"half of it"), finish=finish)
    with pytest.raises(packed.Failed, match="ended with 1"):
        while stream.read(100):
            pass
