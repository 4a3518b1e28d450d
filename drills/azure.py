"""A stack on Azure as the target of drills: what can be done from inside of a node, or through Azure's API.

Not run yet: nobody could reach Azure from where this was written.
"""

import os
from collections.abc import Sequence
from typing import Any

from azure.identity import DefaultAzureCredential
from azure.mgmt.compute import ComputeManagementClient

from drills import network
from drills.proof import marks
from drills.target import Fencing, Target
from operations.cli import Cli
from operations.ssh import Node
from operations.stack import Stack

_POWER_SECONDS = 600
"""Longest wait for a power action; Azure's own are done within minutes."""


class AzureTarget(Target):
    """The cluster of a stack, reached as an administrator does: `pulumi` and `az login` must work here.

    Args:
        subscription: id of the subscription; by default ARM_SUBSCRIPTION_ID or AZURE_SUBSCRIPTION_ID.

    Raises:
        ValueError: no subscription is named.
    """

    def __init__(self, stack: str, subscription: str | None = None) -> None:
        subscription = subscription or os.environ.get("ARM_SUBSCRIPTION_ID") or os.environ.get("AZURE_SUBSCRIPTION_ID")
        if not subscription:
            raise ValueError("the subscription is not known: set ARM_SUBSCRIPTION_ID")
        super().__init__(Stack(Cli(stack)))
        settings = self.stack.settings
        self._group = settings.get("existingResourceGroup") or f"rg-{settings['clusterName']}"
        self._compute = ComputeManagementClient(DefaultAzureCredential(), subscription)

    def power(self) -> dict[str, bool]:
        """Return what the instance views say: only stopped and deallocated machines are surely off."""
        found: dict[str, bool] = {}
        for node in self.nodes:
            view: Any = self._compute.virtual_machines.instance_view(self._group, node.name)
            states: list[Any] = view.statuses or []
            found[node.name] = is_on([str(state.code) for state in states])
        return found

    def fencings(self, since: float, journals: Sequence[Sequence[str]]) -> list[Fencing]:
        """Return the fencings that Pacemaker says are done: Azure's Activity Log comes minutes late."""
        return [Fencing(machine, "Pacemaker", at, at) for at, machine in marks.fencings(journals, since)]

    def cut_power(self, node: Node) -> None:
        """Switch the machine off with skipShutdown, which Azure compares to pulling the plug."""
        self._compute.virtual_machines.begin_power_off(self._group, node.name, skip_shutdown=True).result(
            _POWER_SECONDS
        )

    def start(self, node: Node) -> None:
        self._compute.virtual_machines.begin_start(self._group, node.name).result(_POWER_SECONDS)

    def part(self) -> None:
        """Let each node drop what comes from the other and goes to it; one that is fenced comes back without that."""
        first, second = self.nodes
        network.drop_both(first, second)
        network.drop_both(second, first)

    def join(self) -> None:
        for node in self.nodes:
            network.clear(node)

    def repair(self) -> None:
        for node, on in self.power().items():
            if not on:
                self.start(next(one for one in self.nodes if one.name == node))
        self.join()


def is_on(codes: Sequence[str]) -> bool:
    """Tell whether a machine may be running."""
    return not {"PowerState/stopped", "PowerState/deallocated"} & set(codes)
