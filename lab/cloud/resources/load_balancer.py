"""Load balancers; `lab.cloud.plan` says what their rules become."""

from typing import Any

from lab.cloud.errors import bad_request
from lab.cloud.fields import address, choice, flag, integer, items, reference, references, section, text, unique_names
from lab.cloud.inventory import BALANCER, NETWORK, PUBLIC_ADDRESS, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId, key_of
from lab.cloud.resources.addressing import chosen_address
from lab.cloud.resources.base import NETWORK_NAME, Kind, checked_zones
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
    """`Microsoft.Network/loadBalancers`."""

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
                raise bad_request("LabNotSupported", f"'{part}' is not supported by the lab cloud.", part)
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
        own = _Own(resource.id, names)
        probes = [_probe(entry) for entry in items(given, "probes")]
        rules = [_rule(own, entry) for entry in items(given, "loadBalancingRules")]
        nat_rules = [_nat_rule(own, entry) for entry in items(given, "inboundNatRules")]
        outbound = [_outbound_rule(own, entry) for entry in items(given, "outboundRules")]
        _check_ports(rules, nat_rules)
        _check_outbound(rules, outbound)
        pools: list[Json] = [{"name": entry["name"]} for entry in items(given, "backendAddressPools")]
        for pool in items(given, "backendAddressPools"):
            if items(section(pool, "properties"), "loadBalancerBackendAddresses"):
                # Azure returns these for pools of interfaces as well: what it returned may be sent back.
                pass
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
        """Take its addresses from the bridges."""
        await self.apply(site, resource)

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        """A balancer goes only when no interface is in its pools or has its NAT rules."""
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


class _Own:
    """The balancer's own parts, for checking the references among them."""

    def __init__(self, identity: str, names: dict[str, list[str]]) -> None:
        self._identity = identity
        self._known = {f"{identity}/{part}/{name}".lower() for part, of_part in names.items() for name in of_part}

    def require(self, reference_: str, part: str, by: str) -> str:
        if key_of(reference_) not in self._known or f"/{part}/".lower() not in reference_.lower():
            raise bad_request(
                "InvalidResourceReference",
                f"Resource {reference_ or f'(no {part})'} referenced by resource {self._identity}/{by} was not found. "
                "Please make sure that the referenced resource exists, and that both resources are in the same region.",
            )
        return reference_


def _port(details: Json, name: str, rule: str) -> int:
    port = integer(details, name)
    if not 1 <= port <= 65534:
        raise bad_request(
            "LoadBalancingRulePortOutOfRange", f"Port {port} of rule {rule} is not valid: 1 to 65534.", name
        )
    return port


def _idle(details: Json, rule: str) -> int:
    idle = integer(details, "idleTimeoutInMinutes", 4)
    if not 4 <= idle <= 100:
        raise bad_request(
            "LoadBalancingRuleIdleTimeoutOutOfRange",
            f"The idle time-out of rule {rule} is {idle} minutes; it must be 4 to 100.",
            "idleTimeoutInMinutes",
        )
    return idle


def _probe(entry: Json) -> Json:
    given = section(entry, "properties")
    name = text(entry, "name")
    protocol = choice(given, "protocol", ("Tcp", "Http", "Https"))
    port = integer(given, "port")
    interval = integer(given, "intervalInSeconds", 15)
    count, threshold = integer(given, "numberOfProbes", 1), integer(given, "probeThreshold", 1)
    if not 1 <= port <= 65535:
        raise bad_request("ProbePortOutOfRange", f"Port {port} of probe {name} is not valid: 1 to 65535.", "port")
    if interval < 5:
        raise bad_request(
            "ProbeIntervalOutOfRange",
            f"The interval of probe {name} is {interval} seconds; the least is 5.",
            "intervalInSeconds",
        )
    if count < 1:
        raise bad_request("ProbeCountOutOfRange", f"numberOfProbes of probe {name} must be at least 1.")
    if not 1 <= threshold <= 100:
        raise bad_request("ProbeThresholdOutOfRange", f"probeThreshold of probe {name} must be 1 to 100.")
    if (protocol == "Tcp") == bool(text(given, "requestPath")):
        raise bad_request(
            "ProbeRequestPathInvalid", f"Probe {name}: requestPath is for Http and Https, and needed there."
        )
    if protocol != "Tcp":
        raise bad_request("LabNotSupported", "Http and Https probes are not supported by the lab cloud.", "protocol")
    return {
        "name": name,
        "properties": {
            "protocol": protocol,
            "port": port,
            "intervalInSeconds": interval,
            "numberOfProbes": count,
            "probeThreshold": threshold,
        },
    }


