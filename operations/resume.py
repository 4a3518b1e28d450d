"""Takes into a stack's state what a killed update had begun to make: `python -m operations.resume STACK`.

An engine that is killed while Azure makes a resource never learns that it is there, and the next update ends with
“cannot create already existing resource”. What it had begun is in the state all the same, as pending operations. Here
each becomes a resource under the id that Azure gives it; a refresh then finds it, or finds that it was never made.

`pulumi refresh --import-pending-creates` is meant for this, and does nothing but forget them (seen with 3.259).
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.checkout import CHECKOUT

_GROUP = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}"

# Resource ids, by the names that the program gives.
# learn.microsoft.com/azure/role-based-access-control/resource-provider-operations has the types.
ID_PATHS = {
    "azure-native:resources:ResourceGroup": _GROUP,
    "azure-native:network:NatGateway": f"{_GROUP}/providers/Microsoft.Network/natGateways/{{natGatewayName}}",
    "azure-native:network:NetworkSecurityGroup": (
        f"{_GROUP}/providers/Microsoft.Network/networkSecurityGroups/{{networkSecurityGroupName}}"
    ),
    "azure-native:network:VirtualNetwork": (
        f"{_GROUP}/providers/Microsoft.Network/virtualNetworks/{{virtualNetworkName}}"
    ),
    "azure-native:network:Subnet": (
        f"{_GROUP}/providers/Microsoft.Network/virtualNetworks/{{virtualNetworkName}}/subnets/{{subnetName}}"
    ),
    "azure-native:network:PublicIPAddress": (
        f"{_GROUP}/providers/Microsoft.Network/publicIPAddresses/{{publicIpAddressName}}"
    ),
    "azure-native:network:LoadBalancer": f"{_GROUP}/providers/Microsoft.Network/loadBalancers/{{loadBalancerName}}",
    "azure-native:network:NetworkInterface": (
        f"{_GROUP}/providers/Microsoft.Network/networkInterfaces/{{networkInterfaceName}}"
    ),
    "azure-native:compute:AvailabilitySet": (
        f"{_GROUP}/providers/Microsoft.Compute/availabilitySets/{{availabilitySetName}}"
    ),
    "azure-native:compute:Disk": f"{_GROUP}/providers/Microsoft.Compute/disks/{{diskName}}",
    "azure-native:compute:DiskEncryptionSet": (
        f"{_GROUP}/providers/Microsoft.Compute/diskEncryptionSets/{{diskEncryptionSetName}}"
    ),
    "azure-native:compute:VirtualMachine": f"{_GROUP}/providers/Microsoft.Compute/virtualMachines/{{vmName}}",
    "azure-native:authorization:ManagementLockByScope": "/{scope}/providers/Microsoft.Authorization/locks/{lockName}",
    "azure-native:authorization:RoleDefinition": (
        "/{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}"
    ),
    "azure-native:authorization:RoleAssignment": (
        "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}"
    ),
}


class ResumeError(Exception):
    """It cannot be resumed; the text says why."""


@dataclass(frozen=True)
class Pulumi:
    """The Pulumi CLI on one stack of this program.

    Args:
        command: the CLI, and what to run it with.
        stack: the stack's name.
        options: further options of commands that read the stack's settings, such as --config-file.
        environment: of the CLI; this process's own by default.
    """

    command: Sequence[str]
    stack: str
    options: Sequence[str] = ()
    environment: Mapping[str, str] | None = None

    def export(self) -> dict[str, Any]:
        """Return the stack's state, its secrets encrypted."""
        return json.loads(self._run(["stack", "export"]))

    def replace_state(self, state: Mapping[str, Any]) -> None:
        """Put a state in the place of the stack's."""
        self._run(["stack", "import"], json.dumps(state))

    def refresh(self, urns: Sequence[str]) -> None:
        """Look at resources, and at nothing else."""
        targets = [word for urn in urns for word in ("--target", urn)]
        self._run(["refresh", "--yes", "--skip-preview", *targets, *self.options])

    def _run(self, arguments: Sequence[str], stdin: str = "") -> str:
        command = [*self.command, *arguments, "--stack", self.stack, "--non-interactive"]
        try:
            run = subprocess.run(
                command, cwd=CHECKOUT, env=self.environment, input=stdin, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise ResumeError(f"there is no program {command[0]}: put the Pulumi CLI on PATH") from None
        if run.returncode != 0:
            raise ResumeError(f"pulumi {' '.join(arguments[:2])}: {run.stderr.strip() or run.stdout.strip()}")
        return run.stdout


def id_of(resource: Mapping[str, Any], subscription: str) -> str:
    """Return the id that Azure gives a resource.

    Args:
        resource: its type and inputs, as the state has them.
        subscription: id of the subscription.

    Raises:
        ResumeError: its type or its names are not known.
    """
    inputs: dict[str, Any] = resource["inputs"]
    names = {key: value.strip("/") for key, value in inputs.items() if isinstance(value, str)}
    try:
        return ID_PATHS[resource["type"]].format_map({**names, "subscription": subscription})
    except KeyError as missing:
        raise ResumeError(f"{resource['urn']}: {missing} is not known, so neither is its id in Azure") from None


def _subscription(resources: Sequence[Mapping[str, Any]]) -> str:
    """Return the subscription that the stack's resources are in; before the first, the environment may say."""
    for resource in resources:
        if found := re.match(r"/subscriptions/([^/]+)/", str(resource.get("id", ""))):
            return found[1]
    if subscription := os.environ.get("ARM_SUBSCRIPTION_ID"):
        return subscription
    raise ResumeError("the stack has nothing in Azure that tells its subscription: set ARM_SUBSCRIPTION_ID")


def resume(pulumi: Pulumi) -> list[str]:
    """Take over what an interrupted update had begun.

    Args:
        pulumi: the stack's.

    Returns:
        What was done, a line for each pending operation; none if there was none.

    Raises:
        ResumeError: the CLI refuses, or an id is not known; the state is then as it was, or can be resumed again.
    """
    state = pulumi.export()
    deployment = state["deployment"]
    pending: list[dict[str, Any]] = deployment.get("pending_operations") or []
    resources: list[dict[str, Any]] = deployment.setdefault("resources", [])
    there = {resource["urn"] for resource in resources}
    begun: dict[str, dict[str, Any]] = {}
    told: list[str] = []
    for operation in pending:
        resource, kind = operation["resource"], operation["type"]
        name = f"{resource['type'].split(':')[-1]} {resource['urn'].split('::')[-1]}"
        # One that has an id already is of a run of this that was interrupted too.
        new = resource["urn"] not in there or "id" in resource
        if kind == "creating" and resource["type"].startswith("azure-native:") and new:
            resource["id"] = id_of(resource, _subscription(resources))
            begun[resource["urn"]] = resource
            told.append(f"{name}: looked for in Azure, as {resource['id']}")
        else:
            # A script runs again; what was being changed or deleted is in the state still.
            told.append(f"{name}: {kind}, left to the next update")
    if begun:
        # The engine keeps pending creations through a refresh, which has time to fail.
        deployment["pending_operations"] = [operation for operation in pending if operation["resource"]["urn"] in begun]
        deployment["resources"] = [*(r for r in resources if r["urn"] not in begun), *begun.values()]
        pulumi.replace_state(state)
        pulumi.refresh(list(begun))
        state = pulumi.export()
        deployment = state["deployment"]
        resources = deployment.get("resources") or []
        found = [resource for resource in resources if resource["urn"] in begun]
        for resource in found:
            # A refresh has only Azure's answer to go by, and takes for inputs all that Azure has added of its own.
            resource["inputs"] = begun[resource["urn"]]["inputs"]
        told.append(f"{len(found)} of {len(begun)} found there")
    if pending:
        deployment["pending_operations"] = []
        pulumi.replace_state(state)
    return told


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.resume",
        description="Take into a stack's state what a killed update had begun to make; run pulumi up afterwards.",
    )
    parser.add_argument("stack", metavar="STACK", help="the stack")
    parser.add_argument("--pulumi", default="pulumi", metavar="CLI", help="the Pulumi CLI")
    options = parser.parse_args(arguments)
    try:
        told = resume(Pulumi([options.pulumi], options.stack))
    except ResumeError as error:
        print(f"resume: {error}", file=sys.stderr)
        return 1
    print("\n".join(told) or "No update was interrupted.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
