"""What a role grants, and where: wildcards, scopes, the built-in roles.  Pure."""

import re
from typing import Any

from lab.cloud.fields import texts
from lab.cloud.inventory import (
    AVAILABILITY_SET,
    BALANCER,
    BLOB_CONTAINER,
    BLOB_SERVICE,
    COLLECTION_ENDPOINT,
    COLLECTION_RULE,
    DISK,
    ENCRYPTION_SET,
    GROUP,
    IMMUTABILITY_POLICY,
    INTERFACE,
    LOCK,
    MACHINE,
    MANAGEMENT_POLICY,
    NAT_GATEWAY,
    NETWORK,
    PUBLIC_ADDRESS,
    ROLE_ASSIGNMENT,
    ROLE_DEFINITION,
    SECURITY_GROUP,
    STORAGE_ACCOUNT,
    SUBNET,
    VAULT,
    VAULT_KEY,
    WORKSPACE,
)
from lab.cloud.model import Json, Resource

_PARTS = ("actions", "notActions", "dataActions", "notDataActions")

_SHAPE = re.compile(r"\*|[A-Za-z0-9.*]+(/[A-Za-z0-9._*-]+)*/(read|write|delete|action|\*)", re.IGNORECASE)

_TYPES = (
    *(AVAILABILITY_SET, BALANCER, DISK, INTERFACE, MACHINE, NAT_GATEWAY, NETWORK, PUBLIC_ADDRESS),
    *(ROLE_ASSIGNMENT, ROLE_DEFINITION, SECURITY_GROUP, SUBNET, ENCRYPTION_SET, LOCK, VAULT, VAULT_KEY),
    *(STORAGE_ACCOUNT, BLOB_SERVICE, BLOB_CONTAINER, IMMUTABILITY_POLICY, MANAGEMENT_POLICY),
    *(WORKSPACE, COLLECTION_ENDPOINT, COLLECTION_RULE),
)

_MACHINE_ACTIONS = frozenset(
    [
        *("assesspatches", "attachdetachdatadisks", "cancelpatchinstallation", "capture", "converttomanageddisks"),
        *("deallocate", "generalize", "installpatches", "performmaintenance", "poweroff", "reapply", "redeploy"),
        *("reimage", "restart", "retrievebootdiagnosticsdata", "runcommand", "simulateeviction", "start"),
    ]
)
"""Azure's actions of machines (learn.microsoft.com/azure/role-based-access-control/permissions/compute)."""


_BLOBS = f"{BLOB_CONTAINER}/blobs/"

_BLOB_DATA_ACTIONS = frozenset(
    [
        *("read", "write", "delete", "add/action", "move/action", "filter/action", "tags/read", "tags/write"),
        *("deleteblobversion/action", "permanentdelete/action", "runassuperuser/action", "manageownership/action"),
        *("modifypermissions/action", "immutablestorage/runassuperuser/action"),
    ]
)
"""Azure's data actions of blobs (learn.microsoft.com/azure/role-based-access-control/permissions/storage)."""


def matches(pattern: str, operation: str) -> bool:
    """Tell whether an action of a role is this operation; `*` stands for anything, slashes too.

    Args:
        pattern: such as `Microsoft.Compute/*/read`.
        operation: such as `Microsoft.Compute/virtualMachines/read`; letter case does not matter.
    """
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, operation, re.IGNORECASE) is not None


def permits(permissions: list[Json], operation: str) -> bool:
    """Tell whether a role's permissions grant an operation: one's actions have it, and its notActions do not."""
    return any(
        any(matches(pattern, operation) for pattern in texts(permission, "actions"))
        and not any(matches(pattern, operation) for pattern in texts(permission, "notActions"))
        for permission in permissions
    )


def permits_data(permissions: list[Json], operation: str) -> bool:
    """Tell whether a role's permissions grant an operation on data, such as the use of a key."""
    return any(
        any(matches(pattern, operation) for pattern in texts(permission, "dataActions"))
        and not any(matches(pattern, operation) for pattern in texts(permission, "notDataActions"))
        for permission in permissions
    )


