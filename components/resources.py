"""Pacemaker: what runs where, in one document that is applied whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.remote import RemoteScript, ScriptContext


@dataclass(frozen=True)
class ResourcesArgs:
    """Args:
    context: the nodes and their operating system.
    after: what must be there before Pacemaker starts anything.
    """

    context: ScriptContext
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
        self.applied = RemoteScript(
            f"{name}-document",
            node=first,
            script=args.context.script(
                first,
                "pacemaker/resources.sh.j2",
                "Resources, constraints and properties of the cluster",
                fencing_prefix=args.context.operating_system.fencing_prefix,
            ),
            after=args.after,
            parent=self,
        )
        self.register_outputs({})
