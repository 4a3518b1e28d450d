"""Is there a way from here to the machines' SSH?"""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from operations.arm import items
from operations.check.answer import Answer
from operations.check.asked import Asked
from operations.plan import Change

_PORT = 22
_SECONDS = 5

_EXAMPLES = tuple(map(IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
"""Ranges for examples (RFC 5737), which stack files begin with."""

_OUTSIDE = "203.0.113.1"

_NO_PEERS = (
    "an internal endpoint in a network that this update makes, which has no peers yet: set existingSubnetId to a subnet"
    " that this machine reaches, or endpoint to public; or peer the network while pulumi up waits for SSH"
)


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for each machine that is there; before there is any, for whom the network would let in."""
    for balancer in asked.plan.of("network:LoadBalancer"):
        if not _leads(items(balancer.wanted, "inboundNatRules")):
            continue
        if balancer.id:
            yield from _knock(asked, balancer)
        else:
            yield _source(asked, balancer.wanted)


def _knock(asked: Asked, balancer: Change) -> Iterator[Answer]:
    properties = asked.azure.get(balancer.id, "2024-05-01")["properties"]
    frontends = {each["id"].lower(): each["properties"] for each in properties["frontendIPConfigurations"]}
    for rule in _leads([each["properties"] for each in items(properties, "inboundNatRules")]):
        if "backendIPConfiguration" not in rule:
            continue  # the witness's, where there is none
        host, port = _address(asked, frontends[rule["frontendIPConfiguration"]["id"].lower()]), rule["frontendPort"]
        about = f"{host}:{port}"
        try:
            with socket.create_connection((host, port), _SECONDS) as connection:
                said = connection.recv(4)
        except OSError as error:
            yield Answer("no", about, f"{error.strerror or error}: is this machine in adminCidrs, and is the node on?")
            continue
        yield Answer("yes", about, "answers") if said == b"SSH-" else Answer("no", about, "is not SSH")


def _leads(rules: list[Any]) -> list[Any]:
    """Return the rules that lead to SSH."""
    return [rule for rule in rules if rule["backendPort"] == _PORT]


def _address(asked: Asked, frontend: dict[str, Any]) -> str:
    if "publicIPAddress" in frontend:
        return asked.azure.get(frontend["publicIPAddress"]["id"], "2024-05-01")["properties"]["ipAddress"]
    return frontend["privateIPAddress"]


def _source(asked: Asked, balancer: Any) -> Answer:
    allowed = [
        IPv4Network(prefix)
        for group in asked.plan.of("network:NetworkSecurityGroup")
        for rule in items(group.wanted, "securityRules")
        if str(_PORT) in items(rule, "destinationPortRanges") and rule["access"] == "Allow"
        for prefix in items(rule, "sourceAddressPrefixes")
        if prefix != rule["destinationAddressPrefix"]  # the nodes, to each other
    ]
    about = ", ".join(map(str, allowed))
    if not allowed:
        return Answer("unknown", "the subnet's owner", "decides who can reach port 22")
    private = next(
        (f["privateIPAddress"] for f in balancer["frontendIPConfigurations"] if "privateIPAddress" in f), None
    )
    here = source_towards(str(private or _OUTSIDE))
    if here is None:
        return Answer("no", about, f"this machine has no route to {private or 'the Internet'}")
    if private and any(not network.id for network in asked.plan.of("network:VirtualNetwork")):
        return Answer("no", about, _NO_PEERS)
    if any(here in network for network in allowed):
        return Answer("yes", about, f"{here}, this machine, is allowed")
    if private or not here.is_private:
        return Answer("no", about, f"this machine's address is {here}: put that into adminCidrs")
    if all(any(network.subnet_of(example) for example in _EXAMPLES) for network in allowed):
        return Answer("no", about, "is an example network (RFC 5737) and lets nobody in: replace adminCidrs")
    return Answer(
        "unknown",
        about,
        f"this machine's address {here} is private: check that its gateway's public address is among these",
    )


def source_towards(address: str) -> IPv4Address | None:
    """Return the address from which this machine would reach another; None without a route. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, _PORT))
        except OSError:
            return None
        return IPv4Address(probe.getsockname()[0])
