"""The virtual network of the cluster, and who may enter it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from components import ports
from components.azure.place import Place
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


def _allow(
    name: str,
    priority: int,
    to: Sequence[int],
    sources: Sequence[pulumi.Input[str]],
    destination: str,
    protocol: str = network.SecurityRuleProtocol.TCP,
) -> network.SecurityRuleArgs:
    # Azure has one field for a single source and another for several; several is right for one as well, but a
    # service tag is accepted in the single field only.
    single = len(sources) == 1 and isinstance(sources[0], str) and "/" not in sources[0]
    return network.SecurityRuleArgs(
        name=f"nsgsr-{name}",
        priority=priority,
        direction=network.SecurityRuleDirection.INBOUND,
        access=network.SecurityRuleAccess.ALLOW,
        protocol=protocol,
        source_address_prefix=sources[0] if single else None,
        source_address_prefixes=None if single else list(sources),
        source_port_range="*",
        destination_address_prefix=destination,
        destination_port_ranges=[str(port) for port in to],
    )


class Network(pulumi.ComponentResource):
    """Virtual network, subnet, and network security group."""

    subnet_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        place, settings, addresses = args.place, args.settings, args.settings.network
        nodes = str(addresses.subnet)

        more: list[network.SecurityRuleArgs] = []
        if settings.monitoring.monitoring:
            more.append(_allow("monitoring", 135, ports.EXPORTERS, settings.monitoring.monitor_cidrs, nodes))
        if settings.witness:
            voters = [f"{address}/32" for address in addresses.nodes]
            more.append(_allow("witness", 160, [ports.QNETD], voters, f"{settings.witness.private_address}/32"))
        security_group = network.NetworkSecurityGroup(
            f"{name}-security-group",
            network_security_group_name=f"nsg-{place.cluster_name}",
            resource_group_name=place.group_name,
            location=place.location,
            security_rules=[
                _allow("ssh", 100, [ports.SSH], settings.ssh.admin_cidrs, nodes),
                _allow("mysql", 110, [ports.MYSQL], settings.endpoint.client_cidrs, nodes),
                # The nodes themselves ask the endpoint whether it answers: by a public one they come from outside.
                _allow("mysql-own-check", 120, [ports.MYSQL], args.ways_out, nodes),
                _allow("probe", 130, [settings.endpoint.probe_port], ["AzureLoadBalancer"], nodes),
                # Between the nodes.
                _allow("cluster-tcp", 140, [ports.SSH, ports.MYSQL, ports.DRBD], [nodes], nodes),
                _allow("cluster-udp", 150, [ports.COROSYNC], [nodes], nodes, network.SecurityRuleProtocol.UDP),
                *more,
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
