"""Virtual machines: their checks, their disks, their power."""

import asyncio
import base64
import binascii
import re
import time
import uuid
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from lab.cloud import catalogue
from lab.cloud.errors import ArmError, bad_request, conflict
from lab.cloud.fields import choice, flag, integer, items, reference, references, section, text
from lab.cloud.guest import GuestInterface, Seed, decode, seed
from lab.cloud.inventory import AVAILABILITY_SET, DISK, INTERFACE, MACHINE, Inventory
from lab.cloud.machines import MOST_LUNS, Definition
from lab.cloud.model import Json, Resource, now
from lab.cloud.resource_id import ResourceId, key_of, parse
from lab.cloud.resources.base import COMPUTE_NAME, Kind, checked_zones
from lab.cloud.resources.disk import GIB, DiskKind, disk_file
from lab.cloud.resources.encryption_set import checked_set
from lab.cloud.resources.virtual_network import bridge_name, gateway, subnet_prefix
from lab.cloud.site import Site
from lab.cloud.state import Store
from lab.cloud.tokens import TENANT

_RESERVED_USERS = frozenset(
    [
        "administrator",
        "admin",
        "user",
        "user1",
        "test",
        "user2",
        "test1",
        "user3",
        "admin1",
        "1",
        "123",
        "a",
        "actuser",
        "adm",
        "admin2",
        "aspnet",
        "backup",
        "console",
        "david",
        "guest",
        "john",
        "owner",
        "root",
        "server",
        "sql",
        "support",
        "support_388945a0",
        "sys",
        "test2",
        "test3",
        "user4",
        "user5",
    ]
)
"""Names that Azure does not take for an administrator."""

_CUSTOM_DATA_LIMIT = 64 * 1024

_SYSTEM_DISK_GIB = 30
"""Size of the system disk of Azure's Debian images."""


def _invalid(message: str, target: str) -> ArmError:
    return bad_request("InvalidParameter", message, target)


