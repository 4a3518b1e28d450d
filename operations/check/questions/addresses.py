"""Do the stack's addresses clash with those of others, as far as they can be seen?"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from operations.arm import Json, items
from operations.check.answer import Answer
from operations.check.asked import Asked
from operations.check.questions.rights import existing_subnets
from operations.plan import Inputs

_NETWORK = "2024-05-01"


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for the network that the stack makes, or for each address in a subnet of somebody else's."""
    for network in asked.plan.of("network:VirtualNetwork"):
        yield _space(asked, network.id, network.wanted)
    for subnet in existing_subnets(asked):
        path = subnet.rpartition("/subnets/")[0]
        for name, address in _static_addresses(asked):
            found = asked.azure.get(f"{path}/CheckIPAddressAvailability", _NETWORK, {"ipAddress": address})
            about = f"{name}: {address}"
            if found["available"]:
                yield Answer("yes", about, "free")
            else:
                others = ", ".join(items(found, "availableIPAddresses")[:5])
                yield Answer("no", about, f"taken in {path.rpartition('/')[2]}; free are {others or 'none'}")


def _space(asked: Asked, own: str, network: Inputs) -> Answer:
    space = _networks(network["addressSpace"]["addressPrefixes"])
    about = ", ".join(map(str, space))
    path = f"{asked.azure.subscription}/providers/Microsoft.Network/virtualNetworks"
    listed: list[Json] = asked.azure.get(path, _NETWORK)["value"]
    for peering in (p for each in listed if each["id"].lower() == own.lower() for p in _peerings(each)):
        if clash := _overlap(space, _networks(peering["remoteAddressSpace"]["addressPrefixes"])):
            return Answer("no", about, f"overlaps {clash}, a network that it is peered with")
    for each in listed:
        clash = _overlap(space, _networks(each["properties"]["addressSpace"]["addressPrefixes"]))
        if clash and each["id"].lower() != own.lower():
            text = f"overlaps {clash} of {each['name']}: the two could never be peered"
            # Clients of an internal endpoint come from networks that are peered.
            return Answer("no" if _is_internal(asked) else "yes", about, text)
    return Answer("yes", about, f"overlaps none of the {len(listed)} networks that you can see")


def _peerings(network: Json) -> Iterator[Json]:
    for peering in items(network["properties"], "virtualNetworkPeerings"):
        if "remoteAddressSpace" in peering["properties"]:
            yield peering["properties"]


def _networks(prefixes: Iterable[str]) -> list[IPv4Network]:
    return [IPv4Network(prefix) for prefix in prefixes if ":" not in prefix]


def _overlap(some: Iterable[IPv4Network], others: list[IPv4Network]) -> IPv4Network | None:
    return next((other for one in some for other in others if one.overlaps(other)), None)


def _is_internal(asked: Asked) -> bool:
    frontends = [f for each in asked.plan.of("network:LoadBalancer") for f in each.wanted["frontendIPConfigurations"]]
    return any("privateIPAddress" in frontend for frontend in frontends)


def _static_addresses(asked: Asked) -> Iterator[tuple[str, str]]:
    """Yield name and address of what the update makes with an address of its own."""
    kinds = (("network:NetworkInterface", "ipConfigurations"), ("network:LoadBalancer", "frontendIPConfigurations"))
    for type_, key in kinds:
        for change in asked.plan.of(type_):
            for configuration in change.wanted[key] if change.created else ():
                if "privateIPAddress" in configuration:
                    yield change.own_name, str(configuration["privateIPAddress"])
