"""A node's data disk."""

import pulumi
from pulumi_azure_native import compute

from components.azure.deletion_lock import deletion_lock
from components.azure.place import Place
from components.azure.propagation import asked_again
from components.settings.disks import DisksSection
from components.settings.settings import MachineSettings


def make_data_disk(
    node: MachineSettings,
    place: Place,
    disks: DisksSection,
    *,
    encryption_set_id: pulumi.Input[str] | None,
    parent: pulumi.Resource,
) -> compute.Disk:
    """Make an empty disk, which outlives its machine.

    Args:
        encryption_set_id: the set whose key encrypts it; None for Azure's own key.
    """
    azure_name = f"disk-{node.name}-data"
    disk = compute.Disk(
        f"{node.name}-data",
        disk_name=azure_name,
        resource_group_name=place.group_name,
        location=place.location,
        creation_data=compute.CreationDataArgs(create_option=compute.DiskCreateOption.EMPTY),
        disk_size_gb=disks.data_disk_size_gb,
        sku=compute.DiskSkuArgs(name=disks.data_disk_sku),
        # Nobody downloads it by a link.
        network_access_policy=compute.NetworkAccessPolicy.DENY_ALL,
        public_network_access=compute.PublicNetworkAccess.DISABLED,
        encryption=compute.EncryptionArgs(
            type=compute.EncryptionType.ENCRYPTION_AT_REST_WITH_CUSTOMER_KEY, disk_encryption_set_id=encryption_set_id
        )
        if encryption_set_id
        else None,
        zones=[node.zone] if node.zone else None,
        opts=pulumi.ResourceOptions(
            parent=parent,
            protect=disks.protect_data,
            hooks=asked_again(f"{node.name}-data") if encryption_set_id else None,
        ),
    )
    if disks.deletion_lock:
        deletion_lock(f"{node.name}-data-lock", azure_name=azure_name, scope=disk.id, parent=parent)
    return disk
