"""A lock by which Azure refuses to delete a resource, whoever asks."""

import pulumi
from pulumi_azure_native import authorization


def deletion_lock(
    name: str, *, azure_name: str, scope: pulumi.Input[str], parent: pulumi.Resource
) -> authorization.ManagementLockByScope:
    """Lock one resource; with it Azure refuses to delete its resource group, too.

    Never a resource group: what replaces a machine, or takes a right away, deletes things in there. A lock depends on
    what it locks, so Pulumi takes it away first; what keeps Pulumi itself from deleting is `protectData`.

    Args:
        azure_name: name in Azure of what is locked.
    """
    return authorization.ManagementLockByScope(
        name,
        lock_name=f"lock-{azure_name}",
        scope=scope,
        level=authorization.LockLevel.CAN_NOT_DELETE,
        notes="Set by deletionLock in the Pulumi stack.",
        opts=pulumi.ResourceOptions(parent=parent),
    )
