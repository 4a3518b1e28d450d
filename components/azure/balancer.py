"""The resource ids of a load balancer and its parts, which refer to each other before they are there."""

import pulumi
from pulumi_azure_native import network

from components.azure.place import Place


def balancer_id(place: Place, name: str) -> pulumi.Output[str]:
    """Return the resource id of the balancer that has a name, which follows from that."""
    return pulumi.Output.concat(place.group_id, "/providers/Microsoft.Network/loadBalancers/", name)


def part_of(balancer: pulumi.Output[str], kind: str, name: str) -> network.SubResourceArgs:
    """Return a reference to a part of a balancer.

    Args:
        balancer: the balancer's resource id.
        kind: the list of the balancer's that the part is in, such as "probes".
    """
    return network.SubResourceArgs(id=pulumi.Output.concat(balancer, f"/{kind}/{name}"))


def pool_id(balancer: network.LoadBalancer, pool: str) -> pulumi.Output[str]:
    """Return the resource id of a balancer's pool, known when the balancer is there."""
    return balancer.id.apply(lambda id_: f"{id_}/backendAddressPools/{pool}")
