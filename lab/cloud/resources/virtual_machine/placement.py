"""Where a machine is: its availability set. Its zone is the envelope's."""

from lab.cloud.errors import bad_request, conflict
from lab.cloud.fields import reference
from lab.cloud.inventory import AVAILABILITY_SET, Inventory
from lab.cloud.model import Json, Resource


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
