"""Virtual networks and their subnets: a bridge, with a gateway's address for each subnet."""

import hashlib
from ipaddress import IPv4Network

from lab.cloud.errors import ArmError, bad_request, conflict, not_in_lab
from lab.cloud.fields import flag, items, network, reference, section, text, texts, unique_names
from lab.cloud.inventory import NAT_GATEWAY, NETWORK, SECURITY_GROUP, SUBNET, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId, parse
from lab.cloud.resources.base import NETWORK_NAME, Kind
from lab.cloud.site import Site
from lab.cloud.state import Store

_SMALLEST_PREFIX, _LARGEST_PREFIX = 29, 2  # Azure: "/2 down to /29"


def bridge_name(network_id: str) -> str:
    """Return the name of a virtual network's bridge: at most 15 characters, and the same for ever."""
    return "vnet" + hashlib.sha256(network_id.lower().encode()).hexdigest()[:8]


def subnet_prefix(subnet: Json) -> IPv4Network:
    """Return the (first) address prefix of a checked subnet."""
    properties = section(subnet, "properties")
    return IPv4Network(text(properties, "addressPrefix") or texts(properties, "addressPrefixes")[0])


def gateway(prefix: IPv4Network) -> str:
    """Return the gateway's address in a subnet: the first after the network's."""
    return str(prefix.network_address + 1)


def _checked_subnet(
    inventory: Inventory, name: str, properties: Json, owner: Resource, space: list[IPv4Network], others: list[Json]
) -> Json:
    prefixes = texts(properties, "addressPrefixes") or [text(properties, "addressPrefix")]
    identity = f"{owner.id}/subnets/{name}"
    if not prefixes[0]:
        raise bad_request(
            "InvalidRequestFormat", f"Subnet {name} of network {owner.name} has no address prefix.", "addressPrefix"
        )
    if len(prefixes) > 1:
        raise bad_request("SubnetCannotHaveMultipleIPv4AddressPrefixes", f"Subnet {name} has several IPv4 prefixes.")
    prefix = network(prefixes[0], identity)
    if prefix.prefixlen > _SMALLEST_PREFIX:
        raise bad_request(
            "NetcfgSubnetRangeTooSmall", f"Subnet '{name}' is too small: the smallest that Azure takes is a /29."
        )
    if not any(prefix.subnet_of(part) for part in space):
        raise bad_request(
            "NetcfgSubnetRangeOutsideVnet",
            f"Subnet '{name}' is not valid because its IP address range is outside the IP address range of virtual "
            f"network '{owner.name}'.",
        )
    for other in others:
        if subnet_prefix(other).overlaps(prefix):
            raise bad_request(
                "NetcfgSubnetRangesOverlap",
                f"Subnet '{name}' is not valid because its IP address range overlaps with that of an existing subnet "
                f"in virtual network '{owner.name}'.",
            )
    checked: Json = dict(properties)
    flag(properties, "defaultOutboundAccess")
    if group := reference(properties, "networkSecurityGroup"):
        inventory.require(group, SECURITY_GROUP, identity, owner.location)
    if nat := reference(properties, "natGateway"):
        inventory.require(nat, NAT_GATEWAY, identity, owner.location)
        for used in inventory.subnets_with("natGateway", nat):
            if parse(used).parent.key != owner.key:
                raise bad_request(
                    "NatGatewayCannotBeUsedBySubnetsBelongingToDifferentVirtualNetworks",
                    f"NAT gateway {nat} is used by {used}, which is in another virtual network.",
                )
    for name_, what in (("routeTable", "A route table"), ("delegations", "Delegation of a subnet")):
        if properties.get(name_):
            raise not_in_lab(f"{what} is not supported by the lab cloud.", name_)
    if users := inventory.subnet_users(identity):
        outside = [str(address) for address in users if address not in prefix]
        if outside:
            raise bad_request(
                "InUsePrefixCannotBeDeleted",
                f"IpPrefix of subnet {name} is in use and cannot be changed to {prefix}: {', '.join(outside)}.",
            )
    for derived in ("provisioningState", "ipConfigurations"):
        checked.pop(derived, None)
    return checked


