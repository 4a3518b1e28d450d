"""A backup that a new cluster is to begin with is looked at before anything is made, and only then."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.azure import stored_backup
from components.azure.blobs import UnreadableError
from components.azure.existing import find
from components.azure.stored_backup import StoredBackup
from components.checkout import CHECKOUT
from components.settings.load import SettingsError, load
from components.settings.recorded import DataDisk, Recorded, Restored
from tests.support.backups import details, stored
from tests.support.stack_configuration import besides_clear_text, use_stack
from tests.unit.test_existing import Azure

SOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-mysql-prod/providers"
    "/Microsoft.Storage/storageAccounts/stmysqlprod"
)
NOON = {"restoreFrom": SOURCE, "restoreTo": "2026-11-27T11:59:59Z"}
WHOLE = "Possible: 2026-11-27T02:10:00Z to 2026-11-27T13:59:59Z."


def look(
    monkeypatch: pytest.MonkeyPatch,
    backup: StoredBackup | UnreadableError,
    changes: dict[str, Any] = NOON,
    *,
    before: Recorded | None = None,
    preview: bool = True,
) -> list[str]:
    """Look at what stack prod begins with; return what is told meanwhile."""
    told: list[str] = []

    def read(account: str) -> StoredBackup:
        assert account == "stmysqlprod"
        if isinstance(backup, UnreadableError):
            raise backup
        return backup

    monkeypatch.setattr(stored_backup, "read", read)

    def tell(level: str) -> Callable[[str], None]:
        return lambda text: told.append(f"{level}: {text}")

    for level in ("info", "warn"):
        monkeypatch.setattr(pulumi.log, level, tell(level))
    config = use_stack("prod", changes)
    pulumi.runtime.set_mocks(Azure({}), project="azure-mysql-ha", stack="prod", preview=preview)
    find(load(config, before=before or Recorded()))
    return besides_clear_text(told)


def refused(monkeypatch: pytest.MonkeyPatch, backup: StoredBackup | UnreadableError, **more: Any) -> str:
    """Return the one line of a refusal."""
    with pytest.raises(SettingsError) as raised:
        look(monkeypatch, backup, **more)
    (line,) = raised.value.mistakes
    return line.removeprefix("azure-mysql-ha:")


def test_what_can_be_restored_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = look(monkeypatch, stored())
    assert told == [
        "info: the cluster begins with the backup in stmysqlprod as of 2026-11-27T11:59:59Z: the base of"
        " 2026-11-27T02:00:00Z and 600 logs, 0 MiB"
    ]


def test_the_latest_is_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = look(monkeypatch, stored(), {"restoreFrom": SOURCE})
    assert "as of 2026-11-27T13:59:59Z: the base of 2026-11-27T02:00:00Z and 720 logs" in told


BAD: list[tuple[str, Callable[[], StoredBackup], dict[str, Any], str]] = [
    (
        "no base",
        lambda: stored(base=None),
        {},
        "restoreTo: the backup has no base, so nothing can be restored.",
    ),
    (
        "a gap",
        lambda: stored(300, 301),
        {},
        "restoreTo: 2026-11-27T11:59:59Z cannot be restored: logs 000300 to 000301 of history 20261101T090000Z are"
        " missing (2026-11-27T06:19:00Z to 2026-11-27T06:21:00Z). Possible: 2026-11-27T02:10:00Z to"
        " 2026-11-27T06:18:59Z.",
    ),
    (
        "too early",
        stored,
        {"restoreTo": "2026-11-27T02:09:59Z"},
        "restoreTo: 2026-11-27T02:09:59Z cannot be restored: it is before the end of the first base. " + WHOLE,
    ),
    (
        "too late",
        stored,
        {"restoreTo": "2026-11-27T14:00:00Z"},
        "restoreTo: 2026-11-27T14:00:00Z cannot be restored: the backup ends at 2026-11-27T13:59:59Z. " + WHOLE,
    ),
    (
        "another server",
        lambda: stored(said=details(server="mariadb", version="10.11.19-MariaDB")),
        {},
        "restoreFrom: the backup is of mariadb 10.11.19-MariaDB, but the new cluster would have mysql 8.4. Choose an"
        " operatingSystem that has mariadb 10.11.",
    ),
    (
        "a newer server",
        lambda: stored(said=details(version="9.7.0")),
        {},
        "restoreFrom: the backup is of mysql 9.7.0, but the new cluster would have mysql 8.4. Choose an operatingSystem"
        " that has mysql 9.7.",
    ),
    (
        "a base of another format",
        lambda: stored(said=details(format=2)),
        {},
        "restoreFrom: base/20261101T090000Z/20261127T020000Z/base_20261127T021000Z_000041_1234.json in storage account"
        " stmysqlprod: a base of format 2; this program knows only 1",
    ),
    (
        "more data than the disk has",
        lambda: stored(said=details(unpacked=(256 << 30) + 1)),
        {},
        "dataDiskSizeGb: 256 GiB is less than the 257 GiB of data that restoreFrom has",
    ),
    (
        "files that are larger than their dump",
        lambda: stored(said=details(unpacked=100 << 30, data=300 << 30)),
        {},
        "dataDiskSizeGb: 256 GiB is less than the 300 GiB of data that restoreFrom has",
    ),
]


@pytest.mark.parametrize(("backup", "changes", "line"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_what_cannot_be_is_refused(
    backup: Callable[[], StoredBackup],
    changes: dict[str, Any],
    line: str,
    preview: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert refused(monkeypatch, backup(), changes=NOON | changes, preview=preview) == line


UNREADABLE = UnreadableError("you may not read storage account stmysqlprod: you need the role …")


def test_an_update_is_refused_where_nothing_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, UNREADABLE, preview=False) == f"restoreFrom: {UNREADABLE}"


def test_a_preview_of_who_may_not_read_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a pull request's."""
    assert look(monkeypatch, UNREADABLE) == [
        f"warn: restoreFrom: not checked: {UNREADABLE}; pulumi up checks it before it makes anything"
    ]


DISK = DataDisk("disk-mysql-prod-1-data", 256, "westeurope", "1", "2026-11-28T10:00:00", "Premium_LRS")


def test_where_there_is_data_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other stack may be gone by then."""
    before = Recorded(
        data_disks={"mysql-prod-1-data": DISK},
        restored=Restored(SOURCE, NOON["restoreTo"]),
        resource_group="rg-mysql-prod",
        has_data=True,
        has_watchdog=True,
    )
    assert look(monkeypatch, UNREADABLE, before=before, preview=False) == []


def test_where_the_restore_has_failed_it_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are disks then, and another second may be chosen."""
    before = Recorded(
        data_disks={"mysql-prod-1-data": DISK},
        restored=Restored(SOURCE, "2026-11-27T08:00:00Z"),
        resource_group="rg-mysql-prod",
    )
    (told,) = look(monkeypatch, stored(), before=before, preview=False)
    assert "as of 2026-11-27T11:59:59Z" in told


def test_azures_clients_are_loaded_for_a_restore_only() -> None:
    """They take half a second of each preview."""
    program = "import sys, components.azure.existing; sys.exit('azure.storage.blob' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=CHECKOUT)
