"""The witness's daemon, and the certificates by which it and the nodes know each other."""

import re
from collections.abc import Mapping

import pulumi

from components.remote import Machine, Part, RemoteScript, ScriptContext


class Witness(Part):
    """corosync-qnetd on the witness, and on each node a certificate of the authority that the witness has.

    A node makes its key itself and asks the witness over SSH to sign it, so no private key leaves its machine. What
    tells a node to do so is the fingerprint of the witness's authority: a witness that is made anew has another one.

    Args:
        after: the script of each machine after which its packages are there, by machine name.

    Attributes:
        ready: the script of each node after which the witness accepts it, by node name.
    """

    def __init__(
        self,
        context: ScriptContext,
        opts: pulumi.ResourceOptions,
        *,
        witness: Machine,
        after: Mapping[str, RemoteScript],
    ) -> None:
        super().__init__(context, opts)
        daemon = RemoteScript(
            f"{witness.name}-qnetd",
            self,
            witness,
            "corosync/qnetd.sh.j2",
            "Vote of the witness, running",
            after=[after[witness.name]],
        )
        self.ready = self.on_each(
            context.nodes,
            "certificate",
            "corosync/certificate.sh.j2",
            "Certificate by which the witness knows this node",
            variables={"HA_WITNESS_AUTHORITY": daemon.stdout.apply(_authority)},
            after=[daemon],
            after_own=[after],
        )
        self.register_outputs({})


def _authority(stdout: str) -> str:
    """Return the fingerprint that the witness's script has told."""
    found = re.search(r"^authority SHA256:([0-9a-f]{64})$", stdout, re.MULTILINE)
    if found is None:
        raise pulumi.RunError("the witness's script did not print its certificate authority's fingerprint")
    return found[1]
