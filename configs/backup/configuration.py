"""What the backup's programs of this node are told."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .documents import series_of

LIBRARY = Path("/usr/local/lib/azure-mysql-ha")
RUN = Path("/run/azure-mysql-ha")


@dataclass(frozen=True)
class Configuration:
    """What NODE-backup writes; what is particular to a server is said in configs/os.

    Args:
        cluster: the cluster's name.
        account: the storage account of this cluster's own backup; empty where there is none.
        restore_account: that of the backup which the cluster begins with; empty where there is none.
        restore_to: the last second of that which is restored, as people write it, or "latest".
        mount_point: where DRBD's file system is on the node that serves.
        data_directory: the server's, below it.
        server: "mysql" or "mariadb".
        kind, dump, position, unpack, log_reader, check, restore_options: see components/settings/operating_system.py.
    """

    cluster: str
    account: str
    restore_account: str
    restore_to: str
    mount_point: str
    data_directory: str
    server: str
    program: str
    client: str
    initialize: list[str]
    main_config_file: str
    socket: str
    pid_file: str
    user: str
    kind: str
    dump: str
    position: str
    unpack: list[str]
    log_reader: str
    check: str
    restore_options: list[str]

    @property
    def directory(self) -> Path:
        return Path(self.data_directory)

    def version(self) -> str:
        """Return the version of the server that is installed here.

        Raises:
            OSError, subprocess.CalledProcessError: it does not say.
        """
        told = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout
        return told.split(" Ver ", 1)[1].split()[0]

    def series(self) -> str:
        return series_of(self.version())


def load() -> Configuration:
    """Read it; raises OSError or ValueError where it is not there, or another program's."""
    told: dict[str, Any] = json.loads((LIBRARY / "backup.json").read_text(encoding="utf-8"))
    return Configuration(**told)
