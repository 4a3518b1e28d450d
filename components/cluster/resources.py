"""Pacemaker: who can fence whom, and what runs where, in one document that is applied whole."""

from collections.abc import Iterable, Mapping

import pulumi

from components.fence_device import FenceDevice
from components.places import PEER_IN_TURN, STAYS_OFF, WAITS_ALONE_UNIT
from components.remote import LIBRARY, Part, RemoteScript, ScriptContext


class Resources(Part):
    """The cluster's resources, constraints and properties.

    Args:
        device: how a node is fenced; None for a cluster without fencing.
        can_run_agent: the script by node name after which its fence agent is there.
        after: what must be there before Pacemaker starts anything.

    Attributes:
        applied: the script that applies the document.
    """

    def __init__(
        self,
        context: ScriptContext,
        opts: pulumi.ResourceOptions,
        *,
        device: FenceDevice | None,
        can_run_agent: Mapping[str, pulumi.Resource],
        after: Iterable[pulumi.Resource],
    ) -> None:
        super().__init__(context, opts)
        start_fenced_node = f"{LIBRARY}/start-fenced-node"
        # Proved before it is relied on; so early that DRBD and MySQL are set up while Azure spreads the news of a role.
        proved = [
            RemoteScript(
                f"{node.name}-fencing",
                self,
                node,
                "pacemaker/fencing.sh.j2",
                "Proof that this node can fence its peer, and start it again",
                after=[can_run_agent[node.name], *device.ready[node.name]],
                device=device,
                start_fenced_node=start_fenced_node,
                library=LIBRARY,
                waits_alone_unit=WAITS_ALONE_UNIT,
                stays_off=STAYS_OFF,
                peer_in_turn=PEER_IN_TURN,
                peer_id=2 - number,
            )
            for number, node in enumerate(context.nodes)
            if device
        ]
        self.applied = RemoteScript(
            "resources-document",
            self,
            context.nodes[0],
            "pacemaker/resources.sh.j2",
            "Resources, constraints and properties of the cluster",
            after=[*after, *proved],
            fencing_prefix=context.operating_system.fencing_prefix,
            device=device,
            start_fenced_node=start_fenced_node,
            watchdog=context.settings.watchdog,
            fencing_delay_seconds=context.settings.failover_times.fencing_delay_seconds,
        )
        self.register_outputs({})
