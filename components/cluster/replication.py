"""DRBD: every write of the serving node is on both data disks before it is acknowledged."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.remote import RemoteScript, ScriptContext
from components.settings.replication import ReplicationSection


@dataclass(frozen=True)
class ReplicationArgs:
    """Args:
    context: the nodes.
    replication: how DRBD replicates.
    resync_min_rate: what a resynchronisation gets while the server writes as fast as it can, in DRBD's form.
    fencing: whether nodes are fenced.
    after: what each node needs first, by node name.
    """

    context: ScriptContext
    replication: ReplicationSection
    resync_min_rate: str
    fencing: bool
    after: Mapping[str, pulumi.Resource]


class Replication(pulumi.ComponentResource):
    """Partition, DRBD resource r0 on both nodes, and its first generation of data, once.

    Attributes:
        done: the last script of each node, by node name.
        ready: the script after which r0 is connected and has data.
    """

    done: dict[str, RemoteScript]
    ready: RemoteScript

    def __init__(self, name: str, args: ReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Replication", name, None, opts)
        context = args.context
        self.done = {}
        for node in context.nodes:
            disk = RemoteScript(
                f"{node.name}-disk",
                node=node,
                script=context.script(
                    node,
                    "drbd/disk.sh.j2",
                    "Partition of the data disk",
                ),
                after=[args.after[node.name]],
                parent=self,
            )
            self.done[node.name] = RemoteScript(
                f"{node.name}-drbd",
                node=node,
                script=context.script(
                    node,
                    "drbd/resource.sh.j2",
                    "DRBD resource r0",
                    resync_max_rate=args.replication.drbd_resync_max_rate,
                    resync_min_rate=args.resync_min_rate,
                    fencing=args.fencing,
                    drbd_handlers=context.operating_system.drbd_handlers,
                ),
                variables={"HA_DRBD_SECRET": args.replication.drbd_secret},
                after=[disk],
                parent=self,
            )
        # Two nodes with different secrets refuse each other for good; so the link is looked at when both have the same.
        connected = [
            RemoteScript(
                f"{node.name}-connection",
                node=node,
                script=context.script(node, "drbd/connection.sh.j2", "Connection of DRBD r0"),
                variables={"HA_DRBD_SECRET": args.replication.drbd_secret},
                after=list(self.done.values()),
                parent=self,
            )
            for node in context.nodes
        ]
        first = context.nodes[0]
        self.ready = RemoteScript(
            f"{name}-first-generation",
            node=first,
            script=context.script(
                first,
                "drbd/first-generation.sh.j2",
                "First generation of data of DRBD r0, once",
            ),
            after=connected,
            parent=self,
        )
        self.register_outputs({})
