"""A machine's disks: the system disk, which comes with it, and data disks, which are resources of their own."""

import uuid

from lab.cloud import catalogue
from lab.cloud.errors import ArmError, bad_request, conflict, invalid, not_in_lab
from lab.cloud.fields import choice, integer, items, reference, section, text
from lab.cloud.inventory import DISK, Inventory
from lab.cloud.machines import MOST_LUNS
from lab.cloud.model import Json, Resource, now
from lab.cloud.resource_id import parse
from lab.cloud.resources.base import COMPUTE_NAME
from lab.cloud.resources.disk import GIB
from lab.cloud.resources.encryption_set import checked_set
from lab.cloud.resources.virtual_machine.hardware import check_generation, check_premium, checked_controller, size_of

_SYSTEM_DISK_GIB = 30
"""Size of the system disk of Azure's Debian images."""


def storage_profile(inventory: Inventory, resource: Resource, given: Json, existing: Resource | None) -> Json:
    """Check image and disks and return the storage profile."""
    image = section(given, "imageReference")
    if existing is not None and not image:
        image = section(section(existing.properties, "storageProfile"), "imageReference")
    guest = guest_of(image)
    # Every image that the program uses is of the second generation.
    check_generation(resource, "V2")
    if existing is None:
        resource.hidden["guest"] = guest
    return {
        "imageReference": {
            **{name: text(image, name) for name in ("publisher", "offer", "sku")},
            "version": text(image, "version") or "latest",
            "exactVersion": exact_version(image),
        },
        "osDisk": _os_disk(inventory, resource, section(given, "osDisk"), existing),
        "dataDisks": _data_disks(inventory, resource, items(given, "dataDisks")),
        "diskControllerType": checked_controller(resource, given, existing),
    }


def _os_disk(inventory: Inventory, resource: Resource, given: Json, existing: Resource | None) -> Json:
    old = section(section(existing.properties, "storageProfile"), "osDisk") if existing else {}
    if choice(given, "createOption", ("FromImage", "Attach", "Empty"), old.get("createOption")) != "FromImage":
        raise not_in_lab("The lab cloud makes system disks from images only.", "osDisk.createOption")
    name = text(given, "name") or old.get("name") or f"{resource.name}_OsDisk_1_{uuid.uuid4().hex}"
    identity = f"{parse(resource.id).parent}/disks/{name}"
    if not COMPUTE_NAME.fullmatch(name):
        raise invalid(f"The disk name '{name}' is not valid.", "osDisk.name")
    if existing is None and inventory.get(identity, DISK) is not None:
        raise conflict(
            "ConflictingUserInput",
            f"Disk {name} already exists in resource group {resource.group.upper()}. Only CreateOption.Attach is "
            "supported.",
            identity,
        )
    managed = section(given, "managedDisk")
    sku = choice(managed, "storageAccountType", catalogue.DISK_SKUS, os_disk_sku(old))
    if sku in catalogue.PERFORMANCE_SKUS:
        raise invalid(f"StorageAccountType '{sku}' is not supported for OS disks.", "osDisk.managedDisk")
    check_premium(resource, sku)
    size = integer(given, "diskSizeGB", old.get("diskSizeGB") or _SYSTEM_DISK_GIB)
    if size < _SYSTEM_DISK_GIB:
        raise conflict(
            "OperationNotAllowed",
            f"The specified disk size {size} GB is smaller than the size of the corresponding disk in the VM "
            f"image: {_SYSTEM_DISK_GIB} GB. This is not allowed. Please choose equal or greater size or do not "
            "specify an explicit size.",
            "osDisk.diskSizeGB",
        )
    return {
        "osType": "Linux",
        "name": name,
        "createOption": "FromImage",
        "caching": choice(given, "caching", ("None", "ReadOnly", "ReadWrite"), "ReadWrite"),
        "managedDisk": {
            "id": identity,
            "storageAccountType": sku,
            **(
                {"diskEncryptionSet": {"id": checked_set(inventory, encryption, resource)}}
                if (encryption := reference(managed, "diskEncryptionSet"))
                else {}
            ),
        },
        "deleteOption": choice(given, "deleteOption", ("Delete", "Detach"), "Detach"),
        "diskSizeGB": size,
    }


def _data_disks(inventory: Inventory, resource: Resource, entries: list[Json]) -> list[Json]:
    most = size_of(resource).data_disks
    if len(entries) > most:
        raise conflict(
            "OperationNotAllowed",
            f"The maximum number of data disks allowed to be attached to a VM of this size is {most}.",
            "dataDisks",
        )
    luns: set[int] = set()
    checked: list[Json] = []
    for entry in entries:
        lun = integer(entry, "lun")
        if not 0 <= lun <= 63:
            raise invalid(f"The value '{lun}' of parameter 'dataDisk.lun' is out of range: 0 to 63.", "dataDisk.lun")
        if lun in luns:
            raise invalid(f"A disk at LUN {lun} already exists.", "dataDisk.lun")
        if lun >= MOST_LUNS:
            raise not_in_lab(f"The lab's machines have LUN 0 to {MOST_LUNS - 1}.", "dataDisk.lun")
        luns.add(lun)
        if choice(entry, "createOption", ("Attach", "Empty", "FromImage")) != "Attach":
            raise not_in_lab(
                "The lab cloud attaches data disks that are resources of their own: createOption Attach.",
                "dataDisk.createOption",
            )
        checked.append(_data_disk(inventory, resource, entry, lun))
    return checked


