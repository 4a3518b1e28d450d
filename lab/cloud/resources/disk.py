"""Managed disks: sparse files that outlive the machines they are attached to."""

import hashlib
from pathlib import Path

from lab.cloud import catalogue
from lab.cloud.errors import bad_request, conflict, not_in_lab
from lab.cloud.fields import choice, flag, integer, section, text
from lab.cloud.inventory import DISK, Inventory
from lab.cloud.model import Json, Resource, now
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import COMPUTE_NAME, Kind, checked_zones
from lab.cloud.resources.encryption_set import encryption_of
from lab.cloud.site import Site

GIB = 1024**3

MOST_WHILE_ATTACHED = 4095
"""GiB: learn.microsoft.com, "Expand virtual hard disks on a Linux VM"."""


def disk_file(site: Site, disk: Resource) -> Path:
    """Return the file of a data disk."""
    return site.disks / f"{disk.name}-{hashlib.sha256(disk.key.encode()).hexdigest()[:8]}.raw"


class DiskKind(Kind):
    type = DISK
    name = COMPUTE_NAME
    compute = True

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check SKU, size and zone; a disk grows and never shrinks."""
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        # An absent SKU means Standard_LRS, and for an update what there is.
        sku = choice(section(body, "sku"), "name", catalogue.DISK_SKUS, existing.sku if existing else "Standard_LRS")
        creation = section(given, "creationData")
        if existing is not None:
            creation = section(existing.properties, "creationData")
        elif choice(creation, "createOption", ("Empty", "Copy", "FromImage", "Import", "Restore", "Upload")) != "Empty":
            raise not_in_lab("The lab cloud makes empty disks only.", "creationData.createOption")
        size = integer(given, "diskSizeGB", existing.properties["diskSizeGB"] if existing else None)
        if not 1 <= size <= 32767:
            raise bad_request(
                "InvalidParameter",
                f"The value '{size}' of property 'disk.diskSizeGB' is out of range. It must be 1 to 32767.",
                "disk.diskSizeGB",
            )
        if flag(given, "burstingEnabled") or integer(given, "maxShares", 1) > 1:
            raise not_in_lab("Shared and bursting disks are not supported by the lab cloud.")
        zones = checked_zones(body, resource.location, 1)
        if existing is None and sku in catalogue.PERFORMANCE_SKUS and not zones:
            raise bad_request(
                "BadRequest", f"Disks with {sku} account type can only be made with an availability zone.", "zones"
            )
        if existing is not None:
            if existing.zones != zones:
                raise conflict("PropertyChangeNotAllowed", "Changing property 'zones' is not allowed.", "zones")
            if size < existing.properties["diskSizeGB"]:
                raise conflict(
                    "ResizeDiskError",
                    "Disk size reduction is not supported. Current size is "
                    f"{existing.properties['diskSizeGB'] * GIB} bytes, requested size is {size * GIB} bytes.",
                    "disk.diskSizeGB",
                )
            self._check_attached(inventory, existing, sku, size)
            performance = catalogue.PERFORMANCE_SKUS
            if existing.sku != sku and (existing.sku in performance or sku in performance):
                raise conflict("PropertyChangeNotAllowed", "Changing property 'sku.name' is not allowed.", "sku.name")
        tier = sku.split("_")[0]
        resource.body["sku"] = {"name": sku, "tier": {"StandardSSD": "Standard", "UltraSSD": "Ultra"}.get(tier, tier)}
        resource.body["zones"] = zones
        resource.properties.update(
            {
                "creationData": {"createOption": creation.get("createOption", "Empty")},
                "diskSizeGB": size,
                "diskSizeBytes": size * GIB,
                "timeCreated": existing.properties["timeCreated"] if existing else now(),
                "networkAccessPolicy": given.get("networkAccessPolicy") or "AllowAll",
                "publicNetworkAccess": given.get("publicNetworkAccess") or "Enabled",
                "encryption": self._encryption(inventory, resource, given, existing),
            }
        )
        if existing is not None and existing.properties.get("osType"):
            resource.properties["osType"] = existing.properties["osType"]
        return resource

    def _check_attached(self, inventory: Inventory, existing: Resource, sku: str, size: int) -> None:
        """Refuse what is changed only while no machine runs with the disk."""
        machine = inventory.machine_of_disk(existing.id)
        if machine is None or machine.hidden.get("power") == "deallocated":
            return
        before = existing.properties["diskSizeGB"]
        if before <= MOST_WHILE_ATTACHED < size and existing.sku not in catalogue.PERFORMANCE_SKUS:
            raise conflict(
                "OperationNotAllowed",
                f"Disk '{existing.name}' is attached to {machine.id}: disks cannot be resized beyond "
                f"{MOST_WHILE_ATTACHED} GiB when attached. Deallocate the VM, or detach the disk.",
                "disk.diskSizeGB",
            )
        if existing.sku != sku:
            raise conflict(
                "OperationNotAllowed",
                f"Disk '{existing.name}' is attached to running VM {machine.id}: its account type can be changed only "
                "while the disk is unattached or the VM deallocated.",
                "sku.name",
            )

    def _encryption(self, inventory: Inventory, resource: Resource, given: Json, existing: Resource | None) -> Json:
        old = section(existing.properties, "encryption") if existing else {}
        if old and not section(given, "encryption"):
            return old
        wanted = encryption_of(inventory, text(section(given, "encryption"), "diskEncryptionSetId"), resource)
        machine = inventory.machine_of_disk(resource.id)
        if old and wanted != old and machine is not None:
            raise conflict("OperationNotAllowed", f"The encryption of disk {resource.name}, attached to {machine.id}, "
                           "cannot be changed.")  # fmt: skip
        return wanted

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        machine = inventory.machine_of_disk(resource.id)
        return {**resource.properties, "diskState": "Attached" if machine else "Unattached"}

    def shown(self, inventory: Inventory, resource: Resource) -> Json:
        shown = super().shown(inventory, resource)
        machine = inventory.machine_of_disk(resource.id)
        if machine is not None:
            shown["managedBy"] = machine.id
        return shown

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        machine = inventory.machine_of_disk(resource.id)
        if machine is not None:
            raise conflict("OperationNotAllowed", f"Disk {resource.name} is attached to VM {machine.id}.")

    async def apply(self, site: Site, resource: Resource) -> None:
        if resource.hidden.get("folder"):
            return  # an operating system's disk: the machine's own
        path = disk_file(site, resource)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("ab") as file:
            if file.tell() < resource.properties["diskSizeBytes"]:
                file.truncate(resource.properties["diskSizeBytes"])

    async def remove(self, site: Site, resource: Resource) -> None:
        if folder := resource.hidden.get("folder"):
            await site.machines.discard(Path(folder))
        else:
            disk_file(site, resource).unlink(missing_ok=True)
