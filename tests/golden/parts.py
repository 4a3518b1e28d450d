"""What several scripts of one machine have in common is in a file of its own, and they name it; or in configs/."""

import re
from collections.abc import Mapping

from components.checkout import CHECKOUT, CONFIGS
from components.cluster.monitoring import ALERTS, PROGRAMS

# Name, as in configs/: the text. What is part of another comes before that.
_PARTS = {
    "host-script": r"# Node \S+ of cluster.*?^flock [^\n]*\n",
    "host-ssh": r"over_ssh\(\) .*?^}\n",
    "drbd-functions": r"# Once Pacemaker knows the DRBD resource, .*?^is_blank\(\) .*?^}\n",
    "drbd-partition": r"# Azure's stable names of the disk .*?^partition_is_there\(\) [^\n]*\n",
    "pacemaker-functions": r"# set_by_hand service\|copy: .*?^}\n",
    "mysql-login": r"# logs_in USER PASSWORD .*?^}\n",
    "mysql-functions": r"serving_node\(\) .*?^is_held_back\(\) .*?^}\n",
    "mysql-options-in-force": r"# What the running server was started with .*?^are_noted\(\) [^\n]*\n",
    "mysql-server.cnf": r"# Written by Pulumi\. Read last.*?(?=^FILE\n)",
    "corosync-corosync.conf": r"# Written by Pulumi\.\ntotem .*?(?=^FILE\n)",
}
NAMES = tuple(_PARTS)
# What stands in a script word for word: programs, and the alert rules.
_PATHS = {*PROGRAMS, *(str(file.relative_to(CHECKOUT)) for file in (ALERTS, *CONFIGS.rglob("*.py")))}
_PROGRAMS = {path: (CHECKOUT / path).read_text() for path in sorted(_PATHS)}
_REFERENCE = re.compile(r"^<<< (included/\S+|\S+\.(?:py|yaml)) >>>\n", re.MULTILINE)


def taken_apart(scripts: Mapping[str, str]) -> dict[str, str]:
    """Return each script with the names of its parts in place of them, and the parts.

    Args:
        scripts: text by file name, each for the machine that its name begins with, or for the first node.
    """
    files: dict[str, str] = {}
    for name, text in sorted(scripts.items()):
        machine = re.match(r".*-(?:[12]|witness)(?=-)", name)
        files[name] = _with_references(text, f"included/{machine[0]}-" if machine else _first_node(scripts), files)
        assert whole(files, name) == text
    return files


def whole(files: Mapping[str, str], name: str) -> str:
    """Return a script with its parts in their places."""
    return _REFERENCE.sub(lambda reference: whole(files, reference[1]), files.get(name) or _PROGRAMS[name])


def _first_node(scripts: Mapping[str, str]) -> str:
    return next(f"included/{name.removesuffix('host.sh')}" for name in sorted(scripts) if name.endswith("-1-host.sh"))


def _with_references(text: str, prefix: str, files: dict[str, str]) -> str:
    for name, program in _PROGRAMS.items():
        text = text.replace(program, f"<<< {name} >>>\n")
    for part, pattern in _PARTS.items():
        found = re.search(f"^{pattern}", text, re.MULTILINE | re.DOTALL)
        if not found:
            continue
        name = f"{prefix}{part}" if "." in part else f"{prefix}{part}.sh"
        # What has a form of its own in one script stays in that.
        if files.setdefault(name, found[0]) == found[0]:
            text = f"{text[: found.start()]}<<< {name} >>>\n{text[found.end() :]}"
    return text
