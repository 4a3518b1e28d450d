"""Who may fence whom: each node stops and starts its peer as itself, by a role of its own and no password."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, compute

from components.azure.place import Place
from components.azure.role import assign_role, make_role, principal_of
from components.fence_device import FenceDevice

# All that fence_azure_arm asks for: it lists and reads machines, stops and starts them.
# learn.microsoft.com/azure/sap/workloads/high-availability-guide-rhel-pacemaker, "Create a custom role", has
# Microsoft.Compute/*/read in place of the two reads.
ACTIONS = (
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/instanceView/read",
    "Microsoft.Compute/virtualMachines/powerOff/action",
    "Microsoft.Compute/virtualMachines/start/action",
)

# A stop without shutdown, and what the agent needs around it. The guide (above, "Create a fencing device") has
# 240 s and 900 s, the latter for a stop and a start. Shorter is safe, since what was not confirmed is asked again, and
# it bounds the time that a call hangs in which Azure's API has gone away.
_POWER_SECONDS = 90
_FENCE_SECONDS = 120


@dataclass(frozen=True)
class FencingArgs:
    """What fencing is made of.

    Args:
        machines: the two virtual machines by node name, each with an identity of its own.
        existing_role_id: resource id of a role that grants `ACTIONS`; None to make one.
    """

    place: Place
    machines: Mapping[str, compute.VirtualMachine]
    existing_role_id: str | None


class Fencing(pulumi.ComponentResource):
    """A role that can read, stop and start machines; each node has it at its peer, and nowhere else."""

    device: FenceDevice

    def __init__(self, name: str, args: FencingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Fencing", name, None, opts)
        role_id = args.existing_role_id or self._make_role(name, args).id
        first, second = args.machines
        self.device = FenceDevice(
            agent="fence_azure_arm",
            # Resource group and subscription it learns from the machine's own metadata.
            parameters={"msi": "true", "power_timeout": str(_POWER_SECONDS)},
            pacemaker_parameters={
                "pcmk_host_map": ";".join(f"{node}:{node}" for node in args.machines),
                # Off is all that the other node has to wait for; an alert starts the fenced one afterwards
                # (configs/pacemaker/start-fenced-node.sh.j2). Azure takes longer for the start than for the stop.
                "pcmk_reboot_action": "off",
                "pcmk_reboot_timeout": str(_FENCE_SECONDS),
                "pcmk_off_timeout": str(_FENCE_SECONDS),
                # One failed poll of Azure's API is no broken device (the guide's values, both).
                "pcmk_monitor_retries": "4",
                "pcmk_action_limit": "3",
            },
            timeout_seconds=_FENCE_SECONDS,
            ready={
                node: [
                    assign_role(
                        f"{node}-fences-its-peer",
                        role_id=role_id,
                        principal_id=principal_of(args.machines[node]),
                        scope=args.machines[peer].id,
                        parent=self,
                    )
                ]
                for node, peer in ((first, second), (second, first))
            },
        )
        self.register_outputs({})

    def _make_role(self, name: str, args: FencingArgs) -> authorization.RoleDefinition:
        return make_role(
            f"{name}-role",
            "Fencing",
            "Read, power off and start virtual machines: what Pacemaker's fence_azure_arm needs.",
            authorization.PermissionArgs(actions=list(ACTIONS)),
            place=args.place,
            scope=args.place.group_id,
            parent=self,
        )