def covers(outer: str, inner: str) -> bool:
    """Tell whether a scope is another, or above it.

    Args:
        outer: path of a subscription, resource group or resource; `/` is above all.
    """
    above, below = outer.lower().rstrip("/"), inner.lower().rstrip("/")
    return below == above or below.startswith(f"{above}/")


def known(pattern: str) -> bool:
    """Tell whether an action of a role is one that Azure has, as far as the lab knows the type."""
    if not _SHAPE.fullmatch(pattern):
        return False
    if "*" in pattern:
        return True
    wanted = pattern.lower()
    # The longest type first: a subnet's operations are no actions of its network.
    for type_ in sorted(_TYPES, key=len, reverse=True):
        if wanted.startswith(f"{type_.lower()}/"):
            rest = wanted.removeprefix(f"{type_.lower()}/").split("/")
            if len(rest) == 1:
                return rest[0] in ("read", "write", "delete")
            return not (type_ == MACHINE and rest[1] == "action") or rest[0] in _MACHINE_ACTIONS
    return True


def known_data(pattern: str) -> bool:
    """Tell whether a data action of a role is one that Azure has, as far as the lab knows the type."""
    if not _SHAPE.fullmatch(pattern):
        return False
    wanted = pattern.lower()
    is_blobs = wanted.startswith(_BLOBS.lower()) and "*" not in wanted
    return not is_blobs or wanted.removeprefix(_BLOBS.lower()) in _BLOB_DATA_ACTIONS


def complete(permission: Json) -> Json:
    """Return a permission with all its four lists."""
    return {part: texts(permission, part) for part in _PARTS}


def _built_in(
    guid: str, name: str, actions: list[str], *not_actions: str, data_actions: tuple[str, ...] = ()
) -> Resource:
    properties: dict[str, Any] = {
        "roleName": name,
        "type": "BuiltInRole",
        "description": f"Azure's {name}.",
        "assignableScopes": ["/"],
        "permissions": [
            complete({"actions": actions, "notActions": list(not_actions), "dataActions": list(data_actions)})
        ],
        "createdOn": "2015-02-02T21:55:09.8806423Z",
        "updatedOn": "2021-11-11T20:13:00.8821034Z",
    }
    path = f"/providers/{ROLE_DEFINITION}/{guid}"
    return Resource(path, ROLE_DEFINITION, guid, "", "", body={"properties": properties})


WRITE_METRICS = "Microsoft.Insights/Metrics/Write"

BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"

BUILT_IN = {
    role.name: role
    for role in (
        _built_in("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", ["*"]),
        _built_in(
            "b24988ac-6180-42a0-ab88-20f7382dd24c",
            "Contributor",
            ["*"],
            *("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"),
            "Microsoft.Authorization/elevateAccess/Action",
        ),
        _built_in("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", ["*/read"]),
        _built_in(
            "e147488a-f6f5-4113-8e2d-b22465e65bf6",
            "Key Vault Crypto Service Encryption User",
            [f"Microsoft.EventGrid/eventSubscriptions/{verb}" for verb in ("write", "read", "delete")],
            data_actions=tuple(
                f"Microsoft.KeyVault/vaults/keys/{use}" for use in ("read", "wrap/action", "unwrap/action")
            ),
        ),
        _built_in(
            BLOB_READER,
            "Storage Blob Data Reader",
            [f"{BLOB_CONTAINER}/read", f"{STORAGE_ACCOUNT}/blobServices/generateUserDelegationKey/action"],
            data_actions=(f"{_BLOBS}read",),
        ),
        _built_in(
            "3913510d-42f4-4e42-8a64-420c390055eb",
            "Monitoring Metrics Publisher",
            ["Microsoft.Insights/Register/Action", "Microsoft.Support/*", f"{GROUP}/read"],
            data_actions=(WRITE_METRICS, "Microsoft.Insights/Telemetry/Write"),
        ),
    )
}
"""The built-in roles that the lab has, by GUID (learn.microsoft.com/azure/role-based-access-control/built-in-roles)."""
