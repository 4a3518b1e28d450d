"""Which operation a request is, and whether somebody may do it: Azure's role-based access control."""

import re
import uuid
from dataclasses import dataclass

from lab.cloud import resources, roles
from lab.cloud.errors import ArmError
from lab.cloud.fields import items, text
from lab.cloud.inventory import GROUP, MACHINE, ROLE_ASSIGNMENT, ROLE_DEFINITION, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.role_definition import role_of
from lab.cloud.resources.virtual_machine.power import ACTIONS
from lab.cloud.state import Store
from lab.cloud.tokens import OBJECT_ID, SUBSCRIPTION, Principal

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}

PERMISSIONS = "Microsoft.Authorization/permissions"
"""What the caller's own roles allow at a scope."""

_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"


@dataclass(frozen=True)
class Need:
    """What a request needs.

    Args:
        operation: such as `Microsoft.Compute/virtualMachines/powerOff/action`.
        listing: whether the answer is a list, which leaves out what the caller may not read.
        open: whether a caller without any right gets an empty list, and no refusal.
    """

    operation: str
    scope: str
    listing: bool = False
    open: bool = False


def _spelled(type_: str) -> str:
    kind = resources.kind_of(type_)
    return kind.type if kind is not None else type_


def read_of(type_: str) -> str:
    """Return the operation that reads a resource of a type."""
    return f"{_GROUPS}/read" if type_ == GROUP else f"{_spelled(type_)}/read"


def in_subscription(method: str, target: ResourceId, words: list[str], store: Store) -> Need:
    """Return what a request to the subscription itself needs.

    Args:
        words: the path after it, in lower case.
    """
    here = str(target)
    verb = _VERBS.get(method, "action")
    match words:
        case []:
            return Need(f"Microsoft.Resources/subscriptions/{verb}", here)
        case ["resourcegroups"]:
            # Resource Manager's own lists have what the caller may see, and are refused to nobody.
            return Need(f"{_GROUPS}/read", here, listing=True, open=True)
        case ["resources"]:
            return Need("Microsoft.Resources/subscriptions/resources/read", here, listing=True, open=True)
        case ["providers"] | ["providers", _]:
            return Need("Microsoft.Resources/subscriptions/providers/read", here)
        case ["providers", namespace, "register" | "unregister" as action]:
            return Need(f"{namespace}/{action}/action", here)
        case (
            ["operationresults", identity]
            | ["providers", _, "locations", _, "operations", identity]
            | ["providers", _, "locations", _, "operationresults", identity]
        ):
            # Who may read what an operation works on may ask how it goes.  Azure does not say what it checks here;
            # `az vm start` polls, and is used with roles at single machines, so it cannot be a right on the
            # subscription.
            operation = store.operation(identity)
            resource = store.get(operation.resource) if operation is not None else None
            return Need(read_of(resource.type), resource.id) if resource is not None else Need(f"{_GROUPS}/read", here)
        case ["providers", "microsoft.keyvault", "checknameavailability"]:
            return Need("Microsoft.KeyVault/checkNameAvailability/read", here)
        case ["providers", "microsoft.storage", "checknameavailability"]:
            return Need("Microsoft.Storage/checknameavailability/read", here)
        case ["providers", namespace, "locations", _, *path]:
            return Need(f"{namespace}/locations/{'/'.join(path[::2])}/{verb}", here)
        case ["providers", namespace, *types]:
            listing = method == "GET" and len(types) == 1
            return Need(f"{_spelled('/'.join((namespace, *types)))}/{verb}", here, listing)
        case _:
            return Need(f"Microsoft.Resources/subscriptions/{'/'.join(words)}/{verb}", here)


def in_group(method: str, target: ResourceId) -> Need:
    """Return what a request to a resource group, to what is in it, or to an extension of something needs.

    Args:
        target: a group, resource, collection, or a machine with a verb.
    """
    verb = _VERBS.get(method, "action")
    if not target.namespace:
        return Need(f"{_GROUPS}/{verb}", str(target))
    if not target.is_collection:
        return Need(f"{_spelled(target.type)}/{verb}", str(target))
    owner, last = target.parent, target.types[-1]
    if owner.types and owner.type.lower() == MACHINE.lower():
        spelled = {**ACTIONS, "instanceview": "instanceView"}.get(last.lower(), last)
        return Need(f"{MACHINE}/{spelled}/{verb}", str(owner))
    scope = str(owner) if owner.types else f"{target.scope}/providers/{target.namespace}"
    return Need(f"{_spelled(target.type)}/{verb}", scope, listing=method == "GET")


