"""Private DNS zones, their links to virtual networks, and their records; `lab.cloud.dns` answers by them."""

import re

from lab.cloud.errors import ArmError, bad_request, conflict, not_in_lab
from lab.cloud.fields import address, flag, integer, items, reference, section, text
from lab.cloud.inventory import DNS_RECORD, NETWORK, PRIVATE_ZONE, ZONE_LINK, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId, key_of
from lab.cloud.resources.base import NETWORK_NAME
from lab.cloud.resources.global_kind import GlobalKind
from lab.cloud.resources.part import Part
from lab.cloud.site import Site
from lab.cloud.state import Store

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_ZONE = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{1,33}}")
_RECORD = re.compile(rf"@|(?:\*|{_LABEL})(?:\.{_LABEL})*")

# learn.microsoft.com/azure/dns/private-dns-privatednszone, "Restrictions" and "Limits".
_RESERVED = (
    *("azclient.ms", "azure.com", "cloudapp.net", "core.windows.net", "microsoft.com", "msidentity.com"),
    *("trafficmanager.net", "windows.net"),
)
_MOST_RECORDS = 20


class PrivateZoneKind(GlobalKind):
    type = PRIVATE_ZONE
    name = _ZONE

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check its name, which is all that it has."""
        if not self.name.fullmatch(target.name) or len(target.name) > 253:
            raise _wrong(f"The domain name '{target.name}' is invalid: it has 2 to 34 labels of at most 63 characters.")
        if target.name.lower() in _RESERVED:
            raise _wrong(f"The zone '{target.name}' is reserved and cannot be created.")
        return self.envelope(inventory, target, body, existing)

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        """Count what is in it; a record of its own (SOA) is there from the beginning."""
        parts = _parts(inventory.store, resource)
        return {
            "maxNumberOfRecordSets": 25000,
            "maxNumberOfVirtualNetworkLinks": 1000,
            "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
            "numberOfRecordSets": 1 + sum(part.type == DNS_RECORD for part in parts),
            "numberOfVirtualNetworkLinks": sum(part.type == ZONE_LINK for part in parts),
            "numberOfVirtualNetworkLinksWithRegistration": 0,
        }

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        if links := [part.name for part in _parts(inventory.store, resource) if part.type == ZONE_LINK]:
            nested = f"{PRIVATE_ZONE}/{resource.name}/virtualNetworkLinks/{links[0]}"
            raise conflict(
                "CannotDeleteResource",
                "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: "
                f"'{nested}'. Please delete all nested resources before deleting this resource.",
            )

    async def removed(self, site: Site, resource: Resource) -> None:
        """Forget its records."""
        for part in _parts(site.store, resource):
            site.store.discard(part.id)


class ZoneLinkKind(GlobalKind):
    type = ZONE_LINK
    name = NETWORK_NAME

    def members(self, store: Store, target: ResourceId) -> list[Resource]:
        """Return the links of one zone."""
        return [r for r in store if r.type == self.type and r.key.startswith(f"{target.parent.key}/")]

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check the network: it is there, it stays, and no zone of that name is linked to it."""
        zone = _zone_of(inventory, target)
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        wanted = reference(given, "virtualNetwork")
        if not wanted:
            raise _wrong("The virtual network of the link is missing.")
        if inventory.get(wanted, NETWORK) is None:
            raise ArmError(404, "ResourceNotFound", f"The Resource '{wanted}' was not found.")
        if existing and key_of(reference(existing.properties, "virtualNetwork")) != key_of(wanted):
            raise _wrong(f"The virtual network of link '{target.name}' cannot be changed once it is made.")
        for other in inventory.links_of(wanted):
            name = other.id.split("/")[-3]
            if other.key != resource.key and name.lower() == zone.name.lower():
                raise _wrong(
                    "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to "
                    f"link virtual network with '{zone.name}' and '{name}' zones."
                )
        if flag(given, "registrationEnabled"):
            raise not_in_lab("Registration of machines in a zone is not supported by the lab cloud.")
        resource.properties.update(
            {
                "virtualNetwork": {"id": wanted},
                "registrationEnabled": False,
                "resolutionPolicy": text(given, "resolutionPolicy", "Default"),
                "virtualNetworkLinkState": "Completed",
            }
        )
        return resource


class DnsRecordKind(Part):
    """`Microsoft.Network/privateDnsZones/A`; the other types of records are not the lab's."""

    type = DNS_RECORD

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check its name, its time to live, and its addresses."""
        zone = _zone_of(inventory, target)
        if not _RECORD.fullmatch(target.name):
            raise _wrong(f"The record set name '{target.name}' is invalid.")
        given = section(body, "properties")
        seconds = integer(given, "ttl")
        if not 1 <= seconds <= 2**31 - 1:
            raise _wrong(f"The TTL {seconds} is invalid: it is from 1 to 2147483647.")
        addresses = [str(address(text(each, "ipv4Address"), target.name)) for each in items(given, "aRecords")]
        if not 1 <= len(addresses) <= _MOST_RECORDS or len({*addresses}) < len(addresses):
            raise _wrong(f"A record set has 1 to {_MOST_RECORDS} records, and none of them twice.")
        name = zone.name if target.name == "@" else f"{target.name}.{zone.name}"
        return self.part(
            target,
            existing,
            {
                "ttl": seconds,
                "fqdn": f"{name}.",
                "isAutoRegistered": False,
                "metadata": section(given, "metadata"),
                "aRecords": [{"ipv4Address": each} for each in addresses],
            },
        )


def _zone_of(inventory: Inventory, part: ResourceId) -> Resource:
    zone = inventory.get(str(part.parent), PRIVATE_ZONE)
    if zone is None or zone.provisioning == "Deleting":
        raise ArmError(
            404,
            "ParentResourceNotFound",
            f"Failed to perform 'write' on resource(s) of type '{'/'.join(part.types)}', because the parent resource "
            f"'{part.parent}' could not be found.",
        )
    return zone


def _parts(store: Store, zone: Resource) -> list[Resource]:
    return [resource for resource in store if resource.key.startswith(f"{zone.key}/")]


def _wrong(message: str) -> ArmError:
    return bad_request("BadRequest", message)
