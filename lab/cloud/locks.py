"""Management locks: what they refuse, to everybody.

A lock holds for its scope and all below it (learn.microsoft.com/azure/azure-resource-manager/management/lock-resources:
"Lock inheritance"); a resource group with a locked resource cannot be deleted, in whole or in part.
"""

from lab.cloud import roles
from lab.cloud.errors import conflict
from lab.cloud.fields import text
from lab.cloud.inventory import LOCK, Inventory
from lab.cloud.resource_id import ResourceId

_READ = ("GET", "HEAD")


def check(inventory: Inventory, method: str, target: ResourceId) -> None:
    """Refuse a request that a lock forbids.

    Raises:
        ArmError: 409, ScopeLocked.
    """
    if method in _READ or target.type.lower() == LOCK.lower():
        return
    deletes = method == "DELETE"
    scope = str(target.parent if target.is_collection else target)
    whole_group = deletes and not target.namespace
    locked = [
        text(lock.properties, "scope")
        for lock in inventory.of_type(LOCK)
        if (deletes or text(lock.properties, "level") == "ReadOnly")
        and (
            roles.covers(text(lock.properties, "scope"), scope)
            or (whole_group and roles.covers(scope, text(lock.properties, "scope")))
        )
    ]
    if locked:
        scopes = ",".join(f"'{each}'" for each in dict.fromkeys(locked))
        raise conflict(
            "ScopeLocked",
            f"The scope '{scope}' cannot perform {'delete' if deletes else 'write'} operation because following "
            f"scope(s) are locked: {scopes}. Please remove the lock and try again.",
        )
