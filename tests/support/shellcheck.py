"""Scripts read by shellcheck, each once."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

# Up to the first line that ends it, for the shell as here. Nothing in it is expanded, so shellcheck does not read it.
_DOCUMENT = re.compile(r"(?<=<<'FILE')(.*?\n).*?\nFILE\n", re.DOTALL)


class Shellcheck:
    """What has been read, of which nothing is read again that differs in documents, names or numbers only.

    Args:
        folder: where scripts are put to be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[str] = set()

    def complaints(self, scripts: Iterable[str], words: Iterable[str]) -> str:
        """Return what shellcheck says of those that are new; nothing where all are well.

        Args:
            words: of letters, digits, _ and - alone; what differs in these or in numbers has been read.
        """
        same = re.compile("|".join([r"\b\d+\b", *(rf"\b{re.escape(word)}\b" for word in words)]))
        named = {
            hashlib.sha256(same.sub("0", _DOCUMENT.sub(r"\1", text)).encode()).hexdigest(): text for text in scripts
        }
        new = {name: text for name, text in named.items() if name not in self._seen}
        if not new:
            return ""
        self._seen |= {*new}
        files = [self._folder / f"{name}.sh" for name in new]
        for file, text in zip(files, new.values(), strict=True):
            file.write_text(text)
        command = [Path(sys.executable).with_name("shellcheck"), *files]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
        for file in files:
            file.unlink()
        return run.stdout + run.stderr
