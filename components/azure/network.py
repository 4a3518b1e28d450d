"""The virtual network of the cluster, and who may enter it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from components.azure.place import Place
from components.inbound import BALANCER, WAYS_OUT, Inbound, inbound
from components.settings.settings import Settings

# The lowest priority that Azure allows: whatever is allowed later comes before it.
_DENY_PRIORITY = 4096


@dataclass(frozen=True)
class NetworkArgs:
    """What a network is made of.

    Args:
        ways_out: networks, in CIDR form, that the machines come from when they leave.
    """

    place: Place
    settings: Settings
    ways_out: Sequence[pulumi.Input[str]]


def _allow(each: Inbound, sources: Sequence[pulumi.Input[str]]) -> network.SecurityRuleArgs:
    # Azure has one field for a single source and another for several; several is right for one as well, but a
    # service tag is accepted in the single field only.
    single = each.sources == (BALANCER,)
    protocol = network.SecurityRuleProtocol.UDP if each.protocol == "udp" else network.SecurityRuleProtocol.TCP
    return network.SecurityRuleArgs(
        name=f"nsgsr-{each.name}",
        priority=each.priority,
        direction=network.SecurityRuleDirection.INBOUND,
        access=network.SecurityRuleAccess.ALLOW,
        protocol=protocol,
        source_address_prefix=sources[0] if single else None,
        source_address_prefixes=None if single else list(sources),
        source_port_range="*",
        destination_address_prefix=each.to,
        destination_port_ranges=[str(port) for port in each.ports],
    )


class Network(pulumi.ComponentResource):
    """Virtual network, subnet, and network security group."""

    subnet_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        place, settings, addresses = args.place, args.settings, args.settings.network
        nodes = str(addresses.subnet)

        security_group = network.NetworkSecurityGroup(
            f"{name}-security-group",
            network_security_group_name=f"nsg-{place.cluster_name}",
            resource_group_name=place.group_name,
            location=place.location,
            security_rules=[
                *(
                    _allow(each, args.ways_out if each.sources == (WAYS_OUT,) else each.sources)
                    for each in inbound(settings)
                ),
                network.SecurityRuleArgs(
                    name="nsgsr-nothing-else",
                    priority=_DENY_PRIORITY,
                    direction=network.SecurityRuleDirection.INBOUND,
                    access=network.SecurityRuleAccess.DENY,
                    protocol=network.SecurityRuleProtocol.ASTERISK,
                    source_address_prefix="*",
                    source_port_range="*",
                    destination_address_prefix="*",
                    destination_port_range="*",
                ),
            ],
            opts=child,
        )

        virtual_network = network.VirtualNetwork(
            f"{name}-virtual-network",
            virtual_network_name=f"vnet-{place.cluster_name}",
            resource_group_name=place.group_name,
            location=place.location,
            address_space=network.AddressSpaceArgs(address_prefixes=[str(addresses.space)]),
            opts=child,
        )
        subnet = network.Subnet(
            f"{name}-subnet",
            subnet_name=f"snet-{place.cluster_name}",
            virtual_network_name=virtual_network.name,
            resource_group_name=place.group_name,
            address_prefix=nodes,
            network_security_group=network.NetworkSecurityGroupArgs(id=security_group.id),
            default_outbound_access=False,
            opts=child,
        )
        self.subnet_id = subnet.id
        self.register_outputs({})
