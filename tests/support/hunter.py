"""Finds texts in files, in what is packed in them, and in what commands print.

Of the standard library alone: it is also sent to nodes, behind the line of JSON that says what to look for, by standard
input, which no list of processes shows.
"""

import base64
import bz2
import contextlib
import gzip
import html
import io
import json
import lzma
import os
import pwd
import stat
import subprocess
import sys
import urllib.parse
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

_PART_BYTES = 4 << 20
_LONGEST_FORM = 8192
"""Bytes of a part of a file that are looked at again with the next, so that no text is cut in two."""


def forms(text: bytes) -> set[bytes]:
    """Return what a text may look like: itself, in base64, in a URL, in JSON, in XML."""
    found = {text, urllib.parse.quote_from_bytes(text, safe="").encode()}
    for offset in range(3):  # where in a group of three bytes it begins
        whole = base64.b64encode(bytes(offset) + text)
        first, last = -(-8 * offset // 6), 8 * (offset + len(text)) // 6
        found |= {whole[first:last], whole[first:last].replace(b"+", b"-").replace(b"/", b"_")}
    if text.isascii():
        readable = text.decode()
        found |= {json.dumps(readable)[1:-1].encode(), html.escape(readable).encode()}
    return found


def names_in(parts: Iterable[bytes], wanted: Mapping[str, Iterable[bytes]]) -> list[str]:
    """Return the names of the texts that are in what comes in parts, sorted.

    Args:
        wanted: the forms of each text, by its name.
    """
    found: set[str] = set()
    before = b""
    for part in parts:
        data = before + part
        found |= {name for name, some in wanted.items() if name not in found and any(form in data for form in some)}
        before = data[-_LONGEST_FORM:]
    return sorted(found)


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while part := stream.read(_PART_BYTES):
            yield part


def _unpacked(path: Path) -> IO[bytes] | None:
    """Return what a file unpacks to; None where it is not packed."""
    match path.suffix:
        case ".gz":
            return io.BytesIO(gzip.decompress(path.read_bytes()))
        case ".bz2":
            return bz2.open(path)
        case ".xz":
            return lzma.open(path)
        case ".zst":
            return io.BytesIO(subprocess.run(["zstd", "-dc", path], capture_output=True, check=False).stdout)
        case _:
            return None


def _names_in_file(path: Path, wanted: Mapping[str, Iterable[bytes]]) -> list[str]:
    names = {*names_in(_read(path.open("rb")), wanted)}
    # One that cannot be unpacked has no more than the name of a packed file.
    with contextlib.suppress(OSError, EOFError, zlib.error, lzma.LZMAError):
        if packed := _unpacked(path):
            names |= {*names_in(_read(packed), wanted)}
    return sorted(names)


def files_in(folders: Iterable[str], without: Collection[str]) -> Iterator[Path]:
    """Yield all regular files below folders, but for those below the folders that are left out."""
    for folder in folders:
        for place, inner, names in os.walk(folder):
            inner[:] = [name for name in inner if str(Path(place, name)) not in without]
            paths = (Path(place, name) for name in names)
            yield from (path for path in paths if path.is_file() and not path.is_symlink())


def hunt(
    texts: Mapping[str, bytes],
    folders: Iterable[str],
    without: Collection[str] = (),
    commands: Iterable[list[str]] = (),
) -> dict[str, Any]:
    """Look for texts.

    Args:
        texts: by their names.
        folders: whose files are read, all of them.
        without: folders below those that are not.
        commands: whose output is read.

    Returns:
        `files`, how many have been read; `found` by path or command line: `names` of the texts, and of a file `kept`:
        whose it is, and its mode.
    """
    wanted = {name: forms(text) for name, text in texts.items()}
    found: dict[str, Any] = {}
    count = 0
    for path in files_in(folders, without):
        try:
            names, state = _names_in_file(path, wanted), path.stat()
        except OSError:
            continue  # it has gone meanwhile
        count += 1
        if names:
            owner = pwd.getpwuid(state.st_uid).pw_name
            found[str(path)] = {"names": names, "kept": f"{owner} {stat.S_IMODE(state.st_mode):04o}"}
    for command in commands:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
            if running.stdout and (names := names_in(_read(running.stdout), wanted)):
                found[" ".join(command)] = {"names": names}
    return {"files": count, "found": found}


if __name__ == "__main__":
    asked = json.loads(sys.argv.pop())  # by `LOADER` of secret_hunt.py, which has put it there
    asked["texts"] = {name: base64.b64decode(text) for name, text in asked["texts"].items()}
    print(json.dumps(hunt(**asked)))
