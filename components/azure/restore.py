"""The nodes' right to read the backup that a new cluster begins with."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import compute

from components.azure.role import assign_role, principal_of
from components.backup_store import BackupStore
from components.settings.azure_id import AzureId
from components.settings.recorded import RESTORE
from configs.backup.blobs import CONTAINER, STATE_CONTAINER

# "Storage Blob Data Reader": lists and reads blobs
# (learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage).
_BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"


@dataclass(frozen=True)
class RestoreArgs:
    """What a new cluster begins with.

    Args:
        source: the storage account of another cluster's backups.
        to: the second until which they are restored.
        machines: the two virtual machines by node name, each with an identity of its own.
    """

    source: AzureId
    to: str
    machines: Mapping[str, compute.VirtualMachine]


class Restore(pulumi.ComponentResource):
    """Each node may read the other cluster's backups. Its outputs are the record of what this cluster began with."""

    store: BackupStore

    def __init__(self, name: str, args: RestoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(RESTORE, name, None, opts)
        role = (
            f"/subscriptions/{args.source.subscription}/providers/Microsoft.Authorization/roleDefinitions/"
            f"{_BLOB_READER}"
        )
        self.store = BackupStore(
            account=args.source.names[0],
            account_id=args.source.text,
            ready={
                node: [
                    assign_role(
                        f"{node}-reads-{container}",
                        role_id=role,
                        principal_id=principal_of(machine),
                        scope=f"{args.source.text}/blobServices/default/containers/{container}",
                        parent=self,
                    )
                    for container in (CONTAINER, STATE_CONTAINER)
                ]
                for node, machine in args.machines.items()
            },
        )
        self.register_outputs({"source": args.source.text, "to": args.to})
