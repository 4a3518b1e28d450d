"""From two machines to a cluster: the subsystems in their order. Knows SSH and no Azure."""

from dataclasses import dataclass

import pulumi

from components.database import Access, AccessArgs, Server, ServerArgs
from components.membership import Membership, MembershipArgs
from components.packages import Packages, PackagesArgs
from components.remote import ClusterNode, ScriptContext
from components.replication import Replication, ReplicationArgs
from components.resources import Resources, ResourcesArgs
from components.settings import Settings


@dataclass(frozen=True)
class ClusterArgs:
    """What a cluster is made of.

    Args:
        nodes: the machines.
        settings: the stack's settings.
        endpoint_host: the address that leads to the node that serves.
    """

    nodes: tuple[ClusterNode, ClusterNode]
    settings: Settings
    endpoint_host: pulumi.Input[str]


class Cluster(pulumi.ComponentResource):
    """DRBD, Corosync, MySQL and Pacemaker on both nodes; there when the endpoint has answered a query."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        context = ScriptContext(settings.cluster_name, args.nodes, settings.operating_system)

        packages = Packages(
            "packages",
            PackagesArgs(
                context,
                admin_user=settings.vm.admin_user,
                cluster_private_key=settings.ssh.cluster_private_key,
                cluster_public_key=settings.ssh.cluster_public_key,
            ),
            child,
        )
        replication = Replication(
            "replication",
            ReplicationArgs(
                context,
                shared_secret=settings.replication.shared_secret,
                resync_max_rate=settings.replication.resync_max_rate,
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
        # Last, since a node that is new to a running cluster is asked to run its resources at once.
        membership = Membership(
            "membership",
            MembershipArgs(
                context,
                token_ms=settings.membership.token_ms,
                key=settings.membership.key,
                after={node.name: [replication.done[node.name], server.done[node.name]] for node in args.nodes},
            ),
            child,
        )
        prepared = [*membership.done.values(), server.data_directory]
        resources = Resources("resources", ResourcesArgs(context, after=prepared), child)
        Access(
            "access",
            AccessArgs(
                context,
                database_name=settings.database.name,
                user=settings.database.user,
                password=settings.database.password,
                endpoint_host=args.endpoint_host,
                endpoint_is_public=settings.endpoint.public,
                after=[resources.applied],
            ),
            child,
        )
        self.register_outputs({})
