"""What the server takes of its machine: options that follow from the machine's memory and its data disk's speed.

docs/sizes.md argues the numbers. `mysqlOptions` wins over each.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from components.settings.data_disk import Speed

# learn.microsoft.com, "Server parameters in Azure Database for MySQL - Flexible Server": its default is one for each
# 12 MiB of memory.
_MIB_PER_CONNECTION = 12

# What a connection takes while it works, measured: docs/sizes.md.
_MIB_IN_A_CONNECTION = 1.5

# What a node takes beside that: kernel, Corosync (locked in memory), Pacemaker and its agents, the server without pool
# and connections, a backup at work. Measured: docs/sizes.md.
_MIB_OF_THE_NODE = 1024

# The page cache: the binary log that a backup reads, temporary tables, the file system's own.
_PAGE_CACHE = 0.1

_LEAST_POOL = 128
"""MiB, the servers' own default."""

# A pool is a multiple of one of these, in MiB: MySQL 8.0 rounds one of a GiB or more up to what 8 parts of 128 MiB make
# ("Configuring InnoDB Buffer Pool Size"), which would be more than was meant.
_POOL_STEPS = (1024, 128)

_PAGE_KIB = 16
"""InnoDB's pages."""

_FLUSH_SECONDS = 20
"""In so much time the disk writes all changed pages that the server keeps while the disk can follow."""

_REPLAY_SECONDS = 50
"""Of the minute that a recovery may take, what is left for reading pages."""

# What InnoDB logs for each page that a recovery has to read, measured: docs/sizes.md.
_LOG_KIB_A_PAGE = 1

# MySQL's own default, and MariaDB's within 4: with less, writers were seen to wait for the log (the same page). For the
# most, a proof of the backup has room on the system disk (configs/backup/verify.py).
_LEAST_LOG, _MOST_LOG = 100, 2048

# Least of innodb_io_capacity in both servers.
_LEAST_IO = 100

# MariaDB's own unit has it; MySQL's has less.
_LEAST_FILES = 32768

# An option that is given rules over these as well: with the one alone, the server would bend it to fit the others.
_ALSO_RULES: Mapping[str, tuple[str, ...]] = {
    "innodb_io_capacity": ("innodb_io_capacity_max",),
    "innodb_io_capacity_max": ("innodb_io_capacity",),
    "innodb_max_dirty_pages_pct": ("innodb_max_dirty_pages_pct_lwm",),
    "innodb_max_dirty_pages_pct_lwm": ("innodb_max_dirty_pages_pct",),
    "innodb_log_file_size": ("innodb_redo_log_capacity",),
    "innodb_log_files_in_group": ("innodb_redo_log_capacity",),
}

# Where the server sizes itself.
_DEDICATED = "innodb_dedicated_server"
_DEDICATED_RULES = ("innodb_buffer_pool_size", "innodb_redo_log_capacity")


@dataclass(frozen=True)
class ServerSize:
    """The size of a server.

    Args:
        memory_mib: the machine's memory; None where it is not known.
        disk: what the data disk can do.
        redo_log: the option that says how much InnoDB's log can hold.
        given: the stack's `mysqlOptions`.
    """

    memory_mib: int | None
    disk: Speed
    redo_log: str
    given: Mapping[str, str]

    @property
    def options(self) -> dict[str, str]:
        """All options beside the cluster's own: those that follow, then those that are given."""
        ruled = self._ruled()
        return {name: value for name, value in self._own().items() if name not in ruled} | dict(self.given)

    @property
    def own_pool_mib(self) -> int | None:
        """The buffer pool that follows from the memory; None where that is not known, or another is given."""
        return None if self._rules("innodb_buffer_pool_size") else self._pool_mib()

    @property
    def unknown(self) -> list[str]:
        """Options that nobody has given and that do not follow, since the machine's memory is not known."""
        wanted = () if self.memory_mib else ("innodb_buffer_pool_size", "max_connections")
        return [name for name in wanted if not self._rules(name)]

    @property
    def open_files(self) -> int:
        """How many files the server may open: as many as it asks for of itself, five a connection."""
        connections, files = (self._number(name) for name in ("max_connections", "open_files_limit"))
        return max(_LEAST_FILES, 5 * connections, files)

    def _own(self) -> dict[str, str]:
        io = self.disk.iops
        log = min(max(io * _REPLAY_SECONDS * _LOG_KIB_A_PAGE >> 10, _LEAST_LOG), _MOST_LOG)
        own: dict[str, str] = {}
        if self.memory_mib:
            own["innodb_buffer_pool_size"] = f"{self._pool_mib()}M"
            own["max_connections"] = str(round(self.memory_mib / _MIB_PER_CONNECTION))
        own[self.redo_log] = f"{log}M"
        # Half for the pages, half for the log and for what clients read.
        own["innodb_io_capacity"] = str(max(io // 2, _LEAST_IO))
        own["innodb_io_capacity_max"] = str(max(io, _LEAST_IO))
        if pool := self._bytes("innodb_buffer_pool_size", own):
            share = min(100 * io * _FLUSH_SECONDS * (_PAGE_KIB << 10) / pool, 90)
            own["innodb_max_dirty_pages_pct"] = f"{share:.1f}"
            # From here on pages are written, the more the nearer to that.
            own["innodb_max_dirty_pages_pct_lwm"] = f"{share / 2:.1f}"
        return own

    def _pool_mib(self) -> int | None:
        if not self.memory_mib:
            return None
        connections = self.memory_mib / _MIB_PER_CONNECTION * _MIB_IN_A_CONNECTION
        rest = self.memory_mib * (1 - _PAGE_CACHE) - connections - _MIB_OF_THE_NODE
        return next((int(rest // step) * step for step in _POOL_STEPS if rest >= step), _LEAST_POOL)

    def _ruled(self) -> set[str]:
        given = {name.removeprefix("loose_"): value for name, value in self.given.items()}
        ruled = {*given, *(other for name in given for other in _ALSO_RULES.get(name, ()))}
        if given.get(_DEDICATED, "off").lower() in ("on", "true", "1"):
            ruled |= {*_DEDICATED_RULES}
        return ruled

    def _rules(self, name: str) -> bool:
        return name in self._ruled()

    def _number(self, name: str) -> int:
        value = self.options.get(name, "")
        return int(value) if value.isdecimal() else 0

    def _bytes(self, name: str, own: Mapping[str, str]) -> int:
        """Return a size that is given, else our own; 0 where it is not known."""
        value = self.given.get(name, "" if self._rules(name) else own.get(name, ""))
        match = re.fullmatch(r"(\d+)([KMGT]?)", value.upper())
        return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[match[2]] if match else 0
