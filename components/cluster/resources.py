"""Pacemaker: who can fence whom, and what runs where, in one document that is applied whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.fence_device import FenceDevice
from components.remote import LIBRARY, ClusterNode, RemoteScript, ScriptContext
from components.settings.fencing import FencingSection

_START_FENCED_NODE = f"{LIBRARY}/start-fenced-node"


@dataclass(frozen=True)
class ResourcesArgs:
    """Args:
    context: the nodes and their operating system.
    fencing: for how long the fencing of the node that serves is put off.
    device: how a node is fenced; None for a cluster without fencing.
    can_run_agent: the script by node name after which its fence agent is there.
    after: what must be there before Pacemaker starts anything.
    """

    context: ScriptContext
    fencing: FencingSection
    device: FenceDevice | None
    can_run_agent: Mapping[str, pulumi.Resource]
    after: Sequence[pulumi.Resource]


class Resources(pulumi.ComponentResource):
    """The cluster's resources, constraints and properties.

    Attributes:
        applied: the script that applies the document.
    """

    applied: RemoteScript

    def __init__(self, name: str, args: ResourcesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Resources", name, None, opts)
        first = args.context.nodes[0]
        device = args.device
        # Proved before it is relied on; so early that DRBD and MySQL are set up while Azure spreads the news of a role.
        proved = [self._prove(node, device, args) for node in args.context.nodes] if device else []
        self.applied = RemoteScript(
            f"{name}-document",
            node=first,
            script=args.context.script(
                first,
                "pacemaker/resources.sh.j2",
                "Resources, constraints and properties of the cluster",
                fencing_prefix=args.context.operating_system.fencing_prefix,
                device=device,
                start_fenced_node=_START_FENCED_NODE,
                fencing_delay_seconds=args.fencing.fencing_delay_seconds,
            ),
            after=[*args.after, *proved],
            parent=self,
        )
        self.register_outputs({})

    def _prove(self, node: ClusterNode, device: FenceDevice, args: ResourcesArgs) -> RemoteScript:
        return RemoteScript(
            f"{node.name}-fencing",
            node=node,
            script=args.context.script(
                node,
                "pacemaker/fencing.sh.j2",
                "Proof that this node can fence its peer, and start it again",
                device=device,
                start_fenced_node=_START_FENCED_NODE,
            ),
            after=[args.can_run_agent[node.name], *device.ready[node.name]],
            parent=self,
        )
