"""The local command that makes each node wait for its turn before Azure restarts or replaces its machine.

The turn itself is operations/turn.
"""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_command as command

from components.azure.ssh_endpoint import SshEndpoint
from components.settings.machines import MachinesSection
from components.settings.settings import MachineSettings
from components.settings.ssh import SshSection


def make_turn(
    node: MachineSettings,
    nodes: Sequence[MachineSettings],
    machines: MachinesSection,
    ssh: SshSection,
    *,
    ssh_endpoints: Mapping[str, SshEndpoint],
    exists: bool,
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> command.local.Command:
    """Make a node's turn.

    It does nothing when it is made. Whatever restarts or replaces the machine is among its variables, and changes it
    before it changes the machine.

    Args:
        exists: whether the node's machine was there before this update.
    """
    first, second = nodes
    image = machines.operating_system.image
    connections = {
        each.name: {
            "host": ssh_endpoints[each.name].host,
            "port": str(ssh_endpoints[each.name].port),
            "user": ssh.admin_user,
            "host_key": each.host_key.public,
        }
        for each in nodes
    }
    previous = ssh.ssh_previous_private_key
    return command.local.Command(  # pyright: ignore[reportUnknownMemberType]
        f"{node.name}-turn",
        update="exec .venv/bin/python -m operations.turn",
        environment={
            "HA_NODE": node.name,
            "HA_PEER": second.name if node == first else first.name,
            "HA_FIRST": "yes" if node == first else "no",
            "HA_VM_SIZE": machines.vm_size.name,
            "HA_IMAGE": ":".join((image.publisher, image.offer, image.sku, machines.image_version)),
            "HA_OS_DISK_SKU": machines.os_disk_sku,
            "HA_SSH": pulumi.Output.json_dumps(connections),
            "HA_SSH_PRIVATE_KEY": ssh.ssh_private_key.private,
            # While a new key is not yet on the machines, the one before opens them.
            "HA_SSH_PREVIOUS_PRIVATE_KEY": previous.private if previous else "",
        },
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=after,
            # A machine that is not there takes nothing along when it is made.
            ignore_changes=None if exists else ["environment"],
        ),
    )