class VirtualMachineKind(Kind):
    """`Microsoft.Compute/virtualMachines`."""

    type = MACHINE
    name = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?")
    compute = True

    # --- checks

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check everything; see the helpers."""
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        if existing is None:
            for other in inventory.of_type(MACHINE):
                if other.name.lower() == target.name.lower():
                    raise conflict("LabNotSupported", f"The lab has one machine of a name, and has {other.id}.")
            resource.properties["vmId"] = str(uuid.uuid4())
            resource.properties["timeCreated"] = now()
            resource.hidden = {"power": "running", "provisioned": False, "boot_seconds": None}
        else:
            for kept in ("vmId", "timeCreated"):
                resource.properties[kept] = existing.properties[kept]
        resource.body["zones"] = checked_zones(body, resource.location, 1)
        resource.body["identity"] = self._identity(section(body, "identity"), existing)
        size = self._size(given)
        resource.properties["hardwareProfile"] = {"vmSize": size}
        resource.properties["osProfile"] = self._os_profile(section(given, "osProfile"), resource, existing)
        self._placement(inventory, resource, given)
        resource.properties["storageProfile"] = self._storage(
            inventory, resource, section(given, "storageProfile"), existing
        )
        resource.properties["networkProfile"] = self._network(inventory, resource, section(given, "networkProfile"))
        for name in ("securityProfile", "diagnosticsProfile", "additionalCapabilities"):
            if given.get(name) is not None:
                resource.properties[name] = section(given, name)
        if choice(given, "priority", ("Regular", "Spot", "Low"), "Regular") != "Regular":
            raise bad_request("LabNotSupported", "Spot machines are not supported by the lab cloud.", "priority")
        if existing is not None:
            self._check_unchanged(existing, resource)
        return resource

    def _identity(self, given: Json, existing: Resource | None) -> Json:
        kind = choice(given, "type", ("None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned"), "None")
        if "User" in kind:
            raise bad_request("LabNotSupported", "User-assigned identities are not supported by the lab cloud.")
        if kind == "None":
            return {}
        old = section(existing.body, "identity") if existing else {}
        return {"type": kind, "principalId": old.get("principalId") or str(uuid.uuid4()), "tenantId": TENANT}

    def _size(self, given: Json) -> str:
        wanted = text(section(given, "hardwareProfile"), "vmSize")
        for name in catalogue.SIZES:
            if name.lower() == wanted.lower():
                return name
        raise _invalid(
            f"The value {wanted or '(none)'} provided for the VM size is not valid. The valid sizes in the current "
            f"region are: {', '.join(sorted(catalogue.SIZES))}.",
            "vmSize",
        )

    def _os_profile(self, given: Json, resource: Resource, existing: Resource | None) -> Json:
        if existing is not None and not given:
            return section(existing.properties, "osProfile")
        computer = text(given, "computerName") or resource.name
        if (
            len(computer) > 64
            or computer.isdecimal()
            or not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", computer)
        ):
            raise _invalid(
                "Linux host name cannot exceed 64 characters in length, consist entirely of digits, or contain the "
                f"following characters: ` ~ ! @ # $ % ^ & * ( ) = + _ [ ] {{ }} \\ | ; : ' \" , < > / ?. It is "
                f"'{computer}'.",
                "computerName",
            )
        admin = text(given, "adminUsername")
        if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,63}", admin, re.IGNORECASE):
            raise _invalid(f"The Admin Username '{admin}' is not valid.", "adminUsername")
        if admin.lower() in _RESERVED_USERS:
            raise _invalid("The Admin Username specified is not allowed.", "adminUsername")
        linux = section(given, "linuxConfiguration")
        if given.get("windowsConfiguration") is not None:
            raise bad_request("LabNotSupported", "Windows is not supported by the lab cloud.", "windowsConfiguration")
        if text(given, "adminPassword") or not flag(linux, "disablePasswordAuthentication"):
            raise bad_request(
                "LabNotSupported", "The lab's guests take SSH keys only: disablePasswordAuthentication must be true."
            )
        keys = items(section(linux, "ssh"), "publicKeys")
        if not keys:
            raise _invalid(
                "Authentication using either SSH or by user name and password must be enabled in Linux profile.",
                "linuxConfiguration",
            )
        for key in keys:
            _check_ssh_key(key, admin)
        _check_custom_data(text(given, "customData"))
        if existing is None:
            resource.hidden["customData"] = text(given, "customData")
        elif text(given, "customData") not in ("", existing.hidden.get("customData", "")):
            raise conflict(
                "PropertyChangeNotAllowed", "Changing property 'osProfile.customData' is not allowed.", "customData"
            )
        return {
            "computerName": computer,
            "adminUsername": admin,
            "linuxConfiguration": {
                "disablePasswordAuthentication": True,
                "ssh": {"publicKeys": [{"path": key["path"], "keyData": key["keyData"]} for key in keys]},
                "provisionVMAgent": flag(linux, "provisionVMAgent", default=True),
                **({"patchSettings": linux["patchSettings"]} if linux.get("patchSettings") else {}),
            },
            "secrets": [],
            "allowExtensionOperations": True,
            "requireGuestProvisionSignal": True,
        }

    def _placement(self, inventory: Inventory, resource: Resource, given: Json) -> None:
        wanted = reference(given, "availabilitySet")
        if not wanted:
            return
        if resource.zones:
            raise bad_request(
                "BadRequest",
                "Availability zone and availability set cannot both be specified for a virtual machine.",
                "zones",
            )
        found = inventory.require(wanted, AVAILABILITY_SET, resource.id, resource.location)
        if found.group.lower() != resource.group.lower():
            raise bad_request("BadRequest", f"Availability set {wanted} is in another resource group than the machine.")
        if found.sku != "Aligned":
            raise conflict(
                "OperationNotAllowed",
                f"Addition of a VM with managed disks to non-managed Availability Set '{found.name}' is not "
                "supported: its sku must be Aligned.",
            )
        resource.properties["availabilitySet"] = {"id": wanted}

    def _storage(self, inventory: Inventory, resource: Resource, given: Json, existing: Resource | None) -> Json:
        image = section(given, "imageReference")
        if existing is not None and not image:
            image = section(section(existing.properties, "storageProfile"), "imageReference")
        guest = _guest(image)
        if existing is None:
            resource.hidden["guest"] = guest
        return {
            "imageReference": {
                **{name: text(image, name) for name in ("publisher", "offer", "sku")},
                "version": text(image, "version") or "latest",
                "exactVersion": _exact_version(image),
            },
            "osDisk": self._os_disk(inventory, resource, section(given, "osDisk"), existing),
            "dataDisks": self._data_disks(inventory, resource, items(given, "dataDisks")),
            "diskControllerType": choice(given, "diskControllerType", ("SCSI", "NVMe"), "SCSI"),
        }

    def _os_disk(self, inventory: Inventory, resource: Resource, given: Json, existing: Resource | None) -> Json:
        old = section(section(existing.properties, "storageProfile"), "osDisk") if existing else {}
        if choice(given, "createOption", ("FromImage", "Attach", "Empty"), old.get("createOption")) != "FromImage":
            raise bad_request(
                "LabNotSupported", "The lab cloud makes system disks from images only.", "osDisk.createOption"
            )
        name = text(given, "name") or old.get("name") or f"{resource.name}_OsDisk_1_{uuid.uuid4().hex}"
        identity = f"{parse(resource.id).parent}/disks/{name}"
        if not COMPUTE_NAME.fullmatch(name):
            raise _invalid(f"The disk name '{name}' is not valid.", "osDisk.name")
        if existing is None and inventory.get(identity, DISK) is not None:
            raise conflict(
                "ConflictingUserInput",
                f"Disk {name} already exists in resource group {resource.group.upper()}. Only CreateOption.Attach is "
                "supported.",
                identity,
            )
        managed = section(given, "managedDisk")
        sku = choice(managed, "storageAccountType", catalogue.DISK_SKUS, _os_sku(old))
        if sku in catalogue.PERFORMANCE_SKUS:
            raise _invalid(f"StorageAccountType '{sku}' is not supported for OS disks.", "osDisk.managedDisk")
        self._check_premium(resource, sku)
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

    def _check_premium(self, resource: Resource, sku: str) -> None:
        size = resource.properties["hardwareProfile"]["vmSize"]
        if sku.startswith("Premium") and not catalogue.SIZES[size].premium:
            raise _invalid(
                f"Requested operation cannot be performed because the VM size {size} does not support the storage "
                f"account type {sku} of disk.",
                "vmSize",
            )

    def _data_disks(self, inventory: Inventory, resource: Resource, entries: list[Json]) -> list[Json]:
        size = resource.properties["hardwareProfile"]["vmSize"]
        most = catalogue.SIZES[size].data_disks
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
                raise _invalid(
                    f"The value '{lun}' of parameter 'dataDisk.lun' is out of range: 0 to 63.", "dataDisk.lun"
                )
            if lun in luns:
                raise _invalid(f"A disk at LUN {lun} already exists.", "dataDisk.lun")
            if lun >= MOST_LUNS:
                raise bad_request(
                    "LabNotSupported", f"The lab's machines have LUN 0 to {MOST_LUNS - 1}.", "dataDisk.lun"
                )
            luns.add(lun)
            if choice(entry, "createOption", ("Attach", "Empty", "FromImage")) != "Attach":
                raise bad_request(
                    "LabNotSupported",
                    "The lab cloud attaches data disks that are resources of their own: createOption Attach.",
                    "dataDisk.createOption",
                )
            checked.append(self._data_disk(inventory, resource, entry, lun))
        return checked

    def _data_disk(self, inventory: Inventory, resource: Resource, entry: Json, lun: int) -> Json:
        identity = reference(entry, "managedDisk")
        if not identity:
            raise _invalid("Required parameter 'dataDisk.managedDisk.id' is missing (null).", "dataDisk.managedDisk.id")
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
        self._check_premium(resource, disk.sku)
        caching = choice(entry, "caching", ("None", "ReadOnly", "ReadWrite"), "None")
        if disk.sku in catalogue.PERFORMANCE_SKUS:
            if caching != "None":
                raise _invalid(f"Caching '{caching}' is not supported for {disk.sku} disks.", "dataDisk.caching")
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

    def _network(self, inventory: Inventory, resource: Resource, given: Json) -> Json:
        entries = items(given, "networkInterfaces")
        if not entries:
            raise bad_request(
                "NetworkInterfaceNotSpecified",
                f"Virtual machine {resource.name} must have at least one network interface.",
                "networkInterfaces",
            )
        primary = [section(entry, "properties").get("primary", entry.get("primary")) is True for entry in entries]
        if len(entries) > 1 and primary.count(True) != 1:
            raise bad_request(
                "VirtualMachineMustHaveOneNetworkInterfaceAsPrimary",
                f"Virtual machine {resource.name} must have one network interface set as the primary.",
            )
        checked: list[Json] = []
        networks: set[str] = set()
        for entry, first in zip(entries, primary, strict=True):
            identity = text(entry, "id")
            interface = inventory.require(identity, INTERFACE, resource.id, resource.location)
            owner = inventory.machine_of_interface(identity)
            if owner is not None and owner.key != resource.key:
                raise bad_request(
                    "NicInUse",
                    f"Network Interface {identity} is used by existing resource {owner.id}. In order to use it, it "
                    "must be dissociated from the resource.",
                )
            if any(key_of(other["id"]) == key_of(identity) for other in checked):
                raise _invalid(f"Network interface {identity} is given twice.", "networkInterfaces")
            self._check_acceleration(resource, interface)
            networks.add(inventory.network_of(interface)[0].key)
            option = choice(section(entry, "properties"), "deleteOption", ("Delete", "Detach"), "Detach")
            checked.append(
                {"id": identity, "properties": {"primary": first or len(entries) == 1, "deleteOption": option}}
            )
        if len(networks) > 1:
            raise bad_request(
                "AllNetworkInterfacesMustBeInSameVirtualNetwork",
                f"The network interfaces of {resource.name} are in several virtual networks.",
            )
        return {"networkInterfaces": checked}

    def _check_acceleration(self, resource: Resource, interface: Resource) -> None:
        size = resource.properties["hardwareProfile"]["vmSize"]
        if interface.properties["enableAcceleratedNetworking"] and not catalogue.SIZES[size].accelerated:
            raise bad_request(
                "VMSizeIsNotPermittedToEnableAcceleratedNetworking",
                f"The VM size {size} is not permitted to enable accelerated networking of {interface.id}.",
                "networkProfile",
            )

    def _check_unchanged(self, old: Resource, new: Resource) -> None:
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
            pairs.append(
                (f"osDisk.{name}", was["storageProfile"]["osDisk"][name], wants["storageProfile"]["osDisk"][name])
            )
        pairs.append(
            (
                "osDisk.managedDisk.storageAccountType",
                _os_sku(was["storageProfile"]["osDisk"]),
                _os_sku(wants["storageProfile"]["osDisk"]),
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
        interfaces = [
            sorted(key_of(i) for i in references(p["networkProfile"], "networkInterfaces")) for p in (was, wants)
        ]
        if interfaces[0] != interfaces[1] and old.hidden["power"] != "deallocated":
            raise conflict(
                "OperationNotAllowed",
                f"The network interfaces of virtual machine {old.name} can be changed only while it is deallocated.",
                "networkProfile",
            )

    # --- what a client sees

    def commit(self, store: Store, resource: Resource) -> None:
        """Remember the machine, and its system disk as a disk of its own."""
        existing = store.get(resource.id)
        store.put(resource)
        if existing is None:
            os_disk = resource.properties["storageProfile"]["osDisk"]
            disk = Resource(os_disk["managedDisk"]["id"], DISK, os_disk["name"], resource.group, resource.location)
            disk.body = {
                "sku": {"name": _os_sku(os_disk), "tier": _os_sku(os_disk).split("_")[0]},
                "zones": resource.zones,
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
            store.put(disk)

    def statuses(self, site: Site, resource: Resource) -> list[Json]:
        """Return the statuses of the instance view: provisioning and power."""
        state = resource.provisioning.lower()
        power = power_state(site, resource)
        return [
            {
                "code": f"ProvisioningState/{state}",
                "level": "Error" if state == "failed" else "Info",
                "displayStatus": f"Provisioning {state}",
                "time": now(),
            },
            {"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"},
        ]

    def instance_view(self, site: Site, resource: Resource) -> Json:
        """Return what the platform sees of a machine now."""
        storage = resource.properties["storageProfile"]
        disks = [storage["osDisk"], *storage["dataDisks"]]
        attached = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"}
        return {
            "computerName": resource.properties["osProfile"]["computerName"],
            "osName": resource.hidden["guest"].split("-")[0],
            "hyperVGeneration": "V2",
            "disks": [{"name": disk["name"], "statuses": [attached]} for disk in disks],
            "statuses": self.statuses(site, resource),
        }

    # --- effects

    async def apply(self, site: Site, resource: Resource) -> None:
        """Make a new machine and switch it on; give one that stands what has changed."""
        if not resource.hidden.get("provisioned"):
            await self.switch_on(site, resource)
            return
        definition = define(site, resource)
        attached = {int(lun): path for lun, path in resource.hidden.get("attached", {}).items()}
        wanted = {lun: str(path) for lun, path in definition.data_disks.items()}
        if site.machines.is_running(definition):
            if resource.properties["hardwareProfile"]["vmSize"] != resource.hidden.get("running_size"):
                # Azure restarts a machine for a new size.
                await site.machines.shut_down(definition)
                await self.switch_on(site, resource)
                return
            for lun, path in attached.items():
                if wanted.get(lun) != path:
                    await site.machines.detach(definition, lun)
            for lun, path in wanted.items():
                if attached.get(lun) != path:
                    await site.machines.attach(definition, lun, Path(path))
            resource.hidden["attached"] = wanted
            site.store.save()

    async def switch_on(self, site: Site, resource: Resource) -> None:
        """Start the machine on the disks and interfaces that it has now."""
        definition = define(site, resource)
        for interface in site.inventory.interfaces_of(resource):
            network, _ = site.inventory.network_of(interface)
            await site.fabric.ensure_tap(interface.hidden["tap"], bridge_name(network.id))
        resource.hidden["power"] = "running"
        if site.machines.is_running(definition):
            return
        resource.hidden.update(
            {
                "started": time.time(),
                "boot_seconds": None,
                "attached": {lun: str(path) for lun, path in definition.data_disks.items()},
                "running_size": resource.properties["hardwareProfile"]["vmSize"],
            }
        )
        site.store.save()
        try:
            await site.machines.start(definition)
        except Exception as error:
            raise ArmError(
                409, "OSProvisioningInternalError", f"VM '{resource.name}' does not start: {error}"
            ) from error

    async def settle(self, site: Site, resource: Resource) -> None:
        """Wait until the guest lets in, as Azure waits for the guest's own word."""
        deadline = time.monotonic() + site.provisioning_timeout
        console = machine_folder(site, resource) / "console.log"
        while True:
            # Whatever has been asked for meanwhile, this is the machine now.
            current = site.store.get(resource.id)
            if current is None or current.provisioning == "Deleting":
                raise conflict("OperationPreempted", f"The making of '{resource.name}' was preempted by its deletion.")
            if current.hidden.get("provisioned") or current.hidden["power"] != "running":
                return
            if await observe(site, current):
                break
            if not site.machines.is_running(define(site, current)):
                raise conflict(
                    "OSProvisioningClientError",
                    f"OS Provisioning for VM '{resource.name}' did not finish: the machine went off while it booted "
                    f"(console: {console}).",
                )
            if time.monotonic() > deadline:
                raise conflict(
                    "OSProvisioningTimedOut",
                    f"OS Provisioning for VM '{resource.name}' did not finish in the allotted time "
                    f"(console: {console}).",
                )
            await asyncio.sleep(0.25)
        current.hidden["provisioned"] = True
        site.store.save()

    async def restore(self, site: Site, resource: Resource) -> None:
        """See that the taps are there; whether the machine runs is not for a new start of the cloud to change."""
        for interface in site.inventory.interfaces_of(resource):
            network, _ = site.inventory.network_of(interface)
            await site.fabric.ensure_tap(interface.hidden["tap"], bridge_name(network.id))

    async def remove(self, site: Site, resource: Resource) -> None:
        """Switch the machine off; its interfaces and data disks stay unless they say otherwise."""
        definition = define(site, resource)
        await site.machines.power_off(definition)
        for interface in site.inventory.interfaces_of(resource):
            await site.fabric.remove_tap(interface.hidden["tap"])

    async def removed(self, site: Site, resource: Resource) -> None:
        """Delete or keep its disks and interfaces, now that they are no more in use."""
        os_disk = resource.properties["storageProfile"]["osDisk"]
        disk = site.store.get(os_disk["managedDisk"]["id"])
        folder = machine_folder(site, resource)
        if os_disk["deleteOption"] == "Delete" or disk is None:
            await site.machines.discard(folder)
            site.store.discard(os_disk["managedDisk"]["id"])
        else:
            kept = folder.with_name(f"{folder.name}.{resource.properties['vmId'][:8]}")
            if folder.exists():
                folder.rename(kept)
            await site.machines.discard(folder)
            disk.hidden["folder"] = str(kept)
            site.store.put(disk)
        for entry in resource.properties["storageProfile"]["dataDisks"]:
            found = site.inventory.get(entry["managedDisk"]["id"], DISK)
            if entry["deleteOption"] == "Delete" and found is not None:
                await DiskKind().remove(site, found)
                site.store.discard(found.id)
        for entry in resource.properties["networkProfile"]["networkInterfaces"]:
            if section(entry, "properties").get("deleteOption") == "Delete":
                site.store.discard(entry["id"])

    async def act(self, site: Site, resource: Resource, action: str, abrupt: bool) -> None:
        """Carry out a power action.

        Args:
            site: what to act upon.
            resource: the machine.
            action: start, powerOff, restart or deallocate.
            abrupt: whether powerOff cuts the power (`skipShutdown`); else the guest is asked first.
        """
        definition = define(site, resource)
        if action == "start":
            await self.switch_on(site, resource)
        elif action == "restart":
            if not site.machines.is_running(definition):
                raise conflict(
                    "OperationNotAllowed",
                    f"Cannot restart VM '{resource.name}' since it is not running. Start it instead.",
                )
            await site.machines.shut_down(definition)
            await self.switch_on(site, resource)
        else:
            # What the guest does from here on is wanted: the watch must not take it for the guest's own decision.
            resource.hidden["power"] = "stopping"
            await (site.machines.power_off if abrupt else site.machines.shut_down)(definition)
            resource.hidden["power"] = "deallocated" if action == "deallocate" else "stopped"
        site.store.save()


