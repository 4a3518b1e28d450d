"""Backups of the database, and the backup that a new cluster begins with."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from components.settings.azure_id import AzureId, id_of
from components.settings.given import between, boolean, given, optional, text, whole
from components.settings.mistake import Mistake
from components.settings.section import Check, Section

LATEST = "latest"
"""As `restoreTo`: all that the backup has."""

_account_id = id_of("Microsoft.Storage/storageAccounts/NAME")


def _account_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{3,24}", value):
        raise Mistake(f"{value!r} is not a valid storage account name: 3 to 24 of a-z and 0-9")
    return value


def _time(value: str) -> str:
    example = f"an example is 2026-11-27T11:59:59Z, or {LATEST}"
    if value == LATEST:
        return value
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value, re.ASCII):
        raise Mistake(f"{value!r} is not a time in UTC to the second; {example}")
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise Mistake(f"{value!r} is not a date and time that exists; {example}") from None
    return value


class BackupSection(Section):
    """Backups of the database, and the backup that a new cluster begins with."""

    backup: Annotated[bool, given(boolean)]
    backup_days: Annotated[int, given(whole, between(7, 365, "days"))]
    backup_storage_account: Annotated[str | None, given(optional(_account_name))]
    existing_backup_storage_account_id: Annotated[AzureId | None, given(optional(_account_id))]
    restore_from: Annotated[AzureId | None, given(optional(_account_id))]
    restore_to: Annotated[str, given(text, _time)]

    def checks(self) -> Iterable[Check]:
        return (
            ("existingBackupStorageAccountId", self._account_is_named_once),
            ("restoreTo", self._time_is_of_a_backup),
        )

    def _account_is_named_once(self) -> None:
        if self.existing_backup_storage_account_id and self.backup_storage_account:
            raise Mistake(
                "is set, and so is backupStorageAccount, which names an account to create; set only one of them"
            )

    def _time_is_of_a_backup(self) -> None:
        if self.restore_to != LATEST and not self.restore_from:
            raise Mistake("is set, but restoreFrom, which names the backup to restore, is not; set both or neither")
