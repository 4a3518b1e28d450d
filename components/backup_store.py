"""Where backups are, as the nodes are told. Knows neither Azure's resources nor SSH."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class BackupStore:
    """The backups of one cluster: in two containers of a storage account (configs/backup/blobs.py).

    Args:
        account: the storage account's name; it answers as ACCOUNT.blob.core.windows.net.
        account_id: its resource id.
        ready: what must be there before a node can use it, by the name of that node.
    """

    account: str
    account_id: pulumi.Input[str]
    ready: Mapping[str, Sequence[pulumi.Resource]]
