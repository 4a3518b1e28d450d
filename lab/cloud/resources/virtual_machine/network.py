"""A machine's network interfaces."""

from lab.cloud.errors import bad_request, invalid
from lab.cloud.fields import choice, items, section, text
from lab.cloud.inventory import INTERFACE, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import key_of
from lab.cloud.resources.virtual_machine.hardware import check_acceleration


def network_profile(inventory: Inventory, resource: Resource, given: Json) -> Json:
    """Check the interfaces and return the network profile."""
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
            raise invalid(f"Network interface {identity} is given twice.", "networkInterfaces")
        check_acceleration(resource, interface)
        networks.add(inventory.network_of(interface)[0].key)
        option = choice(section(entry, "properties"), "deleteOption", ("Delete", "Detach"), "Detach")
        checked.append({"id": identity, "properties": {"primary": first or len(entries) == 1, "deleteOption": option}})
    if len(networks) > 1:
        raise bad_request(
            "AllNetworkInterfacesMustBeInSameVirtualNetwork",
            f"The network interfaces of {resource.name} are in several virtual networks.",
        )
    return {"networkInterfaces": checked}
