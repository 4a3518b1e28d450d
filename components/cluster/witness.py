"""The witness's daemon, and the certificates by which it and the nodes know each other."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.remote import Machine, RemoteScript, ScriptContext


@dataclass(frozen=True)
class WitnessArgs:
    """Args:
    context: the nodes.
    witness: the machine.
    after: the script of each machine after which its packages are there, by machine name.
    """

    context: ScriptContext
    witness: Machine
    after: Mapping[str, RemoteScript]


class Witness(pulumi.ComponentResource):
    """corosync-qnetd on the witness, and on each node a certificate of the authority that the witness has.

    A node makes its key itself and asks the witness over SSH to sign it, so no private key leaves its machine. What
    tells a node to do so is the fingerprint of the witness's authority: a witness that is made anew has another one.

    Attributes:
        ready: the script of each node after which the witness accepts it, by node name.
    """

    ready: dict[str, RemoteScript]

    def __init__(self, name: str, args: WitnessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Witness", name, None, opts)
        context, witness = args.context, args.witness
        daemon = RemoteScript(
            f"{witness.name}-qnetd",
            node=witness,
            script=context.script(witness, "corosync/qnetd.sh.j2", "Vote of the witness, running"),
            after=[args.after[witness.name]],
            parent=self,
        )
        authority = daemon.stdout.apply(_authority)
        self.ready = {
            node.name: RemoteScript(
                f"{node.name}-certificate",
                node=node,
                script=context.script(
                    node,
                    "corosync/certificate.sh.j2",
                    "Certificate by which the witness knows this node",
                ),
                variables={"HA_WITNESS_AUTHORITY": authority},
                after=[args.after[node.name], daemon],
                parent=self,
            )
            for node in context.nodes
        }
        self.register_outputs({})


def _authority(stdout: str) -> str:
    """Return the fingerprint that the witness's script has told."""
    found = re.search(r"^authority SHA256:([0-9a-f]{64})$", stdout, re.MULTILINE)
    if found is None:
        raise pulumi.RunError("the witness's script has not told its certificate authority's fingerprint")
    return found[1]
