"""Files and folders."""

from pathlib import Path


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole, as it was or as it is to be, whenever this is killed."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.rename(path)
