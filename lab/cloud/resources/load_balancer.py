"""Load balancers; `lab.cloud.plan` says what their rules become."""

from lab.cloud.errors import bad_request, not_in_lab
from lab.cloud.fields import choice, items, reference, section, text, unique_names
from lab.cloud.inventory import BALANCER, NETWORK, PUBLIC_ADDRESS, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId, key_of
from lab.cloud.resources.addressing import chosen_address
from lab.cloud.resources.base import NETWORK_NAME, Kind, checked_zones
from lab.cloud.resources.load_balancer_rules import (
    OwnParts,
    check_ports,
    checked_nat_rule,
    checked_outbound_rule,
    checked_probe,
    checked_rule,
)
from lab.cloud.resources.virtual_network import VirtualNetworkKind
from lab.cloud.site import Site

PARTS = (
    "frontendIPConfigurations",
    "backendAddressPools",
    "probes",
    "loadBalancingRules",
    "inboundNatRules",
    "outboundRules",
)
"""The lists that a balancer is made of; each entry has an identity of its own."""

_FORBIDDEN_PARTS = ("inboundNatPools",)


class LoadBalancerKind(Kind):
    type = BALANCER

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check the SKU, the frontends, and that rules refer to what the balancer has."""
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        sku = choice(section(body, "sku"), "name", ("Basic", "Standard"), "Basic")
        if existing is not None and existing.sku != sku:
            raise bad_request("SkuPropertyCannotBeUpdated", f"Sku property of {target} cannot be changed.")
        for part in _FORBIDDEN_PARTS:
            if items(given, part):
                raise not_in_lab(f"'{part}' is not supported by the lab cloud.", part)
        names = {part: unique_names(items(given, part), part, NETWORK_NAME) for part in PARTS}
        resource.body["sku"] = {"name": sku, "tier": "Regional"}
        frontends = [
            self._frontend(inventory, resource, entry, sku, existing)
            for entry in items(given, "frontendIPConfigurations")
        ]
        if sku == "Basic":
            raise bad_request(
                "BasicSkuLoadBalancerNotAllowed",
                f"Load balancer {target}: Basic load balancers were retired on 30 September 2025. An absent sku means "
                "Basic; say Standard.",
                "sku",
            )
        if len({"subnet" in frontend["properties"] for frontend in frontends}) > 1:
            raise bad_request(
                "LoadBalancerFrontendIPConfigurationsMixedPublicPrivate",
                f"Load balancer {target} has both public and private frontends.",
            )
        own = OwnParts(resource.id, names)
        probes = [checked_probe(entry) for entry in items(given, "probes")]
        rules = [checked_rule(own, entry) for entry in items(given, "loadBalancingRules")]
        nat_rules = [checked_nat_rule(own, entry) for entry in items(given, "inboundNatRules")]
        outbound = [checked_outbound_rule(own, entry) for entry in items(given, "outboundRules")]
        check_ports(rules, nat_rules)
        # Azure returns loadBalancerBackendAddresses for pools of interfaces: what it returned may be sent back.
        pools: list[Json] = [{"name": entry["name"]} for entry in items(given, "backendAddressPools")]
        resource.properties.update(
            {
                "frontendIPConfigurations": frontends,
                "backendAddressPools": pools,
                "probes": probes,
                "loadBalancingRules": rules,
                "inboundNatRules": nat_rules,
                "outboundRules": outbound,
            }
        )
        if existing is not None:
            self._check_dropped(inventory, existing, names)
        return resource

    def _frontend(
        self, inventory: Inventory, resource: Resource, entry: Json, sku: str, existing: Resource | None
    ) -> Json:
        given = section(entry, "properties")
        name = text(entry, "name")
        identity = f"{resource.id}/frontendIPConfigurations/{name}"
        public, subnet = reference(given, "publicIPAddress"), reference(given, "subnet")
        if bool(public) == bool(subnet):
            raise bad_request(
                "InvalidRequestFormat",
                f"Frontend {name} of load balancer {resource.name} needs either a publicIPAddress or a subnet.",
            )
        checked: Json = {"name": name, "properties": {}}
        if public:
            found = inventory.require(public, PUBLIC_ADDRESS, resource.id, resource.location)
            if found.sku != sku:
                raise bad_request(
                    "PublicIPAndLBSkuDoNotMatch",
                    f"{sku} sku load balancer {resource.id} cannot reference {found.sku} sku publicIP {public}.",
                )
            user = inventory.public_address_user(public)
            if user is not None and key_of(user) != identity.lower():
                raise bad_request(
                    "PublicIPAddressInUse",
                    f"Resource {identity} is referencing public IP address {public} that is already allocated to "
                    f"resource {user}.",
                )
            checked["properties"] = {"publicIPAddress": {"id": public}, "privateIPAllocationMethod": "Dynamic"}
            if entry.get("zones"):
                raise bad_request(
                    "LoadBalancerFrontendIPConfigCannotHaveZoneWhenReferencingPublicIPAddress",
                    f"Frontend {name} of {resource.id} takes its zones from its public address.",
                )
        else:
            inventory.require_subnet(subnet, resource.id, resource.location)
            before = _part(existing, "frontendIPConfigurations", name)
            checked["properties"] = chosen_address(inventory, identity, given, subnet, before)
            if zones := checked_zones(entry, resource.location):
                checked["zones"] = zones
        return checked

    def _check_dropped(self, inventory: Inventory, existing: Resource, names: dict[str, list[str]]) -> None:
        for part, listname in (
            ("backendAddressPools", "loadBalancerBackendAddressPools"),
            ("inboundNatRules", "loadBalancerInboundNatRules"),
        ):
            for entry in items(existing.properties, part):
                identity = f"{existing.id}/{part}/{entry['name']}"
                users = inventory.configurations_with(listname, identity)
                if entry["name"].lower() not in names[part] and users:
                    raise bad_request(
                        "LabLoadBalancerPartInUse",
                        f"{identity} cannot be removed: it is in use by {', '.join(nic.id for nic, _ in users)}.",
                    )

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        """Add identities, and who refers to which part."""
        properties = resource.properties
        shown: Json = {}
        for part in PARTS:
            shown[part] = [self._part_shown(inventory, resource, part, entry) for entry in items(properties, part)]
        return shown

    def _part_shown(self, inventory: Inventory, resource: Resource, part: str, entry: Json) -> Json:
        identity = f"{resource.id}/{part}/{entry['name']}"
        details: Json = {**section(entry, "properties"), "provisioningState": "Succeeded"}
        for rules, field in (
            ("loadBalancingRules", "frontendIPConfiguration"),
            ("inboundNatRules", "frontendIPConfiguration"),
            ("loadBalancingRules", "backendAddressPool"),
            ("loadBalancingRules", "probe"),
        ):
            users = [
                {"id": f"{resource.id}/{rules}/{rule['name']}"}
                for rule in items(resource.properties, rules)
                if key_of(reference(section(rule, "properties"), field)) == identity.lower()
            ]
            if users:
                details[rules] = users
        if part == "backendAddressPools":
            users = inventory.configurations_with("loadBalancerBackendAddressPools", identity)
            details["backendIPConfigurations"] = _configuration_ids(users)
        if part == "inboundNatRules":
            users = inventory.configurations_with("loadBalancerInboundNatRules", identity)
            if users:
                details["backendIPConfiguration"] = _configuration_ids(users)[0]
        shown: Json = {
            "id": identity,
            "name": entry["name"],
            "type": f"{BALANCER}/{part}",
            "etag": resource.etag,
            "properties": details,
        }
        if entry.get("zones"):
            shown["zones"] = entry["zones"]
        return shown

    async def apply(self, site: Site, resource: Resource) -> None:
        """Give the bridges the addresses of internal frontends, and take those that are gone."""
        for network in site.inventory.of_type(NETWORK):
            await VirtualNetworkKind().apply(site, network)

    async def removed(self, site: Site, resource: Resource) -> None:
        await self.apply(site, resource)

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        users: list[str] = []
        for part, listname in (
            ("backendAddressPools", "loadBalancerBackendAddressPools"),
            ("inboundNatRules", "loadBalancerInboundNatRules"),
        ):
            for entry in items(resource.properties, part):
                found = inventory.configurations_with(listname, f"{resource.id}/{part}/{entry['name']}")
                users += [nic.id for nic, _ in found]
        if users:
            raise bad_request(
                "LoadBalancerInUse",
                f"Load balancer {resource.id} cannot be deleted since it is in use by {', '.join(sorted(set(users)))}.",
            )


def _configuration_ids(users: list[tuple[Resource, Json]]) -> list[Json]:
    return [{"id": f"{nic.id}/ipConfigurations/{configuration['name']}"} for nic, configuration in users]


def _part(resource: Resource | None, part: str, name: str) -> Json | None:
    if resource is None:
        return None
    return next(
        (section(e, "properties") for e in items(resource.properties, part) if e["name"].lower() == name.lower()), None
    )
