"""Corosync and Pacemaker's daemons: who is in the cluster, over an encrypted link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.remote import RemoteScript, ScriptContext
from components.settings.membership import MembershipSection


@dataclass(frozen=True)
class MembershipArgs:
    """Args:
    context: the nodes.
    membership: Corosync's token and key.
    fencing: whether nodes are fenced.
    after: what each node needs before Pacemaker may start anything on it, by node name.
    """

    context: ScriptContext
    membership: MembershipSection
    fencing: bool
    after: Mapping[str, Sequence[pulumi.Resource]]


class Membership(pulumi.ComponentResource):
    """Corosync and Pacemaker running on both nodes with one configuration, and started at boot.

    Attributes:
        done: the last script of each node, by node name.
    """

    done: dict[str, RemoteScript]

    def __init__(self, name: str, args: MembershipArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Membership", name, None, opts)
        context, key = args.context, args.membership.corosync_key
        configuration = {
            "token_ms": args.membership.corosync_token_ms,
            "key_file": key.file,
            "fencing": args.fencing,
        }
        written = [
            RemoteScript(
                f"{node.name}-corosync",
                node=node,
                script=context.script(
                    node, "corosync/membership.sh.j2", "Corosync and Pacemaker, running", **configuration
                ),
                variables={"HA_COROSYNC_KEY": key.content},
                after=args.after[node.name],
                parent=self,
            )
            for node in context.nodes
        ]
        self.done = {}
        for number, node in enumerate(context.nodes):
            # When both have the files; and one after the other, since each has all members read them.
            self.done[node.name] = RemoteScript(
                f"{node.name}-reload",
                node=node,
                script=context.script(
                    node,
                    "corosync/reload.sh.j2",
                    "Corosync's configuration, read by all members",
                    peer_id=2 - number,
                    **configuration,
                ),
                after=[*written, *self.done.values()],
                parent=self,
            )
        self.register_outputs({})
