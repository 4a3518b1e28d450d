"""A pull request's worth of changes of this project, as its preview shows them."""

import re
import shutil
import subprocess
from pathlib import Path

from components.checkout import CHECKOUT

SETTINGS: dict[str, object] = {
    "corosyncTokenMs": 4000,
    "dataDiskSizeGb": 8,
    "clientCidrs": ["198.51.100.0/24", "192.0.2.0/24"],
    "mysqlOptions": {
        "innodb_buffer_pool_size": "128M",
        "performance_schema": False,
        "max_connections": 200,
    },
}
"""What the request has in the stack's file, in place of what stands there: one value of each kind."""

TEMPLATE = "configs/mysql/server.cnf.j2"
LINE = "# A line of a pull request's.\n"
"""What it adds at the end of a template."""


def checkout(folder: Path) -> Path:
    """Make a checkout of this project with the changed template.

    Args:
        folder: where; made by this.

    Returns:
        The folder.
    """
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    (folder / ".venv").symlink_to((CHECKOUT / ".venv").resolve())
    with (folder / TEMPLATE).open("a") as template:
        template.write(LINE)
    return folder


def lasting(text: str) -> str:
    """Return a preview without what differs each time: ids, the order of the resources, the length of a path.

    Args:
        text: what the CLI printed.
    """
    text = re.sub(r"\[id=[^\]]*\]", "[id=…]", text)
    text = re.sub(r"(\[provider=[^\]]*::)[0-9a-f-]{36}\]", r"\1…]", text)
    # The CLI makes room in this column for the pack's whole path, which it does not show.
    text = re.sub(r"^    Name +Version$", "    Name  Version", text, flags=re.MULTILINE)
    head, rest = text[text.index("Previewing update") :].split("\n    ", 1)
    changes, foot = _END.split("    " + rest, 1)
    blocks = re.split(r"^(?=    \S)", changes, flags=re.MULTILINE)
    return "".join([head, "\n", *sorted(blocks, key=_name), "Resources:\n", foot])


_END = re.compile(r"^Resources:\n", re.MULTILINE)


def _name(block: str) -> str:
    found = re.search(r"\[urn=(.*)\]$", block, re.MULTILINE)
    return found[1] if found else ""
