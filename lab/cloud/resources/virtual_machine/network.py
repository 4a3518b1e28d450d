"""A machine's network interface."""

from lab.cloud.errors import bad_request, not_in_lab
from lab.cloud.fields import choice, items, section, text
from lab.cloud.inventory import INTERFACE, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resources.virtual_machine.hardware import check_acceleration


def network_profile(inventory: Inventory, resource: Resource, given: Json) -> Json:
    """Check the interface and return the network profile."""
    entries = items(given, "networkInterfaces")
    if not entries:
        raise bad_request(
            "NetworkInterfaceNotSpecified",
            f"Virtual machine {resource.name} must have at least one network interface.",
            "networkInterfaces",
        )
    if len(entries) > 1:
        raise not_in_lab("Several network interfaces of a machine are not supported by the lab cloud.")
    identity = text(entries[0], "id")
    interface = inventory.require(identity, INTERFACE, resource.id, resource.location)
    owner = inventory.machine_of_interface(identity)
    if owner is not None and owner.key != resource.key:
        raise bad_request(
            "NicInUse",
            f"Network Interface {identity} is used by existing resource {owner.id}. In order to use it, it "
            "must be dissociated from the resource.",
        )
    check_acceleration(resource, interface)
    option = choice(section(entries[0], "properties"), "deleteOption", ("Delete", "Detach"), "Detach")
    return {"networkInterfaces": [{"id": identity, "properties": {"primary": True, "deleteOption": option}}]}
