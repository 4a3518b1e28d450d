"""Corosync and Pacemaker's daemons: who is in the cluster, over an encrypted link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.remote import RemoteScript, ScriptContext


@dataclass(frozen=True)
class MembershipArgs:
    """Args:
    context: the nodes.
    token_ms: Corosync's token time-out, in milliseconds.
    key: base64 of Corosync's key, secret; 128 to 4096 bytes once decoded (corosync.conf(5)).
    key_file: the name of the key's file, another one for another key.
    fencing: whether nodes are fenced.
    after: what each node needs before Pacemaker may start anything on it, by node name.
    """

    context: ScriptContext
    token_ms: int
    key: pulumi.Input[str]
    key_file: str
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
        context = args.context
        configuration = {"token_ms": args.token_ms, "key_file": args.key_file, "fencing": args.fencing}
        written = [
            RemoteScript(
                f"{node.name}-corosync",
                node=node,
                script=context.script(
                    node, "corosync/membership.sh.j2", "Corosync and Pacemaker, running", **configuration
                ),
                variables={"HA_COROSYNC_KEY": args.key},
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
