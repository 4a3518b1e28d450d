"""The one address that always leads to the node that serves, and the way in for administration."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from components.azure.address import public_address
from components.azure.deletion_lock import deletion_lock

MYSQL_PORT = 3306

_FRONTEND = "endpoint"
_POOL = "nodes"
_PROBE = "serving-node"


@dataclass(frozen=True)
class EndpointArgs:
    """What an endpoint is made of.

    Args:
        cluster_name: part of every name.
        location: Azure region.
        resource_group_name, resource_group_id: where it is made.
        subnet_id: the nodes' subnet.
        private_address: the endpoint's IPv4 address in that subnet; None for a public endpoint.
        probe_port: TCP port that only the node that serves answers.
        ssh_ports: frontend port of SSH for each machine, by its name; empty where SSH takes another way.
        lock_address: whether Azure refuses to delete a public endpoint's address.
        zones: availability zones of the address; empty for none.
    """

    cluster_name: str
    location: str
    resource_group_name: pulumi.Input[str]
    resource_group_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    private_address: str | None
    probe_port: int
    ssh_ports: dict[str, int]
    lock_address: bool = False
    zones: Sequence[str] = ()


class Endpoint(pulumi.ComponentResource):
    """A Standard load balancer: MySQL with a probe of its own, and an inbound NAT rule for each machine's SSH.

    Attributes:
        host: the endpoint's IPv4 address.
        pool_id: resource id of the pool that the nodes join.
        ssh_rule_ids: resource id of each machine's inbound NAT rule, by its name.
        balancer: the load balancer itself.
    """

    host: pulumi.Output[str]
    pool_id: pulumi.Output[str]
    ssh_rule_ids: dict[str, pulumi.Output[str]]
    balancer: network.LoadBalancer

    def __init__(self, name: str, args: EndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Endpoint", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        zones = list(args.zones) or None

        if args.private_address is None:
            address = public_address(
                f"{name}-address",
                azure_name=f"pip-{args.cluster_name}",
                resource_group_name=args.resource_group_name,
                location=args.location,
                parent=self,
                zones=zones,
            )
            if args.lock_address:
                deletion_lock(
                    f"{name}-address-lock", azure_name=f"pip-{args.cluster_name}", scope=address.id, parent=self
                )
            balancer_name = f"lbe-{args.cluster_name}"
            frontend = network.FrontendIPConfigurationArgs(
                name=_FRONTEND, public_ip_address=network.PublicIPAddressArgs(id=address.id)
            )
            self.host = address.ip_address.apply(lambda ip_address: ip_address or "")
        else:
            balancer_name = f"lbi-{args.cluster_name}"
            frontend = network.FrontendIPConfigurationArgs(
                name=_FRONTEND,
                subnet=network.SubnetArgs(id=args.subnet_id),
                private_ip_address=args.private_address,
                private_ip_allocation_method=network.IPAllocationMethod.STATIC,
                zones=zones,
            )
            self.host = pulumi.Output.from_input(args.private_address)

        # The balancer's own parts refer to each other by ids that follow from its name.
        balancer_id = pulumi.Output.concat(
            args.resource_group_id, "/providers/Microsoft.Network/loadBalancers/", balancer_name
        )

        def part(kind: str, part_name: str) -> network.SubResourceArgs:
            return network.SubResourceArgs(id=pulumi.Output.concat(balancer_id, f"/{kind}/{part_name}"))

        self.balancer = network.LoadBalancer(
            f"{name}-balancer",
            load_balancer_name=balancer_name,
            resource_group_name=args.resource_group_name,
            location=args.location,
            sku=network.LoadBalancerSkuArgs(name=network.LoadBalancerSkuName.STANDARD),
            frontend_ip_configurations=[frontend],
            backend_address_pools=[network.BackendAddressPoolArgs(name=_POOL)],
            probes=[
                # Never 3306 itself: MySQL counts a probe as a failed login, and bars the prober after a hundred
                # (max_connect_errors). Every 5 s is the shortest that Azure takes. One answer is believed at once, not
                # only the second as in Microsoft's guides: who answers is Pacemaker's word, and a lost probe does no
                # harm, since connections that stand stay ("Probe down behavior" of
                # learn.microsoft.com/azure/load-balancer/load-balancer-custom-probe-overview).
                network.ProbeArgs(
                    name=_PROBE,
                    protocol=network.ProbeProtocol.TCP,
                    port=args.probe_port,
                    interval_in_seconds=5,
                    probe_threshold=1,
                )
            ],
            load_balancing_rules=[
                network.LoadBalancingRuleArgs(
                    name="rule-mysql",
                    protocol=network.TransportProtocol.TCP,
                    frontend_port=MYSQL_PORT,
                    backend_port=MYSQL_PORT,
                    frontend_ip_configuration=part("frontendIPConfigurations", _FRONTEND),
                    backend_address_pool=part("backendAddressPools", _POOL),
                    probe=part("probes", _PROBE),
                    # A client of a node that has gone learns it by a reset, not by waiting.
                    enable_tcp_reset=True,
                    idle_timeout_in_minutes=30,  # Azure's longest: pooled connections rest for long
                    disable_outbound_snat=True,  # the NAT gateway is the way out
                )
            ],
            inbound_nat_rules=[
                network.InboundNatRuleArgs(
                    name=f"rule-ssh-{node}",
                    protocol=network.TransportProtocol.TCP,
                    frontend_port=port,
                    backend_port=22,
                    frontend_ip_configuration=part("frontendIPConfigurations", _FRONTEND),
                    enable_tcp_reset=True,
                    idle_timeout_in_minutes=30,
                )
                for node, port in args.ssh_ports.items()
            ],
            opts=child,
        )
        self.pool_id = self.balancer.id.apply(lambda id_: f"{id_}/backendAddressPools/{_POOL}")
        self.ssh_rule_ids = {
            node: self.balancer.id.apply(lambda id_, node=node: f"{id_}/inboundNatRules/rule-ssh-{node}")
            for node in args.ssh_ports
        }
        self.register_outputs({})
