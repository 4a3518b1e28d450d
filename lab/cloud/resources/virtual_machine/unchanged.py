"""What Azure does not change on a machine that stands."""

from typing import Any

from lab.cloud.errors import conflict
from lab.cloud.fields import reference, references
from lab.cloud.model import Resource
from lab.cloud.resource_id import key_of
from lab.cloud.resources.virtual_machine.storage import os_disk_sku


def check_unchanged(old: Resource, new: Resource) -> None:
    """Refuse a change of what was settled when the machine was made, and of interfaces unless it is deallocated."""
    was, wants = old.properties, new.properties
    pairs: list[tuple[str, Any, Any]] = [
        ("zones", old.zones, new.zones),
        (
            "availabilitySet.id",
            key_of(reference(was, "availabilitySet")),
            key_of(reference(wants, "availabilitySet")),
        ),
    ]
    for name in ("computerName", "adminUsername"):
        pairs.append((f"osProfile.{name}", was["osProfile"][name], wants["osProfile"][name]))
    keys = [profile["osProfile"]["linuxConfiguration"]["ssh"]["publicKeys"] for profile in (was, wants)]
    pairs.append(("linuxConfiguration.ssh.publicKeys", keys[0], keys[1]))
    for name in ("publisher", "offer", "sku", "version"):
        before, after = (p["storageProfile"]["imageReference"][name].lower() for p in (was, wants))
        pairs.append((f"imageReference.{name}", before, after))
    for name in ("name", "createOption", "diskSizeGB"):
        pairs.append((f"osDisk.{name}", was["storageProfile"]["osDisk"][name], wants["storageProfile"]["osDisk"][name]))
    pairs.append(
        (
            "osDisk.managedDisk.storageAccountType",
            os_disk_sku(was["storageProfile"]["osDisk"]),
            os_disk_sku(wants["storageProfile"]["osDisk"]),
        )
    )
    pairs.append(
        (
            "osDisk.managedDisk.diskEncryptionSet",
            key_of(reference(was["storageProfile"]["osDisk"]["managedDisk"], "diskEncryptionSet")),
            key_of(reference(wants["storageProfile"]["osDisk"]["managedDisk"], "diskEncryptionSet")),
        )
    )
    for target, before, after in pairs:
        if before != after:
            raise conflict("PropertyChangeNotAllowed", f"Changing property '{target}' is not allowed.", target)
    interfaces = [sorted(key_of(i) for i in references(p["networkProfile"], "networkInterfaces")) for p in (was, wants)]
    if interfaces[0] != interfaces[1] and old.hidden["power"] != "deallocated":
        raise conflict(
            "OperationNotAllowed",
            f"The network interfaces of virtual machine {old.name} can be changed only while it is deallocated.",
            "networkProfile",
        )
