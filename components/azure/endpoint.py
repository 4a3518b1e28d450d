"""The one address that always leads to the node that serves, and the way in for administration."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from components import ports
from components.azure.addresses import Addresses
from components.azure.egress import egress_parts, make_egress_balancer, pool_id
from components.azure.place import Place
from components.azure.private_name import make_private_name
from components.settings.settings import Settings

_FRONTEND = "endpoint"
_POOL = "nodes"
_PROBE = "serving-node"


@dataclass(frozen=True)
class EndpointArgs:
    """What an endpoint is made of.

    Args:
        settings: the stack's.
        addresses: its public address, if it has one, and what the machines come from when they leave.
        subnet_id: resource id of the subnet of an internal one, and of the machines.
    """

    place: Place
    settings: Settings
    addresses: Addresses
    subnet_id: pulumi.Input[str]


class Endpoint(pulumi.ComponentResource):
    """A Standard load balancer: MySQL with a probe of its own, and an inbound NAT rule for each machine's SSH.

    Attributes:
        host: its IPv4 address.
        egress_pool_id: resource id of the pool of machines that leave by the address for that, if there is one.
        ssh_rule_ids: resource id of each machine's inbound NAT rule, by its name.
    """

    host: pulumi.Output[str]
    pool_id: pulumi.Output[str]
    egress_pool_id: pulumi.Output[str] | None
    ssh_rule_ids: dict[str, pulumi.Output[str]]
    balancer: network.LoadBalancer

    def __init__(self, name: str, args: EndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Endpoint", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        place, settings = args.place, args.settings
        address, egress_address = args.addresses.endpoint, args.addresses.egress

        if address:
            balancer_name = f"lbe-{place.cluster_name}"
            frontend = network.FrontendIPConfigurationArgs(
                name=_FRONTEND, public_ip_address=network.PublicIPAddressArgs(id=address.id)
            )
            self.host = address.ip_address.apply(lambda ip_address: ip_address or "")
        else:
            balancer_name = f"lbi-{place.cluster_name}"
            frontend = network.FrontendIPConfigurationArgs(
                name=_FRONTEND,
                subnet=network.SubnetArgs(id=args.subnet_id),
                private_ip_address=settings.network.internal_endpoint,
                private_ip_allocation_method=network.IPAllocationMethod.STATIC,
                zones=list(settings.machines.zones_of_address) or None,
            )
            self.host = pulumi.Output.from_input(settings.network.internal_endpoint)

        if settings.endpoint.private_dns_name:
            make_private_name(name, place, settings, args.subnet_id, self)

        # The balancer's own parts refer to each other by ids that follow from its name.
        balancer_id = pulumi.Output.concat(place.group_id, "/providers/Microsoft.Network/loadBalancers/", balancer_name)

        # A machine can be behind one public balancer and one internal one (learn.microsoft.com, "Outbound-only load
        # balancer").
        egress = egress_parts(balancer_id, egress_address) if address and egress_address else None

        def part(kind: str, part_name: str) -> network.SubResourceArgs:
            return network.SubResourceArgs(id=pulumi.Output.concat(balancer_id, f"/{kind}/{part_name}"))

        self.balancer = network.LoadBalancer(
            f"{name}-balancer",
            load_balancer_name=balancer_name,
            resource_group_name=place.group_name,
            location=place.location,
            sku=network.LoadBalancerSkuArgs(name=network.LoadBalancerSkuName.STANDARD),
            frontend_ip_configurations=[frontend, *([egress.frontend] if egress else [])],
            backend_address_pools=[network.BackendAddressPoolArgs(name=_POOL), *([egress.pool] if egress else [])],
            outbound_rules=[egress.rule] if egress else None,
            probes=[
                # Never 3306 itself: MySQL counts a probe as a failed login, and bars the prober after a hundred
                # (max_connect_errors). Every 5 s is the shortest that Azure takes. One answer is believed at once, not
                # only the second as in Microsoft's guides: who answers is Pacemaker's word, and a lost probe does no
                # harm, since connections that stand stay ("Probe down behavior" of
                # learn.microsoft.com/azure/load-balancer/load-balancer-custom-probe-overview).
                network.ProbeArgs(
                    name=_PROBE,
                    protocol=network.ProbeProtocol.TCP,
                    port=settings.endpoint.probe_port,
                    interval_in_seconds=5,
                    probe_threshold=1,
                )
            ],
            load_balancing_rules=[
                network.LoadBalancingRuleArgs(
                    name="rule-mysql",
                    protocol=network.TransportProtocol.TCP,
                    frontend_port=ports.MYSQL,
                    backend_port=ports.MYSQL,
                    frontend_ip_configuration=part("frontendIPConfigurations", _FRONTEND),
                    backend_address_pool=part("backendAddressPools", _POOL),
                    probe=part("probes", _PROBE),
                    # A client of a node that has gone learns it by a reset, not by waiting.
                    enable_tcp_reset=True,
                    idle_timeout_in_minutes=30,  # Azure's longest: pooled connections rest for long
                    disable_outbound_snat=True,  # the way out is a rule of its own
                )
            ],
            inbound_nat_rules=[
                network.InboundNatRuleArgs(
                    name=f"rule-ssh-{node}",
                    protocol=network.TransportProtocol.TCP,
                    frontend_port=port,
                    backend_port=ports.SSH,
                    frontend_ip_configuration=part("frontendIPConfigurations", _FRONTEND),
                    enable_tcp_reset=True,
                    idle_timeout_in_minutes=30,
                )
                for node, port in settings.frontend_ports.items()
            ],
            opts=child,
        )
        self.pool_id = pool_id(self.balancer, _POOL)
        self.egress_pool_id = pool_id(self.balancer, egress.pool_name) if egress else None
        if egress_address and not egress:
            self.egress_pool_id = make_egress_balancer(f"{name}-egress-balancer", place, egress_address, self)
        self.ssh_rule_ids = {
            node: self.balancer.id.apply(lambda id_, node=node: f"{id_}/inboundNatRules/rule-ssh-{node}")
            for node in settings.frontend_ports
        }
        self.register_outputs({})
