"""Public IP addresses: addresses of the namespace's own loopback."""

import re

from lab.cloud.addresses import DEFAULT_OUTBOUND, PUBLIC_POOL
from lab.cloud.errors import bad_request, conflict, not_in_lab
from lab.cloud.fields import choice, integer, section, text
from lab.cloud.inventory import PUBLIC_ADDRESS, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.request import VERSION
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind, checked_zones
from lab.cloud.site import Site

_STANDARD_V2_SINCE = "2024-07-01"


class PublicAddressKind(Kind):
    type = PUBLIC_ADDRESS

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        sku = choice(section(body, "sku"), "name", ("Basic", "Standard", "StandardV2"), "Basic")
        check_standard_v2(sku, f"{target}")
        if sku == "Basic":
            # Azure makes none since 31 March 2025; an absent SKU means Basic.
            raise bad_request(
                "IPv4BasicSkuPublicIpCountLimitReached",
                "Cannot create more than 0 IPv4 Basic SKU public IP addresses for this subscription in this region.",
            )
        allocation = choice(given, "publicIPAllocationMethod", ("Static", "Dynamic"), "Dynamic")
        if allocation != "Static":
            raise bad_request(
                "StandardSkuPublicIPAddressesMustBeStatic",
                f"Standard sku publicIp {target} must have AllocationMethod set to Static.",
                "publicIPAllocationMethod",
            )
        if choice(given, "publicIPAddressVersion", ("IPv4", "IPv6"), "IPv4") != "IPv4":
            raise not_in_lab("IPv6 is not supported by the lab cloud.", "publicIPAddressVersion")
        if existing is not None and existing.sku != sku:
            raise bad_request(
                "SkuPropertyCannotBeUpdated", f"Sku property of {target} cannot be changed once it is made."
            )
        zones = checked_zones(body, resource.location)
        if existing is not None and sorted(existing.zones) != sorted(zones):
            raise conflict(
                "ResourceAvailabilityZonesCannotBeModified",
                f"Resource {target} has an existing availability zone constraint {existing.zones} and the request has "
                f"availability zone constraint {zones}, which do not match. Zones cannot be added/updated/removed "
                "once the resource is created.",
            )
        idle = integer(given, "idleTimeoutInMinutes", 4)
        if not 4 <= idle <= 30:
            raise bad_request(
                "PublicIPIdleTimeoutIsOutOfRange", f"The idle time-out of {target} must be 4 to 30 minutes.", None
            )
        resource.body["sku"] = {"name": sku, "tier": text(section(body, "sku"), "tier") or "Regional"}
        resource.body["zones"] = zones
        resource.properties.update(
            {
                "publicIPAddressVersion": "IPv4",
                "publicIPAllocationMethod": allocation,
                "idleTimeoutInMinutes": idle,
                "ipTags": [],
                "ipAddress": existing.properties["ipAddress"] if existing else _free_address(inventory),
            }
        )
        if label := text(section(given, "dnsSettings"), "domainNameLabel"):
            check_label(label)
            domain_name = f"{label}.{resource.location}.cloudapp.azure.com"
            if (taken_by(inventory, label, resource.location) or resource.id).lower() != resource.id.lower():
                raise bad_request(
                    "DnsRecordInUse", f"DNS record {domain_name} is already used by another public IP.", None
                )
            resource.properties["dnsSettings"] = {
                "domainNameLabel": label,
                "fqdn": domain_name,
            }
        return resource

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        shown = dict(resource.properties)
        if user := inventory.public_address_user(resource.id):
            shown["natGateway" if "/natgateways/" in user.lower() else "ipConfiguration"] = {"id": user}
        return shown

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        if user := inventory.public_address_user(resource.id):
            raise bad_request(
                "PublicIPAddressCannotBeDeleted",
                f"Public IP address {resource.id} can not be deleted since it is still allocated to resource {user}. "
                "In order to delete the public IP, disassociate/detach the Public IP address from the resource.",
            )

    async def apply(self, site: Site, resource: Resource) -> None:
        await site.fabric.ensure_public_address(resource.properties["ipAddress"])

    async def remove(self, site: Site, resource: Resource) -> None:
        await site.fabric.remove_public_address(resource.properties["ipAddress"])


def check_label(label: str) -> None:
    """Refuse what is no label of a domain name."""
    if not re.fullmatch("[a-z][a-z0-9-]{1,61}[a-z0-9]", label):
        raise bad_request("InvalidDomainNameLabel", f"The domain name label {label} is invalid.")


def taken_by(inventory: Inventory, label: str, location: str) -> str | None:
    """Return the id of the address that has a label in a region; None where it is free."""
    for address in inventory.of_type(PUBLIC_ADDRESS):
        if address.location == location and label.lower() == _label_of(address).lower():
            return address.id
    return None


def _label_of(address: Resource) -> str:
    return text(section(address.properties, "dnsSettings"), "domainNameLabel")


def check_standard_v2(sku: str, by: str) -> None:
    """Refuse the SKU StandardV2 to whoever speaks an api-version from before it."""
    if sku == "StandardV2" and VERSION.get() < _STANDARD_V2_SINCE:
        raise bad_request(
            "InvalidRequestFormat",
            f"Cannot parse the request of {by}: the SKU StandardV2 came with api-version {_STANDARD_V2_SINCE}.",
            "sku",
        )


def _free_address(inventory: Inventory) -> str:
    used = {resource.properties["ipAddress"] for resource in inventory.of_type(PUBLIC_ADDRESS)}
    for address in PUBLIC_POOL.hosts():
        if str(address) not in used and address != DEFAULT_OUTBOUND:
            return str(address)
    raise bad_request("PublicIPCountLimitReached", "The lab has no public address left.")
