"""The machines' way out: an outbound rule of a public load balancer.

A Standard balancer gives its machines none by itself, and fencing and package updates need one. No NAT gateway: one of
SKU Standard is in one zone for ever, also where it is told none (learn.microsoft.com/azure/reliability,
"reliability-nat-gateway"), so that a zone that fails could leave the other zone's node unable to fence. Its successor
StandardV2 is in all zones, but not in all regions, nor in the API version of the SDK. A rule is where its address is.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from components.azure.balancer import balancer_id, part_of, pool_id
from components.azure.place import Place

_NAME = "egress"

# Of the 64,000 ports of an address, divisible by 8; left out, Azure would give 1,024 (learn.microsoft.com,
# "Outbound rules Azure Load Balancer"). There are three machines at most.
_PORTS_OF_A_MACHINE = 16000


@dataclass(frozen=True)
class EgressParts:
    """What a public balancer needs for the way out.

    Args:
        frontend: the address that the machines come from.
        pool: the machines.
        rule: leads from the pool to the frontend.
        pool_name: the pool's name.
    """

    frontend: network.FrontendIPConfigurationArgs
    pool: network.BackendAddressPoolArgs
    rule: network.OutboundRuleArgs
    pool_name: str = _NAME


def egress_parts(balancer: pulumi.Output[str], address: network.PublicIPAddress) -> EgressParts:
    """Return what a balancer needs for the way out.

    Args:
        balancer: its resource id.
        address: what the machines come from.
    """
    return EgressParts(
        frontend=network.FrontendIPConfigurationArgs(
            name=_NAME, public_ip_address=network.PublicIPAddressArgs(id=address.id)
        ),
        pool=network.BackendAddressPoolArgs(name=_NAME),
        rule=network.OutboundRuleArgs(
            name="rule-egress",
            protocol=network.LoadBalancerOutboundRuleProtocol.ALL,
            frontend_ip_configurations=[part_of(balancer, "frontendIPConfigurations", _NAME)],
            backend_address_pool=part_of(balancer, "backendAddressPools", _NAME),
            allocated_outbound_ports=_PORTS_OF_A_MACHINE,
            enable_tcp_reset=True,
            idle_timeout_in_minutes=4,
        ),
    )


def make_egress_balancer(
    name: str, place: Place, address: network.PublicIPAddress, parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Make a balancer for the way out alone, beside an internal one; return the id of the machines' pool.

    Args:
        name: the balancer's name in the program.
        place: where it is made.
        address: what the machines come from.
        parent: the component that it is part of.
    """
    balancer_name = f"lbe-{place.cluster_name}"
    parts = egress_parts(balancer_id(place, balancer_name), address)
    balancer = network.LoadBalancer(
        name,
        load_balancer_name=balancer_name,
        resource_group_name=place.group_name,
        location=place.location,
        sku=network.LoadBalancerSkuArgs(name=network.LoadBalancerSkuName.STANDARD),
        frontend_ip_configurations=[parts.frontend],
        backend_address_pools=[parts.pool],
        outbound_rules=[parts.rule],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return pool_id(balancer, parts.pool_name)