def _check_subnet_removal(inventory: Inventory, identity: str, name: str) -> None:
    if users := inventory.subnet_users(identity):
        raise bad_request(
            "InUseSubnetCannotBeDeleted",
            f"Subnet {name} is in use by {' and '.join(users.values())} and cannot be deleted. In order to delete the "
            "subnet, delete all the resources within the subnet.",
        )


class VirtualNetworkKind(Kind):
    type = NETWORK

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check the address space and the subnets that come inline.

        Subnets that are not spoken of stay; a list of them is the whole list.
        """
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        prefixes = texts(section(given, "addressSpace"), "addressPrefixes")
        if not prefixes:
            raise bad_request(
                "InvalidRequestFormat", f"Virtual network {target.name} has no address prefix.", "addressSpace"
            )
        space: list[IPv4Network] = []
        for prefix in prefixes:
            part = network(prefix, resource.id)
            if not _LARGEST_PREFIX <= part.prefixlen <= _SMALLEST_PREFIX:
                raise bad_request("InvalidAddressPrefixFormat", f"Address prefix {prefix} must be a /2 to a /29.")
            if any(part.overlaps(other) for other in space):
                raise bad_request(
                    "AddressPrefixesOverlap", f"Address prefix {prefix} overlaps another of {target.name}."
                )
            space.append(part)
        for other in inventory.of_type(NETWORK):
            # Azure allows it; in the lab all networks are in one namespace.
            if other.key != resource.key and any(a.overlaps(b) for a in space for b in inventory.address_space(other)):
                raise conflict("LabNotSupported", f"The address space overlaps that of {other.id} in the lab.")
        old = items(existing.properties, "subnets") if existing else []
        wanted = items(given, "subnets") if given.get("subnets") is not None else old
        unique_names(wanted, "subnets", NETWORK_NAME)
        checked: list[Json] = []
        for subnet in wanted:
            name = text(subnet, "name")
            properties = _checked_subnet(inventory, name, section(subnet, "properties"), resource, space, checked)
            checked.append({"name": name, "properties": properties})
        kept = {subnet["name"].lower() for subnet in checked}
        for subnet in old:
            if subnet["name"].lower() not in kept:
                _check_subnet_removal(inventory, f"{resource.id}/subnets/{subnet['name']}", subnet["name"])
        resource.body["properties"] = {"addressSpace": {"addressPrefixes": prefixes}, "subnets": checked}
        for name in ("dhcpOptions", "enableDdosProtection"):
            if given.get(name) is not None:
                resource.properties[name] = given[name]
        return resource

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        """Add the subnets' identities and users."""
        shown = dict(resource.properties)
        shown["subnets"] = [subnet_shown(inventory, resource, subnet) for subnet in shown["subnets"]]
        return shown

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        for subnet in items(resource.properties, "subnets"):
            _check_subnet_removal(inventory, f"{resource.id}/subnets/{subnet['name']}", subnet["name"])

    async def apply(self, site: Site, resource: Resource) -> None:
        """Make the bridge, with each subnet's gateway and the internal balancers' addresses on it."""
        addresses: list[str] = []
        for subnet in items(resource.properties, "subnets"):
            prefix = subnet_prefix(subnet)
            addresses.append(f"{gateway(prefix)}/{prefix.prefixlen}")
            for address, user in site.inventory.subnet_users(f"{resource.id}/subnets/{subnet['name']}").items():
                if "/loadbalancers/" in user.lower():
                    addresses.append(f"{address}/32")
        await site.fabric.ensure_bridge(bridge_name(resource.id), addresses)

    async def remove(self, site: Site, resource: Resource) -> None:
        await site.fabric.remove_bridge(bridge_name(resource.id))

    async def removed(self, site: Site, resource: Resource) -> None:
        """Forget what linked private DNS zones to it (learn.microsoft.com/azure/dns/dns-faq-private)."""
        for link in site.inventory.links_of(resource.id):
            site.store.discard(link.id)


