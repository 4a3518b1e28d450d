"""The virtual network, and the machines' addresses in it."""

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Annotated

from components.settings.azure_id import AzureId, id_of
from components.settings.cidr import cidr
from components.settings.given import boolean, given, number_of, optional, text, texts
from components.settings.mistake import Mistake
from components.settings.section import Check, Section

# Azure keeps the first four addresses of a subnet and the last (learn.microsoft.com, "Virtual
# network FAQ": network, gateway, two for DNS, broadcast).
_RESERVED_FIRST = 4
_RESERVED_LAST = 1

# RFC 1918 and RFC 6598: what Azure recommends for a virtual network.
_PRIVATE = tuple(IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))


def _sized(network: IPv4Network) -> IPv4Network:
    if not 8 <= network.prefixlen <= 29:
        raise Mistake(f"{network} is not between /8 and /29, the sizes that Azure accepts")
    return network


def _private(network: IPv4Network) -> IPv4Network:
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise Mistake(f"{network} is not private; choose one within {', '.join(map(str, _PRIVATE))}")
    return network


class NetworkSection(Section):
    address_space: Annotated[IPv4Network | None, given(optional(lambda value: _sized(_private(cidr(value)))))]
    subnet: Annotated[IPv4Network, given(text, cidr, _sized)]
    existing_subnet_id: Annotated[
        AzureId | None, given(optional(id_of("Microsoft.Network/virtualNetworks/NAME/subnets/NAME")))
    ]
    node_addresses: Annotated[tuple[str, ...], given(texts)]
    host_firewall: Annotated[bool, given(boolean)]
    endpoint_address: Annotated[str | None, given(optional(str))]
    witness_address: Annotated[str | None, given(optional(str))]

    @property
    def space(self) -> IPv4Network:
        """The virtual network's IPv4 network; that of the subnet where an existing one is used."""
        if self.address_space:
            return self.address_space
        is_all = self.existing_subnet_id or self.subnet.prefixlen <= 16
        return self.subnet if is_all else self.subnet.supernet(new_prefix=16)

    @property
    def nodes(self) -> tuple[str, ...]:
        return self.node_addresses or (str(self.subnet[_RESERVED_FIRST]), str(self.subnet[_RESERVED_FIRST + 1]))

    @property
    def witness(self) -> str:
        """The witness's address: by default the next one after the nodes' own."""
        return self.witness_address or str(self.subnet[_RESERVED_FIRST + 2])

    @property
    def internal_endpoint(self) -> str:
        """An internal endpoint's address: by default the 11th, or the last that is free in a subnet too small."""
        return self.endpoint_address or str(self.subnet[min(10, self.subnet.num_addresses - 1 - _RESERVED_LAST)])

    def checks(self) -> Iterable[Check]:
        return (
            ("addressSpace", self._space_is_of_a_network_that_is_made),
            ("subnet", self._subnet_is_within_the_space),
            ("nodeAddresses", self._nodes_have_addresses_of_the_subnet),
        )

    def _space_is_of_a_network_that_is_made(self) -> None:
        if not self.existing_subnet_id:
            _private(self.space)
        elif self.address_space:
            raise Mistake("is for a network that this stack makes; with existingSubnetId leave it out")

    def _subnet_is_within_the_space(self) -> None:
        if not self.existing_subnet_id and not self.subnet.subnet_of(self.space):
            raise Mistake(f"{self.subnet} is outside addressSpace {self.space}; choose one inside it")

    def _nodes_have_addresses_of_the_subnet(self) -> None:
        number_of(self.nodes, "addresses", "a cluster has 2 nodes", 2)
        for address in self.nodes:
            self.check_address(address)
        if self.nodes[0] == self.nodes[1]:
            raise Mistake(f"both nodes have {self.nodes[0]}; give them different addresses")

    def check_address(self, value: str) -> None:
        """Check an address of the subnet that a machine or the endpoint is to have."""
        subnet = self.subnet
        try:
            address = IPv4Address(value)
        except AddressValueError:
            example = subnet[_RESERVED_FIRST]
            raise Mistake(f"{value!r} is not an IPv4 address; an example is {example}") from None
        if address not in subnet:
            raise Mistake(f"{address} is outside subnet {subnet}; choose an address inside it")
        offset = int(address) - int(subnet.network_address)
        last = subnet.num_addresses - 1 - _RESERVED_LAST
        if not _RESERVED_FIRST <= offset <= last:
            raise Mistake(
                f"{address} is reserved by Azure in subnet {subnet}; choose from"
                f" {subnet[_RESERVED_FIRST]} to {subnet[last]}"
            )
