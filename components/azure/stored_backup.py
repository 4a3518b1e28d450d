"""A backup as it lies in its storage account, and what of it a new cluster can begin with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.azure import cloud
from components.azure.blobs import Blobs, UnreadableError
from components.azure.cloud import CloudNotReachedError
from configs.backup.blobs import CONTAINER, SEEN, STATE_CONTAINER, VERIFIED, Base
from configs.backup.chain import Chain
from configs.backup.documents import Details, Seen, Verified, from_json


@dataclass(frozen=True)
class StoredBackup:
    """A backup.

    Args:
        account: the storage account's name.
        sizes: bytes of each blob, by name.
        verified: the last proof by a restore; None where there has been none.
    """

    account: str
    sizes: Mapping[str, int]
    chain: Chain
    verified: Verified | None
    _blobs: Blobs = field(repr=False)

    def details(self, base: Base) -> Details:
        """Return what a base says of itself.

        Raises:
            UnreadableError: it says nothing that this program knows, or the account is not read any more.
        """
        try:
            return from_json(Details, _text(self._blobs.content(CONTAINER, base.name)))
        except ValueError as error:
            raise UnreadableError(f"{base.name} in storage account {self.account}: {error}") from None


def read(account: str) -> StoredBackup:
    """Read a storage account of the cloud that the environment names.

    Raises:
        UnreadableError: it is not reached, whoever runs this may not read it, or it has no backup.
    """
    try:
        return of(Blobs(account, cloud.find()))
    except CloudNotReachedError as error:
        raise UnreadableError(f"storage account {account} cannot be read: {error}") from None


def of(blobs: Blobs) -> StoredBackup:
    """Read a backup from blobs; errors as of `read`."""
    # In this order: what shipping has seen is in the store by then.
    seen, verified = (_text(blobs.content(STATE_CONTAINER, name)) for name in (SEEN, VERIFIED))
    sizes = blobs.sizes(CONTAINER)
    try:
        return StoredBackup(
            blobs.account,
            sizes,
            Chain(sizes, from_json(Seen, seen) if seen else None),
            from_json(Verified, verified) if verified else None,
            blobs,
        )
    except ValueError as error:
        raise UnreadableError(f"container {STATE_CONTAINER} of storage account {blobs.account}: {error}") from None


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")
