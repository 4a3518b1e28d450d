"""Writes every script that the program makes, whole, into a folder: `python -m tests.golden FOLDER`.

Of those that differ in names only it writes the first. `make lint` has them read by shellcheck.
"""

import sys
from pathlib import Path

from tests.golden.cases import distinct_scripts

if __name__ == "__main__":
    for name, text in distinct_scripts():
        file = Path(sys.argv[1]) / f"{name}.sh"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
