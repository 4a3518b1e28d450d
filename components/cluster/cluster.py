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
from components.settings.load import Settings


@dataclass(frozen=True)
class ClusterArgs:
    """What a cluster is made of.

    Args:
        nodes: the machines.
        witness: the one with the third vote; None for a cluster without.
        settings: the stack's settings.
        fence_device: how a node is fenced; None for a cluster without fencing.
        endpoint_host: the address that leads to the node that serves.
    """

    nodes: tuple[ClusterNode, ClusterNode]
    witness: Machine | None
    settings: Settings
    fence_device: FenceDevice | None
    endpoint_host: pulumi.Input[str]


class Cluster(pulumi.ComponentResource):
    """DRBD, Corosync, MySQL and Pacemaker on both nodes; there when the endpoint has answered a query."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        context = ScriptContext(
            settings.cluster_name, settings.vm.admin_user, args.nodes, settings.operating_system, args.witness
        )

        login = (
            Login(
                "login",
                LoginArgs(context, public_key=settings.ssh.public_key),
                child,
            ).done
            if settings.ssh.previous_public_key
            else {}
        )
        packages = Packages(
            "packages",
            PackagesArgs(
                context,
                cluster_private_key=settings.ssh.cluster_private_key,
                cluster_public_key=settings.ssh.cluster_public_key,
                previous_public_key=settings.ssh.previous_public_key,
                after=login,
            ),
            child,
        )
        replication = Replication(
            "replication",
            ReplicationArgs(
                context,
                shared_secret=settings.replication.shared_secret,
                resync_max_rate=settings.replication.resync_max_rate,
                resync_min_rate=settings.replication.resync_min_rate,
                fencing=args.fence_device is not None,
                after=packages.done,
            ),
            child,
        )
        server = Server(
            "server",
            ServerArgs(
                context,
                options=settings.database.options,
                probe_port=settings.endpoint.probe_port,
                after=packages.done,
                replication=replication.ready,
            ),
            child,
        )
        accepted = (
            Witness(
                "witness",
                WitnessArgs(context, args.witness, after=packages.done),
                child,
            ).ready
            if args.witness
            else {}
        )
        # Last, since a node that is new to a running cluster is asked to run its resources at once.
        membership = Membership(
            "membership",
            MembershipArgs(
                context,
                token_ms=settings.membership.token_ms,
                key=settings.membership.key,
                key_file=settings.membership.key_file,
                fencing=args.fence_device is not None,
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
        prepared = [*membership.done.values(), server.data_directory]
        resources = Resources(
            "resources",
            ResourcesArgs(
                context,
                device=args.fence_device,
                fencing_delay_seconds=settings.fencing.delay_seconds,
                can_run_agent=packages.done,
                after=prepared,
            ),
            child,
        )
        Growth("growth", GrowthArgs(context, settings.data_disk.size_gib, after=[resources.applied]), child)
        options = Options("options", OptionsArgs(context, settings.database.options, after=[resources.applied]), child)
        Access(
            "access",
            AccessArgs(
                context,
                database_name=settings.database.name,
                user=settings.database.user,
                password=settings.database.password,
                endpoint_host=args.endpoint_host,
                endpoint_is_public=settings.endpoint.public,
                after=options.in_force,
            ),
            child,
        )
        self.register_outputs({})
