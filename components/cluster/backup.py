"""Backups: what takes them on the nodes, beside Pacemaker, and what a new cluster's data are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.backup_store import BackupStore
from components.checkout import CONFIGS
from components.remote import LIBRARY, Part, ScriptContext


@dataclass(frozen=True)
class Unit:
    """A service of systemd's, and the timer that starts it.

    Args:
        module: of the programs, which the service runs.
        serves: whether it is for the node that serves, or for the other one.
        calendar: when, as systemd.time(7) has it.
        spread: within how long after that.
        nice: how far behind all else its processes are, as of nice(1).
        opens_tables: whether it may have a file of every table open.
        is_caught_up: whether it is started later where the machine was off.
    """

    name: str
    module: str
    purpose: str
    calendar: str
    spread: str
    serves: bool = True
    nice: int = 19
    opens_tables: bool = True
    is_caught_up: bool = False


# On both nodes; each looks whether it is its turn. A base is also made at once where shipping finds none.
UNITS = (
    Unit(
        "azure-mysql-ha-ship",
        "ship",
        "Copy of the binary log into the backup",
        "minutely",
        "0",
        nice=10,
        opens_tables=False,
    ),
    Unit("azure-mysql-ha-base", "base", "Copy of all data into the backup", "02:00", "2h"),
    Unit(
        "azure-mysql-ha-verify-backup",
        "verify",
        "Proof of the backup, by a restore",
        "Sun 05:00",
        "12h",
        serves=False,
        is_caught_up=True,
    ),
)


class Backup(Part):
    """The programs of the backup on both nodes, and what starts them.

    Args:
        store: where backups go; None for a cluster that only begins with one.
        restore_store: the backup that the cluster begins with; None for none.
        after: what each node needs first, by node name.

    Attributes:
        done: the script of each node, by node name.
    """

    def __init__(
        self,
        context: ScriptContext,
        opts: pulumi.ResourceOptions,
        *,
        store: BackupStore | None,
        restore_store: BackupStore | None,
        after: Mapping[str, pulumi.Resource],
    ) -> None:
        super().__init__(context, opts)
        self.done = self.on_each(
            context.nodes,
            "backup",
            "backup/backup.sh.j2",
            "Programs that copy the data and the binary log into the backup",
            after_own=[after],
            library=LIBRARY,
            programs=sorted(file.name for file in (CONFIGS / "backup").glob("*.py")),
            units=UNITS,
            account=store.account if store else "",
            restore_account=restore_store.account if restore_store else "",
            restore_to=context.settings.backup.restore_to,
        )
        self.register_outputs({})