_FACT = "operators_read_blobs"


def set_up(store: Store) -> None:
    """Let a new lab's subscription be like one whose owner has given himself the right to read blobs."""
    if _FACT not in store.facts:
        store.facts[_FACT] = True
        scope = f"/subscriptions/{SUBSCRIPTION}"
        path = f"{scope}/providers/{ROLE_ASSIGNMENT}/{uuid.uuid5(uuid.NAMESPACE_OID, _FACT)}"
        properties = {
            "roleDefinitionId": f"{scope}/providers/{ROLE_DEFINITION}/{roles.BLOB_READER}",
            "principalId": OBJECT_ID,
            "principalType": "ServicePrincipal",
            "scope": scope,
        }
        name = path.rpartition("/")[2]
        store.put(Resource(path, ROLE_ASSIGNMENT, name, "", "", body={"properties": properties}))


class Access:
    """Answers who may do what.

    The engine's service principal owns the subscription; everybody else has what role assignments say.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def _grants(self, principal: Principal) -> list[tuple[str, Resource]]:
        """Return scope and role of a principal's assignments."""
        return [
            (text(assignment.properties, "scope"), role)
            for assignment in self._inventory.of_type(ROLE_ASSIGNMENT)
            if text(assignment.properties, "principalId").lower() == principal.object_id.lower()
            for role in (role_of(self._inventory.store, text(assignment.properties, "roleDefinitionId")),)
            if role is not None
        ]

    def allows(self, principal: Principal, operation: str, scope: str) -> bool:
        """Tell whether a principal may do something at a scope: by a role there, or above."""
        return principal.object_id == OBJECT_ID or any(
            roles.covers(where, scope) and roles.permits(items(role.properties, "permissions"), operation)
            for where, role in self._grants(principal)
        )

    def allows_data(self, principal: Principal, operation: str, scope: str) -> bool:
        """Tell whether a principal may do something with data at a scope; an owner may not, unless a role says so."""
        return any(
            roles.covers(where, scope) and roles.permits_data(items(role.properties, "permissions"), operation)
            for where, role in self._grants(principal)
        )

    def permissions(self, principal: Principal, scope: str) -> list[Json]:
        """Return what a principal's roles grant at a scope, each role's lists by themselves."""
        if principal.object_id == OBJECT_ID:
            return [roles.complete({"actions": ["*"]})]
        granted = (role for where, role in self._grants(principal) if roles.covers(where, scope))
        return [permission for role in granted for permission in items(role.properties, "permissions")]

    def check(self, principal: Principal, need: Need) -> None:
        """Refuse a request that a principal may not make.

        A list is refused to somebody who could not read a single entry of it whatever it held; who has a right on
        single resources gets those.  So Microsoft's guide to Pacemaker has the fence agent's role assigned at each
        machine (learn.microsoft.com/azure/sap/workloads/high-availability-guide-rhel-pacemaker, "Assign the custom
        role"), and the agent's `list` and `monitor`, which list the group's machines, work with that; and a caller
        with too few rights got an empty list and no error (github.com/Azure/azure-sdk-for-go/issues/14110), one
        with none a 403 that names the provider as the scope (…/azure-sdk-for-go/issues/3117).

        Raises:
            ArmError: 403, AuthorizationFailed.
        """
        if self.allows(principal, need.operation, need.scope) or need.open:
            return
        # A provider's collection has no path of its own above its resources.
        base = re.sub("/providers/[^/]+$", "", need.scope)
        if need.listing and any(
            roles.covers(base, where) and roles.permits(items(role.properties, "permissions"), need.operation)
            for where, role in self._grants(principal)
        ):
            return
        raise ArmError(
            403,
            "AuthorizationFailed",
            f"The client '{principal.client_id}' with object id '{principal.object_id}' does not have authorization "
            f"to perform action '{need.operation}' over scope '{need.scope}' or the scope is invalid. If access was "
            "recently granted, please refresh your credentials.",
        )

    def visible(self, principal: Principal, found: list[Resource]) -> list[Resource]:
        """Return those of some resources that a principal may read."""
        return [r for r in found if self.allows(principal, read_of(r.type), r.id)]

    def sees(self, principal: Principal, scope: str) -> bool:
        """Tell whether a principal has any role at, above or below a scope."""
        return principal.object_id == OBJECT_ID or any(
            roles.covers(scope, where) or roles.covers(where, scope) for where, _ in self._grants(principal)
        )
