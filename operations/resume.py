"""Takes into a stack's state what a killed update had begun to make: `python -m operations.resume --stack STACK`.

An engine that is killed while Azure makes a resource never learns that it is there, and the next update ends with
“cannot create already existing resource”. What it had begun is in the state all the same, as pending operations. Here
each becomes a resource under the id that Azure gives it; a refresh then finds it, or finds that it was never made.

`pulumi refresh --import-pending-creates` is meant for this, and does nothing but forget them (seen with 3.259).
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from operations.cli import Cli
from operations.command import cli_of, exit_code_of, stack_parser
from operations.error import OperationError

_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
_ACCOUNT = f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/{{accountName}}"
_CONTAINER = f"{_ACCOUNT}/blobServices/default/containers/{{containerName}}"
_ZONE = f"{_GROUP}/providers/Microsoft.Network/privateDnsZones/{{privateZoneName}}"

# Resource ids, by the names that the program gives.
# learn.microsoft.com/azure/role-based-access-control/resource-provider-operations has the types.
ID_PATHS = {
    "azure-native:resources:ResourceGroup": _GROUP,
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
    "azure-native:privatedns:PrivateZone": _ZONE,
    "azure-native:privatedns:VirtualNetworkLink": f"{_ZONE}/virtualNetworkLinks/{{virtualNetworkLinkName}}",
    "azure-native:privatedns:PrivateRecordSet": f"{_ZONE}/{{recordType}}/{{relativeRecordSetName}}",
    "azure-native:compute:AvailabilitySet": (
        f"{_GROUP}/providers/Microsoft.Compute/availabilitySets/{{availabilitySetName}}"
    ),
    "azure-native:compute:Disk": f"{_GROUP}/providers/Microsoft.Compute/disks/{{diskName}}",
    "azure-native:compute:DiskEncryptionSet": (
        f"{_GROUP}/providers/Microsoft.Compute/diskEncryptionSets/{{diskEncryptionSetName}}"
    ),
    "azure-native:compute:VirtualMachine": f"{_GROUP}/providers/Microsoft.Compute/virtualMachines/{{vmName}}",
    "azure-native:monitor:ActionGroup": f"{_GROUP}/providers/Microsoft.Insights/actionGroups/{{actionGroupName}}",
    "azure-native:monitor:MetricAlert": f"{_GROUP}/providers/Microsoft.Insights/metricAlerts/{{ruleName}}",
    "azure-native:storage:StorageAccount": _ACCOUNT,
    "azure-native:storage:BlobServiceProperties": f"{_ACCOUNT}/blobServices/{{blobServicesName}}",
    "azure-native:storage:BlobContainer": _CONTAINER,
    "azure-native:storage:BlobContainerImmutabilityPolicy": (
        f"{_CONTAINER}/immutabilityPolicies/{{immutabilityPolicyName}}"
    ),
    "azure-native:storage:ManagementPolicy": f"{_ACCOUNT}/managementPolicies/{{managementPolicyName}}",
    "azure-native:authorization:ManagementLockByScope": "/{scope}/providers/Microsoft.Authorization/locks/{lockName}",
    "azure-native:authorization:RoleDefinition": (
        "/{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}"
    ),
    "azure-native:authorization:RoleAssignment": (
        "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}"
    ),
}


class ResumeError(OperationError):
    """It cannot be resumed; the text says why."""


def id_of(resource: Mapping[str, Any], subscription: str) -> str:
    """Return the id that Azure gives a resource.

    Args:
        resource: its type and inputs, as the state has them.
    """
    inputs: dict[str, Any] = resource["inputs"]
    names = {key: value.strip("/") for key, value in inputs.items() if isinstance(value, str)}
    try:
        return ID_PATHS[resource["type"]].format_map({**names, "subscriptionId": subscription})
    except KeyError as missing:
        raise ResumeError(
            f"{resource['urn']}: {missing} is not known, so its id in Azure is not known either"
        ) from None


def _subscription(resources: Sequence[Mapping[str, Any]]) -> str:
    """Return the subscription that the stack's resources are in; before the first, the environment may say."""
    for resource in resources:
        if found := re.match(r"/subscriptions/([^/]+)/", str(resource.get("id", ""))):
            return found[1]
    if subscription := os.environ.get("ARM_SUBSCRIPTION_ID"):
        return subscription
    raise ResumeError("the stack has nothing in Azure yet, so its subscription is not known: set ARM_SUBSCRIPTION_ID")


def resume(cli: Cli) -> list[str]:
    """Take over what an interrupted update had begun.

    Returns:
        What was done, a line for each pending operation; none if there was none.

    Raises:
        OperationError: the CLI refuses, or an id is not known; the state is then as it was, or can be resumed again.
    """
    state = cli.state()
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
            told.append(f"{name}: looked up in Azure, as {resource['id']}")
        else:
            # A script runs again; what was being changed or deleted is in the state still.
            told.append(f"{name}: {kind}, left to the next update")
    if begun:
        # The engine keeps pending creations through a refresh, which has time to fail.
        deployment["pending_operations"] = [operation for operation in pending if operation["resource"]["urn"] in begun]
        deployment["resources"] = [*(r for r in resources if r["urn"] not in begun), *begun.values()]
        cli.replace_state(state)
        cli.refresh(list(begun))
        state = cli.state()
        deployment = state["deployment"]
        resources = deployment.get("resources") or []
        found = [resource for resource in resources if resource["urn"] in begun]
        for resource in found:
            # A refresh has only Azure's answer to go by, and takes for inputs all that Azure has added of its own.
            resource["inputs"] = begun[resource["urn"]]["inputs"]
        told.append(f"{len(found)} of {len(begun)} found in Azure")
    if pending:
        deployment["pending_operations"] = []
        cli.replace_state(state)
    return told


def main(arguments: list[str] | None = None) -> int:
    text = "Add to a stack's state what a killed update had begun to make; run pulumi up afterwards."
    options = stack_parser("resume", text).parse_args(arguments)

    def run() -> int:
        print("\n".join(resume(cli_of(options))) or "No update was interrupted.")
        return 0

    return exit_code_of("resume", run)


if __name__ == "__main__":
    sys.exit(main())
