"""Who may come in, and where to: one list for the network's security group, and for the machines' own firewalls."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components import ports
from components.settings.settings import Settings

BALANCER = "AzureLoadBalancer"
"""As the only source: Azure's probes, by its service tag."""

WAYS_OUT = "ways out"
"""As the only source: what the machines come from when they leave, which is known when the addresses are there."""


@dataclass(frozen=True)
class Inbound:
    """Some who may come in.

    Args:
        name: what for.
        priority: of the security group's rule, 100 to 4095.
        ports: the ports that they may come to.
        sources: networks in CIDR form; or `BALANCER` or `WAYS_OUT` alone.
        to: the machines' network, in CIDR form.
        is_judged_once: whether it is the security group alone that judges where they come from.
    """

    name: str
    priority: int
    ports: tuple[int, ...]
    sources: tuple[str, ...]
    to: str
    protocol: Literal["tcp", "udp"] = "tcp"
    is_judged_once: bool = False


def inbound(settings: Settings) -> Iterator[Inbound]:
    """Yield all who may come in to a stack's machines; nobody else may."""
    network, monitoring = settings.network, settings.monitoring
    nodes = str(network.subnet)
    # Who moves, and says so in adminCidrs, comes from a network that a machine's rules do not know yet, to change them.
    yield Inbound("ssh", 100, (ports.SSH,), settings.ssh.admin_cidrs, nodes, is_judged_once=True)
    yield Inbound("mysql", 110, (ports.MYSQL,), settings.endpoint.client_cidrs, nodes)
    # The nodes themselves ask the endpoint whether it answers: by a public one they come from outside.
    yield Inbound("mysql-own-check", 120, (ports.MYSQL,), (WAYS_OUT,), nodes)
    yield Inbound("probe", 130, (settings.endpoint.probe_port,), (BALANCER,), nodes)
    # Between the nodes.
    yield Inbound("cluster-tcp", 140, (ports.SSH, ports.MYSQL, ports.DRBD), (nodes,), nodes)
    # Whether or not the replication goes by a tunnel: it is switched on and off while both ways are open.
    yield Inbound("cluster-udp", 150, (ports.COROSYNC, *ports.WIREGUARD), (nodes,), nodes, "udp")
    if monitoring.monitoring:
        yield Inbound("monitoring", 135, ports.EXPORTERS, monitoring.monitor_cidrs, nodes)
    if settings.witness and monitoring.monitor_on_witness:
        witness = f"{settings.witness.private_address}/32"
        yield Inbound("monitoring-by-witness", 136, ports.EXPORTERS, (witness,), nodes)
        yield Inbound("prometheus", 137, (ports.PROMETHEUS,), monitoring.monitor_cidrs, witness)
    if settings.witness:
        voters = tuple(f"{address}/32" for address in network.nodes)
        yield Inbound("witness", 160, (ports.QNETD,), voters, f"{settings.witness.private_address}/32")
