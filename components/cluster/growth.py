"""A data disk that has grown: partition, DRBD and file system follow, on a cluster that runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.remote import RemoteScript, ScriptContext
from components.settings.disks import DisksSection


@dataclass(frozen=True)
class GrowthArgs:
    """Args:
    context: the nodes.
    disks: the size of the data disks.
    after: what must be there first; Pacemaker has both nodes then, and brings up DRBD.
    """

    context: ScriptContext
    disks: DisksSection
    after: Sequence[pulumi.Resource]


class Growth(pulumi.ComponentResource):
    """Each node's script sees to its own partition, and to the file system on the node that serves.

    Both run at the same time, since DRBD's device grows when both partitions have.
    """

    def __init__(self, name: str, args: GrowthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Growth", name, None, opts)
        context = args.context
        for node in context.nodes:
            RemoteScript(
                f"{node.name}-growth",
                node=node,
                script=context.script(
                    node,
                    "drbd/growth.sh.j2",
                    "Partition, DRBD and file system as large as the data disk",
                    data_disk_size_gib=args.disks.data_disk_size_gb,
                ),
                after=args.after,
                parent=self,
            )
        self.register_outputs({})
