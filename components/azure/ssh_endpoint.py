"""How SSH reaches a machine from outside."""

from dataclasses import dataclass

import pulumi
import pulumi_command as command
from pulumi_azure_native import network

from components.settings.settings import MachineSettings
from components.settings.ssh import SshSection

# Before the first, components/ssh_look.py has had an answer. At most 5 s between two, so this is a machine's restart.
_DIALS = 24


@dataclass(frozen=True)
class SshEndpoint:
    """How a machine is reached.

    Args:
        host_key: the machine's public host key, which is pinned.
        address: the public address of the machine's own, if it has one.
    """

    host: pulumi.Output[str]
    port: int
    user: str
    host_key: str
    address: network.PublicIPAddress | None

    def connection(self, private_key: pulumi.Input[str]) -> command.remote.ConnectionArgs:
        """Return the connection that logs in with a key."""
        return command.remote.ConnectionArgs(
            host=self.host,
            port=self.port,
            user=self.user,
            private_key=private_key,
            host_key=self.host_key,
            dial_error_limit=_DIALS,
        )

    @property
    def ssh_command(self) -> pulumi.Output[str]:
        return pulumi.Output.concat("ssh -p ", str(self.port), " ", self.user, "@", self.host)


def ssh_endpoint_of(
    machine: MachineSettings,
    ssh: SshSection,
    *,
    endpoint_host: pulumi.Output[str],
    own_address: network.PublicIPAddress | None,
) -> SshEndpoint:
    """Return the way to a machine: a port of the endpoint's address, a public one of its own, or its private one.

    Args:
        own_address: a public address of the machine's own, if it has one.
    """
    if ssh.ssh_access == "nat-rules":
        host = endpoint_host
    elif own_address:
        host = own_address.ip_address.apply(lambda ip: ip or "")
    else:
        host = pulumi.Output.from_input(machine.private_address)
    return SshEndpoint(host, machine.ssh_port, ssh.admin_user, machine.host_key.public, own_address)