def _common_rule(own: _Own, entry: Json, part: str) -> tuple[str, Json, Json]:
    given = section(entry, "properties")
    name = text(entry, "name")
    frontend = own.require(reference(given, "frontendIPConfiguration"), "frontendIPConfigurations", f"{part}/{name}")
    protocol = choice(given, "protocol", ("Tcp", "Udp", "All"))
    if protocol != "Tcp":
        raise bad_request("LabNotSupported", f"Protocol {protocol} is not supported by the lab cloud.", "protocol")
    if flag(given, "enableFloatingIP"):
        raise bad_request("LabNotSupported", "Floating IP is not supported by the lab cloud.", "enableFloatingIP")
    checked: Json = {
        "frontendIPConfiguration": {"id": frontend},
        "protocol": protocol,
        "frontendPort": _port(given, "frontendPort", name),
        "backendPort": _port(given, "backendPort", name),
        "idleTimeoutInMinutes": _idle(given, name),
        "enableFloatingIP": False,
        "enableTcpReset": flag(given, "enableTcpReset"),
    }
    return name, given, checked


def _rule(own: _Own, entry: Json) -> Json:
    name, given, checked = _common_rule(own, entry, "loadBalancingRules")
    pools = references(given, "backendAddressPools") or [reference(given, "backendAddressPool")]
    if len(pools) > 1:
        raise bad_request("LabNotSupported", "Several pools for one rule are not supported by the lab cloud.")
    if pools[0]:
        own.require(pools[0], "backendAddressPools", f"loadBalancingRules/{name}")
        checked["backendAddressPool"] = {"id": pools[0]}
        checked["backendAddressPools"] = [{"id": pools[0]}]
    if probe := reference(given, "probe"):
        own.require(probe, "probes", f"loadBalancingRules/{name}")
        checked["probe"] = {"id": probe}
    checked["loadDistribution"] = choice(
        given, "loadDistribution", ("Default", "SourceIP", "SourceIPProtocol"), "Default"
    )
    checked["disableOutboundSnat"] = flag(given, "disableOutboundSnat")
    return {"name": name, "properties": checked}


def _nat_rule(own: _Own, entry: Json) -> Json:
    name, given, checked = _common_rule(own, entry, "inboundNatRules")
    if given.get("frontendPortRangeStart") or reference(given, "backendAddressPool"):
        raise bad_request("LabNotSupported", "NAT rules of a pool are not supported by the lab cloud.")
    return {"name": name, "properties": checked}


def _outbound_rule(own: _Own, entry: Json) -> Json:
    given = section(entry, "properties")
    name = text(entry, "name")
    frontends = references(given, "frontendIPConfigurations")
    for frontend in frontends:
        own.require(frontend, "frontendIPConfigurations", f"outboundRules/{name}")
    pool = own.require(reference(given, "backendAddressPool"), "backendAddressPools", f"outboundRules/{name}")
    return {
        "name": name,
        "properties": {
            "frontendIPConfigurations": [{"id": frontend} for frontend in frontends],
            "backendAddressPool": {"id": pool},
            "protocol": choice(given, "protocol", ("Tcp", "Udp", "All")),
            "idleTimeoutInMinutes": _idle(given, name),
            "enableTcpReset": flag(given, "enableTcpReset"),
            "allocatedOutboundPorts": integer(given, "allocatedOutboundPorts", 0),
        },
    }


def _check_ports(rules: list[Json], nat_rules: list[Json]) -> None:
    fronts: dict[tuple[Any, ...], str] = {}
    backs: dict[tuple[Any, ...], str] = {}
    for rule in (*rules, *nat_rules):
        details = rule["properties"]
        front = (key_of(reference(details, "frontendIPConfiguration")), details["protocol"], details["frontendPort"])
        if front in fronts:
            raise bad_request(
                "RulesUseSameFrontendPortProtocolAndIPConfig",
                f"Rules {fronts[front]} and {rule['name']} cannot use the same frontend port {details['frontendPort']} "
                "and protocol with the same frontend IP configuration.",
            )
        fronts[front] = rule["name"]
    for rule in rules:
        details = rule["properties"]
        back = (key_of(reference(details, "backendAddressPool")), details["protocol"], details["backendPort"])
        if back[0] and back in backs:
            raise bad_request(
                "RulesUseSameBackendPortProtocolAndPool",
                f"Load balancing rules {backs[back]} and {rule['name']} with floating IP disabled use the same backend "
                f"port {details['backendPort']} and protocol with the same backend address pool.",
            )
        backs[back] = rule["name"]


def _check_outbound(rules: list[Json], outbound: list[Json]) -> None:
    fronts = {key_of(f) for rule in outbound for f in references(rule["properties"], "frontendIPConfigurations")}
    for rule in rules:
        details = rule["properties"]
        if key_of(reference(details, "frontendIPConfiguration")) in fronts and not details["disableOutboundSnat"]:
            raise bad_request(
                "LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule",
                f"Load balancing rule {rule['name']} must set disableOutboundSnat, since an outbound rule has the same "
                "frontend.",
            )


def frontend_address(inventory: Inventory, frontend: Json) -> str | None:
    """Return the address of a checked frontend; None where its public address is gone."""
    details = section(frontend, "properties")
    if public := reference(details, "publicIPAddress"):
        found = inventory.public_ip(public)
        return str(found) if found else None
    return str(address(text(details, "privateIPAddress"), "frontend"))
