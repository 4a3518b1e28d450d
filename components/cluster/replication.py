"""DRBD: every write of the serving node is on both data disks before it is acknowledged."""

from collections.abc import Mapping, Sequence

import pulumi

from components.places import DRBD_RESOURCE_FILE
from components.remote import Part, RemoteScript, ScriptContext
from components.settings.replication import buffers


class Replication(Part):
    """Partition, DRBD resource r0 on both nodes, and its first generation of data, once.

    Args:
        after: what each node needs first, by node name.

    Attributes:
        done: the last script of each node, by node name.
        ready: the script after which r0 is connected and has data.
    """

    def __init__(
        self, context: ScriptContext, opts: pulumi.ResourceOptions, *, after: Mapping[str, pulumi.Resource]
    ) -> None:
        super().__init__(context, opts)
        settings, nodes = context.settings, context.nodes
        disk = settings.data_disk_speed
        secret = {"HA_DRBD_SECRET": settings.replication.drbd_secret}
        disks = self.on_each(nodes, "disk", "drbd/disk.sh.j2", "Partition of the data disk", after_own=[after])
        self.done = self.on_each(
            nodes,
            "drbd",
            "drbd/resource.sh.j2",
            "DRBD resource r0",
            variables=secret,
            after_own=[disks],
            resync_max_rate=settings.replication.drbd_resync_max_rate,
            resync_min_rate=settings.replication.min_rate(disk),
            al_extents=settings.replication.al_extents(disk),
            buffers=buffers(settings.machines.vm_size.memory_mib),
            fencing=settings.fencing.fencing,
            drbd_handlers=context.operating_system.drbd_handlers,
            resource_file=DRBD_RESOURCE_FILE,
        )
        # Two nodes with different secrets refuse each other for good; so the link is looked at when both have the same.
        connected = self.on_each(
            nodes,
            "connection",
            "drbd/connection.sh.j2",
            "Connection of DRBD r0",
            variables=secret,
            after=self.done.values(),
            resource_file=DRBD_RESOURCE_FILE,
        )
        self.ready = RemoteScript(
            "replication-first-generation",
            self,
            nodes[0],
            "drbd/first-generation.sh.j2",
            "First generation of data of DRBD r0, once",
            after=connected.values(),
        )
        self.register_outputs({})


class Growth(Part):
    """A data disk that has grown: partition, DRBD and file system follow, on a cluster that runs.

    Each node's script sees to its own partition, and to the file system on the node that serves. Both run at the same
    time, since DRBD's device grows when both partitions have.

    Args:
        after: what must be there first; Pacemaker has both nodes then, and brings up DRBD.
    """

    def __init__(
        self, context: ScriptContext, opts: pulumi.ResourceOptions, *, after: Sequence[pulumi.Resource]
    ) -> None:
        super().__init__(context, opts)
        self.on_each(
            context.nodes,
            "growth",
            "drbd/growth.sh.j2",
            "Partition, DRBD and file system as large as the data disk",
            after=after,
            data_disk_size_gib=context.settings.disks.data_disk_size_gb,
        )
        self.register_outputs({})
