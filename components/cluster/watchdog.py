"""The watchdog of each node: armed, before anybody counts on it."""

from collections.abc import Iterable

import pulumi

from components.remote import Part, ScriptContext
from components.settings.recorded import WATCHDOG
from components.settings.watchdog import Watchdog as Times


class Watchdog(Part):
    """sbd without a disk on both nodes: it resets a node that is without quorum, or whose cluster does not answer.

    Its files are of `Membership`, which starts it with Pacemaker. Here it is started beside a Pacemaker that runs, or
    again for other times: no daemon of the cluster's is restarted for it.

    Args:
        times: what the nodes' watchdogs are set to.
        after: what must be there first: the membership, with the witness's vote.

    Attributes:
        armed: the scripts after which both nodes' watchdogs are armed.
    """

    def __init__(
        self, context: ScriptContext, opts: pulumi.ResourceOptions, *, times: Times, after: Iterable[pulumi.Resource]
    ) -> None:
        super().__init__(context, opts)
        self.armed = self.on_each(
            context.nodes,
            WATCHDOG,
            "pacemaker/watchdog.sh.j2",
            "Watchdog of this node, armed",
            after=after,
            watchdog=times,
        ).values()
        self.register_outputs({})
