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
    after: what each node needs before Pacemaker may start anything on it, by node name.
    """

    context: ScriptContext
    token_ms: int
    key: pulumi.Input[str]
    after: Mapping[str, Sequence[pulumi.Resource]]


class Membership(pulumi.ComponentResource):
    """Corosync and Pacemaker running on both nodes, and started at boot.

    Attributes:
        done: the script of each node, by node name.
    """

    done: dict[str, RemoteScript]

    def __init__(self, name: str, args: MembershipArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Membership", name, None, opts)
        self.done = {
            node.name: RemoteScript(
                f"{node.name}-corosync",
                node=node,
                script=args.context.script(
                    node, "corosync/membership.sh.j2", "Corosync and Pacemaker, running", token_ms=args.token_ms
                ),
                variables={"HA_COROSYNC_KEY": args.key},
                after=args.after[node.name],
                parent=self,
            )
            for node in args.context.nodes
        }
        self.register_outputs({})