def _data_disk(inventory: Inventory, resource: Resource, entry: Json, lun: int) -> Json:
    identity = reference(entry, "managedDisk")
    if not identity:
        raise invalid("Required parameter 'dataDisk.managedDisk.id' is missing (null).", "dataDisk.managedDisk.id")
    disk = inventory.require(identity, DISK, resource.id, resource.location)
    owner = inventory.machine_of_disk(identity)
    if owner is not None and owner.key != resource.key:
        raise conflict(
            "ConflictingUserInput",
            f"Disk '{identity}' cannot be attached as the disk is already owned by VM '{owner.id}'.",
            identity,
        )
    if disk.zones != resource.zones and "ZRS" not in disk.sku:
        place = f"it is not in zone '{resource.zones[0]}'" if resource.zones else "the VM is not in any zone"
        raise bad_request("BadRequest", f"Disk {identity} cannot be attached to the VM because {place}.")
    check_premium(resource, disk.sku)
    caching = choice(entry, "caching", ("None", "ReadOnly", "ReadWrite"), "None")
    if disk.sku in catalogue.PERFORMANCE_SKUS:
        if caching != "None":
            raise invalid(f"Caching '{caching}' is not supported for {disk.sku} disks.", "dataDisk.caching")
        if "availabilitySet" in resource.properties:
            raise bad_request("BadRequest", f"{disk.sku} disks cannot be used with an availability set.")
    return {
        "lun": lun,
        "name": disk.name,
        "createOption": "Attach",
        "caching": caching,
        "managedDisk": {"id": identity, "storageAccountType": disk.sku},
        "deleteOption": choice(entry, "deleteOption", ("Delete", "Detach"), "Detach"),
        "diskSizeGB": disk.properties["diskSizeGB"],
        "toBeDetached": False,
    }


def os_disk_sku(os_disk: Json) -> str:
    return str(section(os_disk, "managedDisk").get("storageAccountType") or "Standard_LRS")


def _encryption(os_disk: Json) -> Json:
    used = reference(section(os_disk, "managedDisk"), "diskEncryptionSet")
    if not used:
        return {"type": "EncryptionAtRestWithPlatformKey"}
    return {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": used}


def system_disk(machine: Resource) -> Resource:
    """Return a new machine's system disk as the resource that it is, too."""
    os_disk = machine.properties["storageProfile"]["osDisk"]
    disk = Resource(os_disk["managedDisk"]["id"], DISK, os_disk["name"], machine.group, machine.location)
    disk.body = {
        "sku": {"name": os_disk_sku(os_disk), "tier": os_disk_sku(os_disk).split("_")[0]},
        "zones": machine.zones,
        "properties": {
            "osType": "Linux",
            "creationData": {"createOption": "FromImage"},
            "diskSizeGB": os_disk["diskSizeGB"],
            "diskSizeBytes": os_disk["diskSizeGB"] * GIB,
            "timeCreated": now(),
            "encryption": _encryption(os_disk),
        },
    }
    disk.hidden = {"folder": "of its machine"}
    return disk


def guest_of(image: Json) -> str:
    """Return the lab's guest for an image reference.

    Raises:
        ArmError: the image is not there (404, PlatformImageNotFound), or it is a custom image.
    """
    if text(image, "id"):
        raise not_in_lab("Custom images are not supported by the lab cloud.", "imageReference")
    words = [text(image, name) for name in ("publisher", "offer", "sku")]
    if not all(words):
        raise invalid("imageReference needs publisher, offer, sku and version.", "imageReference")
    key = (words[0].lower(), words[1].lower(), words[2].lower())
    guest = catalogue.GUESTS.get(key)
    if guest is not None and exact_version(image) in catalogue.IMAGE_VERSIONS:
        return guest
    named = ":".join([*words, text(image, "version") or "latest"])
    there = ", ".join(sorted({":".join(known) for known in catalogue.GUESTS}))
    known = "exists on Azure, and the lab has no guest for it" if key in catalogue.KNOWN_IMAGES else "is not available"
    raise ArmError(
        404,
        "PlatformImageNotFound",
        f"The platform image '{named}' {known}. The lab has: {there}, in versions "
        f"{', '.join(catalogue.IMAGE_VERSIONS)}.",
        "imageReference",
    )


def exact_version(image: Json) -> str:
    """Return the version that an image reference means: latest is that of the day on which the machine is made."""
    version = text(image, "version") or "latest"
    return catalogue.IMAGE_VERSIONS[-1] if version == "latest" else version