ACTIONS = {"start": "start", "poweroff": "powerOff", "restart": "restart", "deallocate": "deallocate"}
"""Power actions by the lower-case form of the path's last word."""


def machine_folder(site: Site, resource: Resource) -> Path:
    """Return the folder of a machine."""
    return site.machine_folders / resource.name


def define(site: Site, resource: Resource) -> Definition:
    """Return a machine's definition as its resources describe it now."""
    inventory = site.inventory
    interfaces = inventory.interfaces_of(resource)
    data_disks: dict[int, Path] = {}
    for entry in resource.properties["storageProfile"]["dataDisks"]:
        disk = inventory.get(entry["managedDisk"]["id"], DISK)
        if disk is not None:
            data_disks[entry["lun"]] = disk_file(site, disk)
    return Definition(
        name=resource.name,
        directory=machine_folder(site, resource),
        guest=resource.hidden["guest"],
        memory_mib=catalogue.SIZES[resource.properties["hardwareProfile"]["vmSize"]].lab_memory_mib,
        interfaces=tuple((i.hidden["tap"], i.hidden["mac"]) for i in interfaces),
        data_disks=data_disks,
        seed=_seed(site, resource, interfaces),
    )


def _seed(site: Site, resource: Resource, interfaces: list[Resource]) -> Seed:
    profile = resource.properties["osProfile"]
    guests: list[GuestInterface] = []
    for number, interface in enumerate(interfaces):
        prefix = subnet_prefix(site.inventory.network_of(interface)[1])
        guests.append(
            GuestInterface(
                interface.hidden["mac"],
                site.inventory.private_address(interface),
                prefix,
                IPv4Address(gateway(prefix)) if number == 0 else None,
            )
        )
    return seed(
        vm_id=resource.properties["vmId"],
        host_name=profile["computerName"],
        admin=profile["adminUsername"],
        ssh_keys=tuple(key["keyData"].strip() for key in profile["linuxConfiguration"]["ssh"]["publicKeys"]),
        ca_certificate=site.ca_certificate,
        custom_data=decode(resource.hidden.get("customData", "")),
        interfaces=tuple(guests),
    )