def subnet_shown(inventory: Inventory, owner: Resource, subnet: Json) -> Json:
    """Return what a client sees of a subnet."""
    identity = f"{owner.id}/subnets/{subnet['name']}"
    properties: Json = {**subnet["properties"], "provisioningState": "Succeeded"}
    if users := inventory.subnet_users(identity):
        properties["ipConfigurations"] = [{"id": user} for user in users.values()]
    return {"id": identity, "name": subnet["name"], "type": SUBNET, "etag": owner.etag, "properties": properties}


class SubnetKind(Kind):
    """`Microsoft.Network/virtualNetworks/subnets`: kept in the network's own body."""

    type = SUBNET

    def _as_resource(self, owner: Resource, subnet: Json) -> Resource:
        return Resource(
            f"{owner.id}/subnets/{subnet['name']}",
            SUBNET,
            subnet["name"],
            owner.group,
            owner.location,
            {"properties": dict(subnet["properties"])},
            created=owner.created,
            etag=owner.etag,
        )

    def locate(self, store: Store, target: ResourceId) -> Resource | None:
        found = Inventory(store).subnet(str(target))
        return self._as_resource(*found) if found else None

    def members(self, store: Store, target: ResourceId) -> list[Resource]:
        owner = store.get(target.parent.key)
        if owner is None:
            raise ArmError(404, "ResourceNotFound", f"The Resource '{NETWORK}/{target.names[0]}' was not found.", None)
        return [self._as_resource(owner, subnet) for subnet in items(owner.properties, "subnets")]

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check the subnet against its network and its neighbours."""
        inventory.require_group(target)
        owner = inventory.get(str(target.parent), NETWORK)
        if owner is None:
            raise ArmError(
                404,
                "ParentResourceNotFound",
                "Can not perform requested operation on nested resource. Parent resource "
                f"'{target.names[0]}' not found.",
            )
        if not NETWORK_NAME.fullmatch(target.name):
            raise bad_request("InvalidResourceName", f"Resource name {target.name} is invalid for {self.type}.")
        others = [
            subnet for subnet in items(owner.properties, "subnets") if subnet["name"].lower() != target.name.lower()
        ]
        properties = _checked_subnet(
            inventory, target.name, section(body, "properties"), owner, list(inventory.address_space(owner)), others
        )
        name = existing.name if existing else target.name
        resource = self._as_resource(owner, {"name": name, "properties": properties})
        resource.touched()
        resource.provisioning = "Updating" if existing else "Creating"
        return resource

    def commit(self, store: Store, resource: Resource) -> None:
        """Write the subnet into its network."""
        owner = store.get(str(parse(resource.id).parent))
        if owner is None:
            return
        subnets = items(owner.properties, "subnets")
        entry: Json = {"name": resource.name, "properties": resource.properties}
        for index, subnet in enumerate(subnets):
            if subnet["name"].lower() == resource.name.lower():
                subnets[index] = entry
                break
        else:
            subnets.append(entry)
        owner.properties["subnets"] = subnets
        owner.touched()
        store.put(owner)

    def discard(self, store: Store, resource: Resource) -> None:
        """Take the subnet out of its network."""
        owner = store.get(str(parse(resource.id).parent))
        if owner is None:
            return
        owner.properties["subnets"] = [
            subnet for subnet in items(owner.properties, "subnets") if subnet["name"].lower() != resource.name.lower()
        ]
        owner.touched()
        store.put(owner)

    def shown(self, inventory: Inventory, resource: Resource) -> Json:
        found = inventory.subnet(resource.id)
        if found is None:
            return super().shown(inventory, resource)
        return subnet_shown(inventory, *found)

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        _check_subnet_removal(inventory, resource.id, resource.name)

    async def apply(self, site: Site, resource: Resource) -> None:
        """Give the bridge the subnet's gateway."""
        owner = site.store.get(str(parse(resource.id).parent))
        if owner is not None:
            await VirtualNetworkKind().apply(site, owner)

    async def remove(self, site: Site, resource: Resource) -> None:
        """Nothing by itself: the network is applied again once the subnet is out of it."""

    async def removed(self, site: Site, resource: Resource) -> None:
        await self.apply(site, resource)
