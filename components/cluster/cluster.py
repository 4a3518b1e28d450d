"""From two machines to a cluster: the subsystems in their order. Knows SSH and no Azure."""

from dataclasses import dataclass

import pulumi

from components.cluster.database import Access, Options, Server
from components.cluster.membership import Membership
from components.cluster.packages import Login, Packages
from components.cluster.replication import Growth, Replication
from components.cluster.resources import Resources
from components.cluster.witness import Witness
from components.fence_device import FenceDevice
from components.remote import ClusterNode, Machine, ScriptContext
from components.settings.settings import Settings


@dataclass(frozen=True)
class ClusterArgs:
    """What a cluster is made of.

    Args:
        settings: the stack's settings.
        nodes: the machines.
        witness: the one with the third vote; None for a cluster without.
        fence_device: how a node is fenced; None for a cluster without fencing.
        endpoint_host: the address that leads to the node that serves.
    """

    settings: Settings
    nodes: tuple[ClusterNode, ClusterNode]
    witness: Machine | None
    fence_device: FenceDevice | None
    endpoint_host: pulumi.Input[str]


class Cluster(pulumi.ComponentResource):
    """DRBD, Corosync, MySQL and Pacemaker on both nodes; there when the endpoint has answered a query."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        context = ScriptContext(settings, args.nodes, args.witness)

        login = Login("login", context, child).done if settings.ssh.key_is_changed else {}
        packages = Packages("packages", context, child, after=login)
        replication = Replication("replication", context, child, after=packages.done)
        server = Server("server", context, child, after=packages.done, replication=replication.ready)
        witness = args.witness
        accepted = Witness("witness", context, child, witness=witness, after=packages.done).ready if witness else {}
        # Last, since a node that is new to a running cluster is asked to run its resources at once.
        membership = Membership("membership", context, child, after_own=[replication.done, server.done, accepted])
        resources = Resources(
            "resources",
            context,
            child,
            device=args.fence_device,
            can_run_agent=packages.done,
            after=[*membership.done, server.data_directory],
        )
        Growth("growth", context, child, after=[resources.applied])
        options = Options("options", context, child, after=[resources.applied])
        Access("access", context, child, endpoint_host=args.endpoint_host, after=options.in_force)
        self.register_outputs({})
