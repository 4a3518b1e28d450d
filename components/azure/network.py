"""The virtual network of the cluster, who may enter it, and its way out."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from components.azure.address import public_address

QNETD_PORT = 5403

# The lowest priority that Azure allows: whatever is allowed later comes before it.
_DENY_PRIORITY = 4096


@dataclass(frozen=True)
class NetworkArgs:
    """What a network is made of.

    Args:
        cluster_name: part of every name.
        location: Azure region, such as "westeurope".
        resource_group_name: where it is made.
        address_space: IPv4 CIDR of the virtual network.
        subnet: IPv4 CIDR within it, for the nodes and an internal endpoint.
        admin_cidrs: who may reach SSH.
        client_cidrs: who may reach MySQL.
        probe_port: TCP port of the balancer's probe.
        node_addresses: the nodes' addresses.
        witness_address: the witness's; None for a cluster without one.
    """

    cluster_name: str
    location: str
    resource_group_name: pulumi.Input[str]
    address_space: str
    subnet: str
    admin_cidrs: Sequence[str]
    client_cidrs: Sequence[str]
    probe_port: int
    node_addresses: Sequence[str]
    witness_address: str | None


def _allow(
    name: str,
    priority: int,
    ports: Sequence[int | str],
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
        destination_port_ranges=[str(port) for port in ports],
    )


class Network(pulumi.ComponentResource):
    """Virtual network, subnet, network security group, and a NAT gateway for the nodes' way out.

    Attributes:
        subnet_id: resource id of the nodes' subnet.
    """

    subnet_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        # A Standard balancer gives its backends no way out; fencing and package updates need one.
        egress_address = public_address(
            f"{name}-egress-address",
            azure_name=f"pip-{args.cluster_name}-egress",
            resource_group_name=args.resource_group_name,
            location=args.location,
            parent=self,
        )
        nat_gateway = network.NatGateway(
            f"{name}-nat-gateway",
            nat_gateway_name=f"ng-{args.cluster_name}",
            resource_group_name=args.resource_group_name,
            location=args.location,
            sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
            public_ip_addresses=[network.SubResourceArgs(id=egress_address.id)],
            idle_timeout_in_minutes=4,
            opts=child,
        )

        egress = egress_address.ip_address.apply(lambda address: f"{address}/32" if address else "0.0.0.0/32")
        witness_rules: list[network.SecurityRuleArgs] = []
        if args.witness_address:
            voters = [f"{address}/32" for address in args.node_addresses]
            witness_rules.append(_allow("witness", 160, [QNETD_PORT], voters, f"{args.witness_address}/32"))
        security_group = network.NetworkSecurityGroup(
            f"{name}-security-group",
            network_security_group_name=f"nsg-{args.cluster_name}",
            resource_group_name=args.resource_group_name,
            location=args.location,
            security_rules=[
                _allow("ssh", 100, [22], args.admin_cidrs, args.subnet),
                _allow("mysql", 110, [3306], args.client_cidrs, args.subnet),
                # The nodes themselves ask the endpoint whether it answers: from outside they are the NAT gateway.
                _allow("mysql-own-check", 120, [3306], [egress], args.subnet),
                _allow("probe", 130, [args.probe_port], ["AzureLoadBalancer"], args.subnet),
                # Between the nodes: SSH, the server, DRBD.
                _allow("cluster-tcp", 140, [22, 3306, 7789], [args.subnet], args.subnet),
                # Corosync
                _allow("cluster-udp", 150, [5405], [args.subnet], args.subnet, network.SecurityRuleProtocol.UDP),
                *witness_rules,
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
            virtual_network_name=f"vnet-{args.cluster_name}",
            resource_group_name=args.resource_group_name,
            location=args.location,
            address_space=network.AddressSpaceArgs(address_prefixes=[args.address_space]),
            opts=child,
        )
        subnet = network.Subnet(
            f"{name}-subnet",
            subnet_name=f"snet-{args.cluster_name}",
            virtual_network_name=virtual_network.name,
            resource_group_name=args.resource_group_name,
            address_prefix=args.subnet,
            nat_gateway=network.SubResourceArgs(id=nat_gateway.id),
            network_security_group=network.NetworkSecurityGroupArgs(id=security_group.id),
            default_outbound_access=False,
            opts=child,
        )
        self.subnet_id = subnet.id
        self.register_outputs({})
