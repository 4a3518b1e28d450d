"""The one address that always leads to the node that serves, and the way in for administration."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from components import ports
from components.azure.addresses import Addresses
from components.azure.balancer import balancer_id, part_of, pool_id
from components.azure.egress import egress_parts, make_egress_balancer
from components.azure.place import Place
from components.azure.private_name import make_private_name
from components.settings.recorded import ENDPOINT_BALANCER
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
            self.host = address.ip_address.apply(lambda ip_address: ip_address or "")
        else:
            self.host = pulumi.Output.from_input(settings.network.internal_endpoint)
        if settings.endpoint.private_dns_name:
            make_private_name(name, place, settings, args.subnet_id, self)

        balancer_name = f"{'lbe' if address else 'lbi'}-{place.cluster_name}"
        own_id = balancer_id(place, balancer_name)
        # A machine can be behind one public balancer and one internal one (learn.microsoft.com, "Outbound-only load
        # balancer").
        egress = egress_parts(own_id, egress_address) if address and egress_address else None
        self.balancer = network.LoadBalancer(
            ENDPOINT_BALANCER,
            load_balancer_name=balancer_name,
            resource_group_name=place.group_name,
            location=place.location,
            sku=network.LoadBalancerSkuArgs(name=network.LoadBalancerSkuName.STANDARD),
            frontend_ip_configurations=[_frontend(args, address), *([egress.frontend] if egress else [])],
            backend_address_pools=[network.BackendAddressPoolArgs(name=_POOL), *([egress.pool] if egress else [])],
            outbound_rules=[egress.rule] if egress else None,
            probes=[_probe(settings.endpoint.probe_port)],
            load_balancing_rules=[_mysql_rule(own_id)],
            inbound_nat_rules=_ssh_rules(own_id, settings.frontend_ports),
            opts=child,
        )
        self.pool_id = pool_id(self.balancer, _POOL)
        self.egress_pool_id = pool_id(self.balancer, egress.pool_name) if egress else None
        if egress_address and not egress:
            self.egress_pool_id = make_egress_balancer(f"{name}-egress-balancer", place, egress_address, self)
        self.ssh_rule_ids = {
            node: self.balancer.id.apply(lambda id_, node=node: f"{id_}/inboundNatRules/{_ssh_rule(node)}")
            for node in settings.frontend_ports
        }
        self.register_outputs({})


def _frontend(args: EndpointArgs, address: network.PublicIPAddress | None) -> network.FrontendIPConfigurationArgs:
    """Return the frontend, where clients connect: at a public address, or at one of the subnet's."""
    if address:
        return network.FrontendIPConfigurationArgs(
            name=_FRONTEND, public_ip_address=network.PublicIPAddressArgs(id=address.id)
        )
    return network.FrontendIPConfigurationArgs(
        name=_FRONTEND,
        subnet=network.SubnetArgs(id=args.subnet_id),
        private_ip_address=args.settings.network.internal_endpoint,
        private_ip_allocation_method=network.IPAllocationMethod.STATIC,
        zones=list(args.settings.machines.zones_of_address) or None,
    )


def _probe(port: int) -> network.ProbeArgs:
    """Return the health probe, by which the balancer finds the node that serves.

    Never by 3306 itself: MySQL counts a probe as a failed login, and bars the prober after a hundred
    (max_connect_errors). Every 5 s is the shortest that Azure takes. One answer is believed at once, not only the
    second as in Microsoft's guides: who answers is Pacemaker's word, and a lost probe does no harm, since connections
    that stand stay ("Probe down behavior" of
    learn.microsoft.com/azure/load-balancer/load-balancer-custom-probe-overview).
    """
    return network.ProbeArgs(
        name=_PROBE,
        protocol=network.ProbeProtocol.TCP,
        port=port,
        interval_in_seconds=5,
        probe_threshold=1,
    )


def _mysql_rule(balancer: pulumi.Output[str]) -> network.LoadBalancingRuleArgs:
    """Return the load-balancing rule for MySQL, which leads clients to the node that serves.

    Args:
        balancer: its resource id.
    """
    return network.LoadBalancingRuleArgs(
        name="rule-mysql",
        protocol=network.TransportProtocol.TCP,
        frontend_port=ports.MYSQL,
        backend_port=ports.MYSQL,
        frontend_ip_configuration=part_of(balancer, "frontendIPConfigurations", _FRONTEND),
        backend_address_pool=part_of(balancer, "backendAddressPools", _POOL),
        probe=part_of(balancer, "probes", _PROBE),
        # A client of a node that has gone learns it by a reset, not by waiting.
        enable_tcp_reset=True,
        idle_timeout_in_minutes=30,  # Azure's longest: pooled connections rest for long
        disable_outbound_snat=True,  # the way out is a rule of its own
    )


def _ssh_rules(balancer: pulumi.Output[str], frontend_ports: Mapping[str, int]) -> list[network.InboundNatRuleArgs]:
    """Return an inbound NAT rule for each machine's SSH.

    Args:
        balancer: its resource id.
        frontend_ports: the endpoint's port for each machine, by its name.
    """
    return [
        network.InboundNatRuleArgs(
            name=_ssh_rule(machine),
            protocol=network.TransportProtocol.TCP,
            frontend_port=port,
            backend_port=ports.SSH,
            frontend_ip_configuration=part_of(balancer, "frontendIPConfigurations", _FRONTEND),
            enable_tcp_reset=True,
            idle_timeout_in_minutes=30,
        )
        for machine, port in frontend_ports.items()
    ]


def _ssh_rule(machine: str) -> str:
    return f"rule-ssh-{machine}"
