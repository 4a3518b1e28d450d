"""Network security groups: who may pass.  Pure; the address rules of Azure's documentation.

A source is a network, not only an address, so that the same evaluation serves one connection (a /32)
and the filter of a whole listener, which asks for every prefix that any rule distinguishes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from lab.cloud.fields import items, text, texts
from lab.cloud.model import Json

TAGS = ("VirtualNetwork", "AzureLoadBalancer", "Internet")
"""Service tags that the lab knows, besides `*`."""

ALL = IPv4Network("0.0.0.0/0")
PLATFORM_NETWORK = IPv4Network("168.63.129.16/32")


@dataclass(frozen=True)
class Rule:
    """One security rule.

    Args:
        priority: 100 to 4096 for a person's rules, 65000 and up for Azure's defaults; the lowest decides.
        protocol: Tcp, Udp, Icmp, Esp, Ah or `*`.
        sources: prefixes, addresses, service tags or `*`.
        source_ports: ports, ranges such as `1000-2000`, or `*`.
    """

    name: str
    priority: int
    inbound: bool
    allow: bool
    protocol: str
    sources: tuple[str, ...]
    source_ports: tuple[str, ...]
    destinations: tuple[str, ...]
    ports: tuple[str, ...]


def _default(name: str, priority: int, allow: bool, source: str, destination: str) -> Rule:
    inbound = name.endswith("InBound")
    return Rule(name, priority, inbound, allow, "*", (source,), ("*",), (destination,), ("*",))


DEFAULT_RULES = (
    _default("AllowVnetInBound", 65000, True, "VirtualNetwork", "VirtualNetwork"),
    _default("AllowAzureLoadBalancerInBound", 65001, True, "AzureLoadBalancer", "*"),
    _default("DenyAllInBound", 65500, False, "*", "*"),
    _default("AllowVnetOutBound", 65000, True, "VirtualNetwork", "VirtualNetwork"),
    _default("AllowInternetOutBound", 65001, True, "*", "Internet"),
    _default("DenyAllOutBound", 65500, False, "*", "*"),
)
"""The rules that every group ends with."""


@dataclass(frozen=True)
class Packet:
    """The first packet of a flow, as a security group sees it.

    Args:
        source: the client; a network stands for every address of it alike.
        protocol: Tcp or Udp.
    """

    source: IPv4Network
    destination: IPv4Network
    port: int
    protocol: str = "Tcp"


def _listed(properties: Json, one: str, many: str) -> tuple[str, ...]:
    single = text(properties, one)
    return (*([single] if single else []), *texts(properties, many))


def rules_of(group: Json) -> tuple[Rule, ...]:
    """Return the rules of a security group in the order in which they decide."""
    rules = list(DEFAULT_RULES)
    for entry in items(group, "securityRules"):
        properties: Json = entry["properties"]
        rules.append(
            Rule(
                name=entry["name"],
                priority=properties["priority"],
                inbound=properties["direction"] == "Inbound",
                allow=properties["access"] == "Allow",
                protocol=properties["protocol"],
                sources=_listed(properties, "sourceAddressPrefix", "sourceAddressPrefixes"),
                source_ports=_listed(properties, "sourcePortRange", "sourcePortRanges"),
                destinations=_listed(properties, "destinationAddressPrefix", "destinationAddressPrefixes"),
                ports=_listed(properties, "destinationPortRange", "destinationPortRanges"),
            )
        )
    return tuple(sorted(rules, key=lambda rule: rule.priority))


def _within(network: IPv4Network, prefixes: Sequence[IPv4Network]) -> bool:
    return any(network.subnet_of(prefix) for prefix in prefixes)


def matches_address(network: IPv4Network, words: Sequence[str], virtual_network: Sequence[IPv4Network]) -> bool:
    """Tell whether a rule's prefixes and tags cover a network.

    Args:
        words: prefixes, addresses, service tags or `*`.
        virtual_network: the address space that the tag VirtualNetwork stands for.
    """
    for word in words:
        lowered = word.lower()
        if lowered in ("*", "any") or word == "0.0.0.0/0":
            return True
        if lowered == "virtualnetwork":
            # "The virtual IP address of the host" belongs to the tag as well (Azure's list of service tags).
            if _within(network, virtual_network) or network == PLATFORM_NETWORK:
                return True
        elif lowered == "azureloadbalancer":
            if network == PLATFORM_NETWORK:
                return True
        elif lowered == "internet":
            if not _within(network, virtual_network) and network != PLATFORM_NETWORK:
                return True
        elif network.subnet_of(IPv4Network(word, strict=False)):
            return True
    return False


def parse_ports(word: str) -> range | None:
    """Return the ports of `*`, `22` or `1000-2000`; None where it is none of them."""
    if word == "*":
        return range(65536)
    first, dash, last = word.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        return None
    low, high = int(first), int(last) if dash else int(first)
    return range(low, high + 1) if low <= high <= 65535 else None


def _matches_port(port: int, words: Sequence[str]) -> bool:
    return any((ports := parse_ports(word)) is not None and port in ports for word in words)


def decide(rules: Sequence[Rule], packet: Packet, virtual_network: Sequence[IPv4Network]) -> Rule:
    """Return the inbound rule that decides about a packet.

    Args:
        packet: the first packet of the flow; its source port is not known, so that a rule which names source
            ports never matches.
    """
    for rule in rules:
        if (
            rule.inbound
            and rule.protocol.lower() in ("*", packet.protocol.lower())
            and "*" in rule.source_ports
            and _matches_port(packet.port, rule.ports)
            and matches_address(packet.source, rule.sources, virtual_network)
            and matches_address(packet.destination, rule.destinations, virtual_network)
        ):
            return rule
    return DEFAULT_RULES[2]


def distinguished(rules: Sequence[Rule]) -> set[IPv4Network]:
    """Return every source prefix that the rules name.

    Within one of them, less those inside it, all addresses are treated alike.
    """
    networks: set[IPv4Network] = set()
    for rule in rules:
        for word in rule.sources:
            if word[:1].isdigit():
                networks.add(IPv4Network(word, strict=False))
    return networks
