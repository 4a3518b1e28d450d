"""DRBD: every write of the serving node is on both data disks before it is acknowledged."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components import ports
from components.places import DRBD_RESOURCE_FILE
from components.remote import ClusterNode, Part, RemoteScript, ScriptContext
from components.settings.replication import buffers
from components.settings.tunnel import Tunnel, interface

# Of the route that says that there is none: any other one comes first.
_LAST_METRIC = 65535


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
        tunnel = settings.replication.tunnel
        way = _way(nodes, tunnel)
        tunnels = self._tunnels(tunnel, way, after) if tunnel else {}
        disks = self.on_each(nodes, "disk", "drbd/disk.sh.j2", "Partition of the data disk", after_own=[after])
        self.done = self.on_each(
            nodes,
            "drbd",
            "drbd/resource.sh.j2",
            "DRBD resource r0",
            variables=secret,
            # What goes through a tunnel does so when both ends are there.
            after=tunnels.values(),
            after_own=[disks],
            **way,
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
            **way,
            former_tunnels=[interface(port) for port in ports.WIREGUARD if not tunnel or port != tunnel.port],
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

    def _tunnels(
        self, tunnel: Tunnel, way: Mapping[str, Any], after: Mapping[str, pulumi.Resource]
    ) -> dict[str, RemoteScript]:
        """Have an end of the tunnel on each node, by node name. None waits for the other one's."""
        nodes = self.context.nodes
        return {
            name: script
            for node, end in zip(nodes, tunnel.ends, strict=True)
            for name, script in self.on_each(
                [node],
                "tunnel",
                "wireguard/tunnel.sh.j2",
                "WireGuard, this end of the tunnel for DRBD's traffic",
                variables={
                    "HA_TUNNEL_PRIVATE_KEY": pulumi.Output.secret(end.private_key),
                    "HA_TUNNEL_PRESHARED_KEY": pulumi.Output.secret(tunnel.preshared_key),
                },
                after_own=[after],
                **way,
            ).items()
        }


def _way(nodes: Sequence[ClusterNode], tunnel: Tunnel | None) -> dict[str, Any]:
    """Return what the templates have of DRBD's way from node to node, most of it by node name."""
    names = [node.name for node in nodes]
    ends = dict(zip(names, tunnel.ends, strict=True)) if tunnel else {}
    own = dict(zip(names, ports.TUNNEL_ADDRESSES, strict=True))
    return {
        "tunnel": tunnel,
        "tunnel_end": ends,
        "tunnel_address": own,
        "tunnel_metric": _LAST_METRIC,
        "drbd_address": own if tunnel else {node.name: node.private_address for node in nodes},
    }


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
