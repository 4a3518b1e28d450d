"""What Azure does not change on a machine that stands."""

from lab.cloud.errors import conflict
from lab.cloud.fields import reference, references
from lab.cloud.model import Resource
from lab.cloud.resource_id import key_of
from lab.cloud.resources.virtual_machine.storage import os_disk_sku


def check_unchanged(old: Resource, new: Resource) -> None:
    """Refuse a change of what was settled when the machine was made, and of interfaces unless it is deallocated."""
    was, wants = _settled(old), _settled(new)
    for target, before in was.items():
        if before != wants[target]:
            raise conflict("PropertyChangeNotAllowed", f"Changing property '{target}' is not allowed.", target)
    interfaces = [
        sorted(map(key_of, references(m.properties["networkProfile"], "networkInterfaces"))) for m in (old, new)
    ]
    if interfaces[0] != interfaces[1] and old.hidden["power"] != "deallocated":
        raise conflict(
            "OperationNotAllowed",
            f"The network interfaces of virtual machine {old.name} can be changed only while it is deallocated.",
            "networkProfile",
        )


def _settled(machine: Resource) -> dict[str, object]:
    """Return what is settled once a machine is made, by how Azure calls it."""
    os, storage = machine.properties["osProfile"], machine.properties["storageProfile"]
    disk = storage["osDisk"]
    return {
        "zones": machine.zones,
        "availabilitySet.id": key_of(reference(machine.properties, "availabilitySet")),
        **{f"osProfile.{name}": os[name] for name in ("computerName", "adminUsername")},
        "linuxConfiguration.ssh.publicKeys": os["linuxConfiguration"]["ssh"]["publicKeys"],
        **{
            f"imageReference.{name}": storage["imageReference"][name].lower()
            for name in ("publisher", "offer", "sku", "version")
        },
        **{f"osDisk.{name}": disk[name] for name in ("name", "createOption", "diskSizeGB")},
        "osDisk.managedDisk.storageAccountType": os_disk_sku(disk),
        "osDisk.managedDisk.diskEncryptionSet": key_of(reference(disk["managedDisk"], "diskEncryptionSet")),
    }
