"""How SSH reaches a machine from outside."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_command as command
from pulumi_azure_native import network

from components.azure.address import public_address
from components.azure.place import Place
from components.settings.settings import MachineSettings
from components.settings.ssh import SshSection

# A machine that has just been made needs a while before it lets anybody in: at most 5 s between dials, so 10 minutes.
_DIALS = 120


@dataclass(frozen=True)
class Door:
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


def make_door(
    machine: MachineSettings,
    place: Place,
    ssh: SshSection,
    *,
    endpoint_host: pulumi.Output[str],
    public: bool,
    parent: pulumi.Resource,
) -> Door:
    """Make the way to a machine: a port of the endpoint's address, its private address, or a public one of its own.

    Args:
        public: whether an address of its own is a public one.
    """

    def door(host: pulumi.Input[str], address: network.PublicIPAddress | None = None) -> Door:
        return Door(pulumi.Output.from_input(host), machine.ssh_port, ssh.admin_user, machine.host_key.public, address)

    if ssh.ssh_access == "nat-rules":
        return door(endpoint_host)
    if not public:
        return door(machine.private_address)
    zones: Sequence[str] | None = [machine.zone] if machine.zone else None
    address = public_address(
        f"{machine.name}-address", azure_name=f"pip-{machine.name}", place=place, parent=parent, zones=zones
    )
    return door(address.ip_address.apply(lambda ip: ip or ""), address)
