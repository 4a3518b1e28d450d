"""The resource type of virtual machines: what is asked for, and what becomes of it."""

import asyncio
import re
import time
import uuid
from pathlib import Path

from lab.cloud.errors import bad_request, conflict, not_in_lab
from lab.cloud.fields import choice, reference, section
from lab.cloud.inventory import AVAILABILITY_SET, DISK, MACHINE, Inventory
from lab.cloud.model import Json, Resource, now
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind, checked_zones
from lab.cloud.resources.disk import DiskKind
from lab.cloud.resources.virtual_machine.definition import define, machine_folder
from lab.cloud.resources.virtual_machine.hardware import checked_security, checked_size
from lab.cloud.resources.virtual_machine.network import network_profile
from lab.cloud.resources.virtual_machine.os_profile import os_profile
from lab.cloud.resources.virtual_machine.power import observe, switch_on
from lab.cloud.resources.virtual_machine.quota import check_stock
from lab.cloud.resources.virtual_machine.storage import storage_profile, system_disk
from lab.cloud.resources.virtual_machine.unchanged import check_unchanged
from lab.cloud.resources.virtual_network import bridge_name
from lab.cloud.site import Site
from lab.cloud.state import Store
from lab.cloud.tokens import TENANT


class VirtualMachineKind(Kind):
    type = MACHINE
    name = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?")
    compute = True

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check everything; each part of the body has a module."""
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
        resource.body["identity"] = checked_identity(section(body, "identity"), existing)
        resource.properties["hardwareProfile"] = {"vmSize": checked_size(given)}
        check_stock(inventory, resource, existing)
        resource.properties["osProfile"] = os_profile(section(given, "osProfile"), resource, existing)
        place(inventory, resource, given)
        resource.properties["storageProfile"] = storage_profile(
            inventory, resource, section(given, "storageProfile"), existing
        )
        resource.properties["networkProfile"] = network_profile(inventory, resource, section(given, "networkProfile"))
        resource.properties["securityProfile"] = checked_security(resource, given)
        for name in ("diagnosticsProfile", "additionalCapabilities"):
            if given.get(name) is not None:
                resource.properties[name] = section(given, name)
        if choice(given, "priority", ("Regular", "Spot", "Low"), "Regular") != "Regular":
            raise not_in_lab("Spot machines are not supported by the lab cloud.", "priority")
        if existing is not None:
            check_unchanged(existing, resource)
        return resource

    def commit(self, store: Store, resource: Resource) -> None:
        """Remember the machine, and its system disk as a disk of its own."""
        existing = store.get(resource.id)
        store.put(resource)
        if existing is None:
            store.put(system_disk(resource))

    async def apply(self, site: Site, resource: Resource) -> None:
        """Make a new machine and switch it on; give one that stands what has changed."""
        if not resource.hidden.get("provisioned"):
            await switch_on(site, resource)
            return
        definition = define(site, resource)
        attached = {int(lun): path for lun, path in resource.hidden.get("attached", {}).items()}
        wanted = {lun: str(path) for lun, path in definition.data_disks.items()}
        if site.machines.is_running(definition):
            if resource.properties["hardwareProfile"]["vmSize"] != resource.hidden.get("running_size"):
                # Azure restarts a machine for a new size.
                await site.machines.shut_down(definition)
                await switch_on(site, resource)
                return
            for lun, path in attached.items():
                if wanted.get(lun) != path:
                    await site.machines.detach(definition, lun)
            for lun, path in wanted.items():
                if attached.get(lun) != path:
                    await site.machines.attach(definition, lun, Path(path))
            resource.hidden["attached"] = wanted
            site.store.save()

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


def checked_identity(given: Json, existing: Resource | None) -> Json:
    """Return what a machine's identity becomes; one that it has stays."""
    kind = choice(given, "type", ("None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned"), "None")
    if "User" in kind:
        raise not_in_lab("User-assigned identities are not supported by the lab cloud.")
    if kind == "None":
        return {}
    old = section(existing.body, "identity") if existing else {}
    return {"type": kind, "principalId": old.get("principalId") or str(uuid.uuid4()), "tenantId": TENANT}


def place(inventory: Inventory, resource: Resource, given: Json) -> None:
    """Put a machine into the availability set that a body names, if it names one and that fits."""
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
