"""A public address of the one kind that goes with a Standard load balancer and a NAT gateway."""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import network

from components.azure.place import Place


def public_address(
    name: str, *, azure_name: str, place: Place, parent: pulumi.Resource, zones: Sequence[str] | None = None
) -> network.PublicIPAddress:
    """Make a static public IPv4 address of the SKU Standard.

    Args:
        zones: its availability zones: one or all three; none leaves it to the region.
    """
    return network.PublicIPAddress(
        name,
        public_ip_address_name=azure_name,
        resource_group_name=place.group_name,
        location=place.location,
        sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
        public_ip_allocation_method=network.IPAllocationMethod.STATIC,
        zones=zones or None,
        # Azure fills it in when a NAT gateway takes the address: not a drift.
        opts=pulumi.ResourceOptions(parent=parent, ignore_changes=["natGateway"]),
    )
