"""Files and folders."""

import contextlib
import stat
from pathlib import Path


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; what goes away meanwhile does not count."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found = file.lstat()
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole, as it was or as it is to be, whenever this is killed."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.rename(path)
