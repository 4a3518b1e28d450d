"""Files that hold what is expected, and are written by the tests themselves if asked to."""

import difflib
import os
from pathlib import Path

import pytest

EXPECTED = Path(__file__).parents[1] / "golden" / "expected"


def is_written() -> bool:
    """Tell whether the files are to be written, and not compared: UPDATE_EXPECTED=1."""
    return bool(os.environ.get("UPDATE_EXPECTED"))


def hold_against(path: Path, text: str) -> None:
    """Compare a text with the expected file, or write that file if asked to."""
    if is_written():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    expected = path.read_text() if path.exists() else ""
    if text != expected:
        lines = difflib.unified_diff(expected.splitlines(), text.splitlines(), "expected", "made", n=1, lineterm="")
        pytest.fail("\n".join([f"{path}; UPDATE_EXPECTED=1 writes it:", *lines]), pytrace=False)
