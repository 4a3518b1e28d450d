"""NAT gateways: the address that a subnet's own connections come from."""

from lab.cloud.errors import bad_request, not_in_lab
from lab.cloud.fields import choice, integer, items, references, section
from lab.cloud.inventory import NAT_GATEWAY, PUBLIC_ADDRESS, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId, key_of
from lab.cloud.resources.base import Kind, checked_zones
from lab.cloud.resources.public_address import check_standard_v2


class NatGatewayKind(Kind):
    type = NAT_GATEWAY

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        sku = choice(section(body, "sku"), "name", ("Standard", "StandardV2"), "Standard")
        check_standard_v2(sku, f"{target}")
        idle = integer(given, "idleTimeoutInMinutes", 4)
        if not 4 <= idle <= 120:
            raise bad_request(
                "NatGatewayIdleTimeoutOutOfRange", f"The idle time-out of {target} must be 4 to 120 minutes."
            )
        if items(given, "publicIpPrefixes"):
            raise not_in_lab("Public IP prefixes are not supported by the lab cloud.")
        addresses = references(given, "publicIpAddresses")
        for identity in addresses:
            address = inventory.require(identity, PUBLIC_ADDRESS, resource.id, resource.location)
            if address.sku != sku:
                raise bad_request(
                    "NatGatewayAndPublicIpSkuMismatch",
                    f"{sku} sku NAT gateway {target} cannot reference {address.sku} sku publicIP {identity}.",
                )
            user = inventory.public_address_user(identity)
            if user is not None and key_of(user) != resource.key:
                raise bad_request(
                    "PublicIPAddressInUse",
                    f"Resource {target} is referencing public IP address {identity} that is already allocated to "
                    f"resource {user}.",
                )
        if existing is not None and existing.sku != sku:
            raise bad_request("SkuPropertyCannotBeUpdated", f"Sku property of {target} cannot be changed.")
        resource.body["sku"] = {"name": sku}
        resource.body["zones"] = checked_zones(body, resource.location, 1 if sku == "Standard" else 3)
        resource.properties.update(
            {"idleTimeoutInMinutes": idle, "publicIpAddresses": [{"id": identity} for identity in addresses]}
        )
        return resource

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        shown = dict(resource.properties)
        if subnets := inventory.subnets_with("natGateway", resource.id):
            shown["subnets"] = [{"id": identity} for identity in subnets]
        return shown

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        if subnets := inventory.subnets_with("natGateway", resource.id):
            raise bad_request(
                "InUseNatGatewayCannotBeDeleted",
                f"NAT Gateway {resource.id} is in use by {', '.join(subnets)} and cannot be deleted.",
            )
