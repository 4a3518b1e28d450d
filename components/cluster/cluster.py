"""From two machines to a cluster: the subsystems in their order. Knows SSH and no Azure."""

from collections.abc import Sequence

import pulumi

from components.backup_store import BackupStore
from components.cluster.backup import Backup
from components.cluster.database import Access, Options, Server
from components.cluster.membership import Membership
from components.cluster.monitoring import Monitoring
from components.cluster.packages import Login, Packages
from components.cluster.replication import Growth, Replication
from components.cluster.resources import Resources
from components.cluster.watchdog import Watchdog
from components.cluster.witness import Witness
from components.entrance import Entrance
from components.fence_device import FenceDevice
from components.metrics_store import MetricsStore
from components.remote import ScriptContext


class Cluster(pulumi.ComponentResource):
    """DRBD, Corosync, MySQL and Pacemaker on both nodes; there when the endpoint has answered a query.

    Args:
        fence_device: how a node is fenced; None for a cluster without fencing.
        backup_store: where backups go; None for a cluster without.
        restore_store: the backup that a new cluster begins with; None for none.
        metrics_store: where the witness's Prometheus writes to; None for nowhere.
        entrance: how clients come to the node that serves.
        ways_out: networks, in CIDR form, that the machines come from when they leave, as far as they are known.

    Attributes:
        monitoring: what a Prometheus needs to know; None for a cluster that is not monitored.
    """

    def __init__(
        self,
        name: str,
        context: ScriptContext,
        *,
        fence_device: FenceDevice | None,
        backup_store: BackupStore | None,
        restore_store: BackupStore | None,
        metrics_store: MetricsStore | None,
        entrance: Entrance,
        ways_out: Sequence[pulumi.Input[str]],
    ) -> None:
        super().__init__("azure-mysql-ha:index:Cluster", name)
        child = pulumi.ResourceOptions(parent=self)
        login = Login(context, child).done if context.settings.ssh.key_is_changed else {}
        packages = Packages(context, child, after=login, ways_out=ways_out)
        replication = Replication(context, child, after=packages.done)
        backup = (
            Backup(context, child, store=backup_store, restore_store=restore_store, after=packages.done).done
            if backup_store or restore_store
            else {}
        )
        server = Server(
            context,
            child,
            after=packages.done,
            replication=replication.ready,
            entrance=entrance,
            backup_to_begin_with={node: [backup[node], *restore_store.ready[node]] for node in backup}
            if restore_store
            else None,
        )
        witness = context.witness
        accepted = Witness(context, child, witness=witness, after=packages.done).ready if witness else {}
        # Last, since a node that is new to a running cluster is asked to run its resources at once.
        membership = Membership(context, child, after_own=[replication.done, server.done, accepted])
        times = context.settings.watchdog
        armed = Watchdog(context, child, times=times, after=membership.done).armed if times else ()
        resources = Resources(
            context,
            child,
            device=fence_device,
            can_run_agent=packages.done,
            after=[*membership.done, *armed, server.data_directory],
        )
        Growth(context, child, after=[resources.applied])
        options = Options(context, child, after=[resources.applied])
        Access(context, child, entrance=entrance, after=options.in_force)
        is_monitored = context.settings.monitoring.monitoring
        self.monitoring = (
            Monitoring(context, child, store=metrics_store, after=packages.done).told if is_monitored else None
        )
        self.register_outputs({})