def power_state(site: Site, resource: Resource) -> str:
    """Return running, stopped, deallocated, or starting before a machine's first start."""
    if site.machines.is_running(define(site, resource)):
        return "running"
    if resource.hidden["power"] == "deallocated":
        return "deallocated"
    if resource.provisioning == "Creating" and not resource.hidden.get("provisioned"):
        return "starting"
    return "stopped"


async def observe(site: Site, resource: Resource) -> bool:
    """Tell whether the guest lets in; note how long it took, the first time after each start."""
    if resource.hidden.get("boot_seconds") is not None:
        return True
    interfaces = site.inventory.interfaces_of(resource)
    if not interfaces or not await site.machines.answers(str(site.inventory.private_address(interfaces[0]))):
        return False
    if resource.hidden.get("boot_seconds") is None:
        resource.hidden["boot_seconds"] = round(time.time() - resource.hidden.get("started", time.time()), 2)
        site.store.save()
    return True


def _os_sku(os_disk: Json) -> str:
    return str(section(os_disk, "managedDisk").get("storageAccountType") or "Standard_LRS")


def _encryption(os_disk: Json) -> Json:
    used = reference(section(os_disk, "managedDisk"), "diskEncryptionSet")
    if not used:
        return {"type": "EncryptionAtRestWithPlatformKey"}
    return {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": used}


def _guest(image: Json) -> str:
    if text(image, "id"):
        raise bad_request(
            "LabNotSupported", "Images of one's own are not supported by the lab cloud.", "imageReference"
        )
    words = [text(image, name) for name in ("publisher", "offer", "sku")]
    if not all(words):
        raise _invalid("imageReference needs publisher, offer, sku and version.", "imageReference")
    key = (words[0].lower(), words[1].lower(), words[2].lower())
    guest = catalogue.GUESTS.get(key)
    if guest is not None and _exact_version(image) in catalogue.IMAGE_VERSIONS:
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


def _exact_version(image: Json) -> str:
    """Return the version that an image reference means: latest is that of the day on which the machine is made."""
    version = text(image, "version") or "latest"
    return catalogue.IMAGE_VERSIONS[-1] if version == "latest" else version


def _check_ssh_key(key: Json, admin: str) -> None:
    path, data = text(key, "path"), text(key, "keyData")
    home = f"/home/{admin}/.ssh/authorized_keys"
    if path != home:
        raise _invalid(
            f"Destination path for SSH public keys is currently limited to its default value {home} due to a known "
            "issue in Linux provisioning agent.",
            "linuxConfiguration.ssh.publicKeys.path",
        )
    words = data.split()
    try:
        blob = base64.b64decode(words[1], validate=True) if len(words) > 1 else b""
    except binascii.Error:
        blob = b""
    length = int.from_bytes(blob[:4], "big")
    ok = bool(words) and words[0] in ("ssh-rsa", "ssh-ed25519") and blob[4 : 4 + length] == words[0].encode()
    if not ok or (words[0] == "ssh-rsa" and len(blob) < 2048 // 8):
        raise _invalid(
            "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid: an RSA key of at least 2048 "
            "bits or an Ed25519 key in OpenSSH's form is wanted.",
            "linuxConfiguration.ssh.publicKeys.keyData",
        )


def _check_custom_data(custom_data: str) -> None:
    try:
        size = len(decode(custom_data))
    except ValueError:
        size = _CUSTOM_DATA_LIMIT + 1
    if size > _CUSTOM_DATA_LIMIT:
        raise _invalid(
            "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.",
            "customData",
        )
