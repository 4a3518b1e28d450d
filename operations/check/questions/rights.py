"""May whoever asks do what the update would do?"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from operations.arm import Json, items
from operations.check.answer import Answer
from operations.check.asked import Asked
from operations.plan import UNKNOWN, Change

_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"

_TYPES = {
    "resources:ResourceGroup": "Microsoft.Resources/subscriptions/resourceGroups",
    "network:Subnet": "Microsoft.Network/virtualNetworks/subnets",
    "authorization:ManagementLockByScope": "Microsoft.Authorization/locks",
    "monitor:ActionGroup": "Microsoft.Insights/actionGroups",
    "monitor:MetricAlert": "Microsoft.Insights/metricAlerts",
    "privatedns:PrivateZone": "Microsoft.Network/privateDnsZones",
    "privatedns:PrivateRecordSet": "Microsoft.Network/privateDnsZones/A",
    "privatedns:VirtualNetworkLink": "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "storage:BlobContainer": _CONTAINERS,
    "storage:BlobContainerImmutabilityPolicy": f"{_CONTAINERS}/immutabilityPolicies",
    "storage:BlobServiceProperties": "Microsoft.Storage/storageAccounts/blobServices",
    "storage:ManagementPolicy": "Microsoft.Storage/storageAccounts/managementPolicies",
}
"""Types whose name in Azure does not follow from that in Pulumi."""


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for each scope; conditions of a role's assignment are not looked at."""
    needed: dict[str, set[str]] = defaultdict(set)
    for change in asked.plan.changes:
        is_group = change.type == "resources:ResourceGroup"
        group = _scope_elsewhere(asked, change) or asked.group_of(change)
        scope = asked.azure.subscription if is_group or (asked.plan.makes_group and group == asked.group) else group
        if change.written:
            needed[scope].add(f"{arm_type(change)}/write")
        if change.deleted:
            needed[scope].add(f"{arm_type(change)}/delete")
    if workspace := asked.plan.config.get("azure-mysql-ha:monitorWorkspaceId"):
        needed[workspace].add("Microsoft.Monitor/accounts/read")
    for subnet in existing_subnets(asked):
        needed[subnet].add("Microsoft.Network/virtualNetworks/subnets/join/action")
        if any(link.written for link in asked.plan.of("privatedns:VirtualNetworkLink")):
            needed[network_of(subnet)].add("Microsoft.Network/virtualNetworks/join/action")
    for scope, operations in sorted(needed.items()):
        permissions = asked.azure.get(f"{scope}/providers/Microsoft.Authorization/permissions", "2022-04-01")["value"]
        missing = sorted(operation for operation in operations if not permits(permissions, operation))
        about = scope.removeprefix(asked.azure.subscription) or "the subscription"
        if missing:
            yield Answer("no", about, f"your roles do not allow {', '.join(missing)}")
        else:
            yield Answer("yes", about, f"your roles allow all {len(operations)} operations")


def _scope_elsewhere(asked: Asked, change: Change) -> str:
    """Return at what of others a role is assigned, such as a workspace's rule; empty for what is the stack's own."""
    scope = str((change.new or change.old or {}).get("scope", ""))
    is_elsewhere = "/resourceGroups/" in scope and not f"{scope}/".lower().startswith(f"{asked.group}/".lower())
    return scope if change.type == "authorization:RoleAssignment" and is_elsewhere else ""


def existing_subnets(asked: Asked) -> set[str]:
    """Return the paths of subnets that interfaces are in and that the program does not make."""
    own = {change.id for change in asked.plan.of("network:Subnet")}
    found = {
        str(configuration["subnet"]["id"])
        for interface in asked.plan.of("network:NetworkInterface")
        for configuration in interface.wanted["ipConfigurations"]
    }
    return found - own - {UNKNOWN} if not own else set()


def network_of(subnet: str) -> str:
    """Return the path of a subnet's virtual network."""
    return subnet.rsplit("/", 2)[0]


def arm_type(change: Change) -> str:
    """Return the type of a resource by Azure's name for it, such as "Microsoft.Compute/disks"."""
    if change.type in _TYPES:
        return _TYPES[change.type]
    module, _, name = change.type.partition(":")
    plural = f"{name}es" if name.endswith("s") else f"{name}s"
    return f"Microsoft.{module.capitalize()}/{plural[0].lower()}{plural[1:]}"


def permits(permissions: Iterable[Json], operation: str) -> bool:
    """Tell whether one of some permissions allows an operation: its actions have it, and its notActions do not."""

    def has(patterns: Iterable[str]) -> bool:
        expressions = (".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)
        return any(re.fullmatch(expression, operation, re.IGNORECASE) for expression in expressions)

    return any(has(items(each, "actions")) and not has(items(each, "notActions")) for each in permissions)
