"""Whether a new cluster can begin with a backup: found out before anything is made."""

import math

import pulumi

from components.azure import stored_backup
from components.azure.blobs import UnreadableError
from components.azure.stored_backup import StoredBackup
from components.settings.azure_id import AzureId
from components.settings.backup import LATEST
from components.settings.mistake import Mistake
from components.settings.operating_system import DatabaseServer
from configs.backup.documents import Details
from configs.backup.moments import from_said, said
from configs.backup.plan import Plan, Refusal, choose, refuse_other_server


def read(source: AzureId) -> StoredBackup | None:
    """Return the backup of a storage account; None in the preview of somebody who cannot read it.

    A preview may be a pull request's, whose identity reads no data. An update is refused, before it makes anything.

    Raises:
        Mistake: it cannot be read, and this is an update.
    """
    try:
        return stored_backup.read(source.names[0])
    except UnreadableError as error:
        if pulumi.runtime.is_dry_run():
            pulumi.log.warn(f"restoreFrom: not checked: {error}; pulumi up checks it before it makes anything")
            return None
        raise Mistake(str(error)) from None


def plan(backup: StoredBackup, to: str) -> Plan:
    """Return what a restore to a second takes, and tell it.

    Args:
        to: as the setting `restoreTo`.

    Raises:
        Mistake: the backup does not have it, or not whole.
    """
    try:
        found = choose(backup.chain, None if to == LATEST else from_said(to))
    except Refusal as refusal:
        raise Mistake(str(refusal)) from None
    sizes = [backup.sizes[found.base.data], *(backup.sizes[log.name] for log in found.logs)]
    pulumi.log.info(
        f"the cluster begins with the backup in {backup.account} as of {said(found.to)}: the base of"
        f" {said(found.base.begun)} and {len(found.logs)} logs, {sum(sizes) / 2**20:,.0f} MiB"
    )
    return found


def base(backup: StoredBackup, chosen: Plan, server: DatabaseServer) -> Details:
    """Return what the base that is restored says of itself: the cluster's server takes it.

    Raises:
        Mistake: it does not.
    """
    try:
        found = backup.details(chosen.base)
        refuse_other_server(found, server.server, server.series)
    except (Refusal, UnreadableError) as refusal:
        raise Mistake(str(refusal)) from None
    return found


def check_size(found: Details, gib: int) -> None:
    """Check that a base has room on a data disk.

    Raises:
        Mistake: it has not.
    """
    needed = math.ceil(found.room / 2**30)
    if needed > gib:
        raise Mistake(f"{gib} GiB is less than the {needed} GiB of data that restoreFrom has")
