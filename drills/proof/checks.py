"""Whether the data is sound: InnoDB through the server, the file system below it on each node's own disk."""

import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from components.places import MOUNT_POINT
from drills.proof import marks
from operations.ssh import Node

ERROR_LOG = "/var/log/mysql/error.log"
"""The server's log, on every operating system of configs/os."""

_FROZEN_SECONDS = 60
"""A file system is frozen for no longer, even if whoever froze it is gone.  A check takes some seconds."""


def innodb(serving: Node) -> list[str]:
    """Let the server check every table, and return what it complains of."""
    # MariaDB's own name for it; Debian 13 has left the old one to another package.
    check = "$(command -v mariadb-check || command -v mysqlcheck) --all-databases --silent"
    run = serving.run(f"{check} 2>&1; echo exit $?", timeout=120, check=False)
    *said, last = run.strip().splitlines() or ["no answer"]
    return [] if last == "exit 0" and not said else [f"check of all tables: {' / '.join(said) or last}"]


def file_systems(serving: Node, nodes: Sequence[Node]) -> list[str]:
    """Check the whole file system on each node's own disk with e2fsck, and return what it complains of.

    The file system is frozen meanwhile, so it is whole on the disk without its journal, and DRBD has written the same
    to both disks: below DRBD, reading only, each node's copy is checked for itself.  Clients must have stopped.
    """
    wrong: list[str] = []
    with _frozen(serving):
        for node in nodes:
            said = node.run(
                "device=$(drbdadm sh-ll-dev r0) && blockdev --flushbufs $device; e2fsck -fn $device 2>&1; echo exit $?",
                timeout=_FROZEN_SECONDS / 2,
                check=False,
            ).strip()
            if not said.endswith("exit 0"):
                wrong.append(f"e2fsck on {node.name}: {' / '.join(said.splitlines()[-4:])}")
    errors = serving.run("cat /sys/fs/ext4/drbd*/errors_count", check=False).split()
    if errors != ["0"]:
        wrong.append(f"ext4 on {serving.name} counts {' '.join(errors) or 'no'} errors")
    return wrong


@contextmanager
def _frozen(node: Node) -> Generator[None]:
    """Keep the file system frozen; the node itself thaws it as soon as we are gone."""
    hold = (
        f"fsfreeze --freeze {MOUNT_POINT} || exit; trap 'fsfreeze --unfreeze {MOUNT_POINT}' EXIT; "
        f"echo frozen; read -rt {_FROZEN_SECONDS}"
    )
    process = subprocess.Popen(
        node.command(hold), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        if process.stdout.readline().strip() != "frozen":
            _, error = process.communicate(timeout=30)
            raise OSError(f"the file system on {node.name} cannot be frozen: {error.strip()}")
        yield
    finally:
        if process.poll() is None:
            process.stdin.close()
            process.wait(30)


def server_log(node: Node, begin: int) -> list[str]:
    """Return what a node's server has logged.

    Args:
        begin: how many bytes to leave out, from the beginning.
    """
    return node.run(f"tail --bytes=+{begin + 1} {ERROR_LOG}", check=False).splitlines()


def server_log_size(node: Node) -> int:
    """Return how long a node's server log is, in bytes."""
    return int(node.run(f"stat --format=%s {ERROR_LOG} 2>/dev/null || echo 0").strip())


def complaints(node: str, journal: Sequence[str], log: Sequence[str]) -> list[str]:
    """Return the lines of a node's logs that tell of damage."""
    found = [*marks.file_system_errors(journal), *marks.damage(log)]
    return [f"{node}: {line.strip()}" for line in found[:3]]
