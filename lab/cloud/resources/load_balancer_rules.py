"""What a load balancer has beside its frontends: probes, and rules of three kinds."""

from typing import Any

from lab.cloud.errors import bad_request, not_in_lab
from lab.cloud.fields import choice, flag, integer, reference, references, section, text
from lab.cloud.model import Json
from lab.cloud.resource_id import key_of


class OwnParts:
    """The balancer's own parts, for checking the references among them."""

    def __init__(self, identity: str, names: dict[str, list[str]]) -> None:
        self._identity = identity
        self._known = {f"{identity}/{part}/{name}".lower() for part, of_part in names.items() for name in of_part}

    def require(self, reference_: str, part: str, by: str) -> str:
        """Return a reference to a part that is there."""
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


def checked_probe(entry: Json) -> Json:
    """Return a probe as the balancer keeps it."""
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
        raise not_in_lab("Http and Https probes are not supported by the lab cloud.", "protocol")
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


def _common_rule(own: OwnParts, entry: Json, part: str) -> tuple[str, Json, Json]:
    given = section(entry, "properties")
    name = text(entry, "name")
    frontend = own.require(reference(given, "frontendIPConfiguration"), "frontendIPConfigurations", f"{part}/{name}")
    protocol = choice(given, "protocol", ("Tcp", "Udp", "All"))
    if protocol != "Tcp":
        raise not_in_lab(f"Protocol {protocol} is not supported by the lab cloud.", "protocol")
    if flag(given, "enableFloatingIP"):
        raise not_in_lab("Floating IP is not supported by the lab cloud.", "enableFloatingIP")
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


def checked_rule(own: OwnParts, entry: Json) -> Json:
    """Return a load balancing rule as the balancer keeps it."""
    name, given, checked = _common_rule(own, entry, "loadBalancingRules")
    pools = references(given, "backendAddressPools") or [reference(given, "backendAddressPool")]
    if len(pools) > 1:
        raise not_in_lab("Several pools for one rule are not supported by the lab cloud.")
    if pools[0]:
        own.require(pools[0], "backendAddressPools", f"loadBalancingRules/{name}")
        checked["backendAddressPool"] = {"id": pools[0]}
        checked["backendAddressPools"] = [{"id": pools[0]}]
    if probe := reference(given, "probe"):
        own.require(probe, "probes", f"loadBalancingRules/{name}")
        checked["probe"] = {"id": probe}
    distribution = choice(given, "loadDistribution", ("Default", "SourceIP", "SourceIPProtocol"), "Default")
    if distribution != "Default":
        raise not_in_lab("Distribution by the source is not supported by the lab cloud.", "loadDistribution")
    if not flag(given, "disableOutboundSnat"):
        raise not_in_lab("SNAT by a balancing rule is not supported by the lab cloud.", "disableOutboundSnat")
    checked |= {"loadDistribution": distribution, "disableOutboundSnat": True}
    return {"name": name, "properties": checked}


def checked_nat_rule(own: OwnParts, entry: Json) -> Json:
    """Return an inbound NAT rule as the balancer keeps it."""
    name, given, checked = _common_rule(own, entry, "inboundNatRules")
    if given.get("frontendPortRangeStart") or reference(given, "backendAddressPool"):
        raise not_in_lab("NAT rules of a pool are not supported by the lab cloud.")
    return {"name": name, "properties": checked}


def checked_outbound_rule(own: OwnParts, entry: Json) -> Json:
    """Return an outbound rule as the balancer keeps it."""
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


def check_ports(rules: list[Json], nat_rules: list[Json]) -> None:
    """Refuse rules that would listen, or lead, to the same place."""
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
