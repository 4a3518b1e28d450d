"""From two machines to a cluster: the subsystems in their order. Knows SSH and no Azure."""

from dataclasses import dataclass

import pulumi

from components.cluster.database import Access, AccessArgs, Options, OptionsArgs, Server, ServerArgs
from components.cluster.growth import Growth, GrowthArgs
from components.cluster.login import Login, LoginArgs
from components.cluster.membership import Membership, MembershipArgs
from components.cluster.packages import Packages, PackagesArgs
from components.cluster.replication import Replication, ReplicationArgs
from components.cluster.resources import Resources, ResourcesArgs
from components.cluster.witness import Witness, WitnessArgs
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
        settings, fencing = args.settings, args.fence_device is not None
        context = ScriptContext(
            settings.names.cluster_name,
            settings.ssh.admin_user,
            args.nodes,
            settings.machines.operating_system,
            args.witness,
        )

        login = Login("login", LoginArgs(context, settings.ssh), child).done if settings.ssh.key_is_changed else {}
        packages = Packages("packages", PackagesArgs(context, settings.ssh, after=login), child)
        replication = Replication(
            "replication",
            ReplicationArgs(
                context,
                settings.replication,
                resync_min_rate=settings.resync_min_rate,
                fencing=fencing,
                after=packages.done,
            ),
            child,
        )
        server = Server(
            "server",
            ServerArgs(
                context,
                settings.database,
                settings.endpoint,
                after=packages.done,
                replication=replication.ready,
            ),
            child,
        )
        accepted = (
            Witness("witness", WitnessArgs(context, args.witness, after=packages.done), child).ready
            if args.witness
            else {}
        )
        # Last, since a node that is new to a running cluster is asked to run its resources at once.
        membership = Membership(
            "membership",
            MembershipArgs(
                context,
                settings.membership,
                fencing=fencing,
                after={
                    node.name: [
                        replication.done[node.name],
                        server.done[node.name],
                        *([accepted[node.name]] if accepted else []),
                    ]
                    for node in args.nodes
                },
            ),
            child,
        )
        resources = Resources(
            "resources",
            ResourcesArgs(
                context,
                settings.fencing,
                device=args.fence_device,
                can_run_agent=packages.done,
                after=[*membership.done.values(), server.data_directory],
            ),
            child,
        )
        Growth("growth", GrowthArgs(context, settings.disks, after=[resources.applied]), child)
        options = Options("options", OptionsArgs(context, settings.database, after=[resources.applied]), child)
        Access(
            "access",
            AccessArgs(
                context,
                settings.database,
                settings.endpoint,
                endpoint_host=args.endpoint_host,
                after=options.in_force,
            ),
            child,
        )
        self.register_outputs({})
