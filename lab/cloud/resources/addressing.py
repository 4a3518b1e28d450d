"""Private addresses: static ones are checked, dynamic ones are chosen."""

from lab.cloud.errors import bad_request
from lab.cloud.fields import address, choice, text
from lab.cloud.inventory import Inventory
from lab.cloud.model import Json
from lab.cloud.resources.virtual_network import subnet_prefix

_RESERVED_AT_START = 4
"""Azure keeps the first four addresses of a subnet (network, gateway, two for DNS) and the last."""


def chosen_address(inventory: Inventory, identity: str, given: Json, subnet_id: str, before: Json | None) -> Json:
    """Return the address part of an IP configuration: subnet, allocation method and address.

    Args:
        given: its properties as the client sent them.
        before: its properties as they stand, which a dynamic address survives.

    Raises:
        ArmError: a static address that is outside the subnet, reserved or in use; or the subnet is full.
    """
    found = inventory.subnet(subnet_id)
    assert found is not None, "the caller has checked the reference"
    prefix = subnet_prefix(found[1])
    reserved = [prefix.network_address + i for i in range(_RESERVED_AT_START)] + [prefix.broadcast_address]
    taken = {used: user for used, user in inventory.subnet_users(subnet_id).items() if user.lower() != identity.lower()}
    wanted = text(given, "privateIPAddress")
    method = choice(given, "privateIPAllocationMethod", ("Static", "Dynamic"), "Dynamic")
    result: Json = {"subnet": {"id": subnet_id}, "privateIPAllocationMethod": method}
    if method == "Static":
        if not wanted:
            raise bad_request(
                "PrivateIPAddressMissing",
                f"IP configuration {identity} has allocation method Static and no privateIPAddress.",
                "privateIPAddress",
            )
        parsed = address(wanted, identity)
        if parsed not in prefix:
            raise bad_request(
                "PrivateIPAddressNotInSubnet",
                f"Private static IP address {wanted} does not belong to the range of subnet prefix {prefix}.",
            )
        if parsed in reserved:
            raise bad_request(
                "PrivateIPAddressInReservedRange",
                f"Private static IP address {wanted} falls within reserved IP range of subnet prefix {prefix}.",
            )
        if parsed in taken:
            raise bad_request(
                "PrivateIPAddressIsAllocated",
                f"IP configuration {identity} is using the private IP address {wanted} which is already allocated to "
                f"resource {taken[parsed].split('/ipConfigurations/')[0].split('/frontendIPConfigurations/')[0]}.",
            )
        return {**result, "privateIPAddress": wanted}
    if before and text(before, "privateIPAddress") and address(before["privateIPAddress"], identity) in prefix:
        return {**result, "privateIPAddress": before["privateIPAddress"]}
    for candidate in prefix:
        if candidate not in reserved and candidate not in taken:
            return {**result, "privateIPAddress": str(candidate)}
    raise bad_request(
        "SubnetIsFull",
        f"Subnet {found[1]['name']} with address prefix {prefix} does not have enough capacity for 1 IP addresses.",
    )
