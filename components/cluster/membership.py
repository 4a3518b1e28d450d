"""Corosync and Pacemaker's daemons: who is in the cluster, over an encrypted link."""

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi

from components.places import WAITS_ALONE_UNIT, WATCHDOG_DEVICE, WATCHDOG_SECONDS
from components.remote import LIBRARY, Part, RemoteScript, ScriptContext
from components.settings.watchdog import longest_vote_ms, vote_ms


class Membership(Part):
    """Corosync and Pacemaker running on both nodes with one configuration, and started at boot.

    Args:
        after_own: what each node needs before Pacemaker may start anything on it, by node name.

    Attributes:
        done: the last script of each node.
    """

    def __init__(
        self,
        context: ScriptContext,
        opts: pulumi.ResourceOptions,
        *,
        after_own: Iterable[Mapping[str, pulumi.Resource]],
    ) -> None:
        super().__init__(context, opts)
        membership = context.settings.membership
        token_ms = context.settings.failover_times.token_ms
        configuration: dict[str, Any] = {
            "token_ms": token_ms,
            "vote_ms": vote_ms(token_ms),
            "longest_vote_ms": longest_vote_ms(token_ms),
            "key_file": membership.corosync_key.file,
            "fencing": context.settings.fencing.fencing,
            "waits_alone_unit": WAITS_ALONE_UNIT,
        }
        written = self.on_each(
            context.nodes,
            "corosync",
            "corosync/membership.sh.j2",
            "Corosync and Pacemaker, running",
            variables={"HA_COROSYNC_KEY": membership.corosync_key.content},
            after_own=after_own,
            watchdog=context.settings.watchdog,
            watchdog_device=WATCHDOG_DEVICE,
            watchdog_seconds=WATCHDOG_SECONDS,
            library=LIBRARY,
            fencing_prefix=context.operating_system.fencing_prefix,
            **configuration,
        )
        self.done: list[RemoteScript] = []
        for number, node in enumerate(context.nodes):
            # When both have the files; and one after the other, since each has all members read them.
            reloaded = RemoteScript(
                f"{node.name}-reload",
                self,
                node,
                "corosync/reload.sh.j2",
                "Corosync's configuration, read by all members",
                after=[*written.values(), *self.done],
                peer_id=2 - number,
                **configuration,
            )
            self.done.append(reloaded)
        self.register_outputs({})
