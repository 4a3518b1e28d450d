"""The hunt for secrets of a stack, on this machine and on its nodes."""

import base64
import json
import subprocess
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from lab.engine import Engine
from operations.ssh import Node
from tests.support import hunter
from tests.support.process_lists import secret_texts

LOADER = "import sys; sys.argv.append(sys.stdin.readline()); exec(sys.stdin.read())"
"""Runs `hunter` from its standard input, with the texts that are in the line before it."""

_SECONDS = 900


def secrets(engine: Engine) -> dict[str, bytes]:
    """Return what is hunted of each secret of the stack, by its name: a telling piece, and what it stands for."""
    texts = {name: text.encode() for name, text in secret_texts(engine).items()}
    return texts | {"corosyncKey as it is": base64.b64decode(texts["corosyncKey 0"])}


def on_node(
    node: Node,
    texts: Mapping[str, bytes],
    folders: Iterable[str],
    *,
    without: Collection[str] = (),
    commands: Iterable[list[str]] = (),
) -> dict[str, Any]:
    """Hunt as root on a node, as `hunter.hunt` does. Nothing is written there."""
    asked = {
        "texts": {name: base64.b64encode(text).decode() for name, text in texts.items()},
        "folders": list(folders), "without": list(without), "commands": list(commands),
    }  # fmt: skip
    run = subprocess.run(
        node.command(f"exec nice -n 19 python3 -c '{LOADER}'"),
        input=f"{json.dumps(asked)}\n{Path(hunter.__file__).read_text()}",
        capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
