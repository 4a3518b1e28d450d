"""Role definitions: what a role lets do, and where it may be assigned."""

import re
from uuid import UUID

from lab.cloud import roles
from lab.cloud.errors import ArmError, bad_request, conflict
from lab.cloud.fields import items, section, text, texts
from lab.cloud.inventory import GROUP, ROLE_ASSIGNMENT, ROLE_DEFINITION, Inventory
from lab.cloud.model import Json, Resource, now
from lab.cloud.resource_id import ResourceId, key_of, parse
from lab.cloud.resources.base import Kind
from lab.cloud.state import Store
from lab.cloud.tokens import SUBSCRIPTION

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def role_path(guid: str) -> str:
    """Return the identity of a custom role: whatever the scope of the request, it is the subscription's."""
    return f"/subscriptions/{SUBSCRIPTION}/providers/{ROLE_DEFINITION}/{guid.lower()}"


def role_of(store: Store, identity: str) -> Resource | None:
    """Return a role, built-in or custom.

    Args:
        identity: any path that ends with its GUID.
    """
    parent, _, guid = key_of(identity).rpartition("/")
    if not parent.endswith(f"/providers/{ROLE_DEFINITION}".lower()):
        return None
    return roles.BUILT_IN.get(guid) or store.get(role_path(guid))


def assignments_of(inventory: Inventory, role: Resource) -> list[Resource]:
    wanted = role.name.lower()
    return [
        assignment
        for assignment in inventory.of_type(ROLE_ASSIGNMENT)
        if text(assignment.properties, "roleDefinitionId").lower().endswith(f"/{wanted}")
    ]


class RoleDefinitionKind(Kind):
    type = ROLE_DEFINITION
    name = GUID

    def locate(self, store: Store, target: ResourceId) -> Resource | None:
        """Find the role by its GUID, asked for at any scope."""
        return role_of(store, str(target))

    def members(self, store: Store, target: ResourceId) -> list[Resource]:
        """Return the roles that can be assigned at a scope."""
        custom = [role for role in store if role.type == ROLE_DEFINITION]
        return [
            role
            for role in (*roles.BUILT_IN.values(), *custom)
            if any(roles.covers(scope, target.scope) for scope in texts(role.properties, "assignableScopes"))
        ]

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check name, actions and scopes.

        The codes come from Azure's troubleshooting page for custom roles and from logs of its clients.
        """
        if not self.name.fullmatch(target.name):
            raise bad_request(
                "InvalidRoleDefinitionId",
                f"The role definition ID '{target.name}' is not valid. The role definition ID must be a GUID.",
            )
        if target.name.lower() in roles.BUILT_IN:
            raise bad_request("LabBuiltInRole", f"The built-in role '{target.name}' cannot be changed.")
        given = section(body, "properties")
        role_name = text(given, "roleName").strip()
        if not role_name or len(role_name) > 128:
            raise bad_request("LabInvalidRoleName", "A role has a name of 1 to 128 characters.", "roleName")
        for other in (*inventory.of_type(ROLE_DEFINITION), *roles.BUILT_IN.values()):
            if text(other.properties, "roleName").lower() == role_name.lower() and other is not existing:
                # One name in the whole directory, whatever the scopes.
                raise conflict(
                    "RoleDefinitionWithSameNameExists",
                    "A custom role with the same name already exists in this directory. Use a different name.",
                )
        resource = existing.copy() if existing else Resource(role_path(target.name), self.type, target.name, "", "")
        resource.name = str(UUID(target.name))
        scopes = self._scopes(inventory, target, given)
        if existing is not None:
            self._check_assignments(inventory, existing, scopes)
        resource.body = {
            "properties": {
                "roleName": role_name,
                "type": "CustomRole",
                "description": text(given, "description"),
                "assignableScopes": scopes,
                "permissions": self._permissions(given),
                "createdOn": existing.properties["createdOn"] if existing else now(),
                "updatedOn": now(),
            }
        }
        return resource

    def _permissions(self, given: Json) -> list[Json]:
        permissions = [roles.complete(permission) for permission in items(given, "permissions")]
        for permission in permissions:
            for part in ("actions", "notActions"):
                for action in permission[part]:
                    if not roles.known(action):
                        raise bad_request(
                            "InvalidActionOrNotAction",
                            f"'{action}' does not match any of the actions supported by the providers.",
                        )
            for action in permission["dataActions"]:
                if not roles.known_data(action):
                    raise bad_request(
                        "InvalidDataActionOrNotDataAction",
                        f"'{action}' does not match any of the data actions supported by the providers.",
                    )
        if not any(permission["actions"] or permission["dataActions"] for permission in permissions):
            raise bad_request("MissingRequiredParameter", "A role has at least one action.", "permissions")
        return permissions

    def _scopes(self, inventory: Inventory, target: ResourceId, given: Json) -> list[str]:
        scopes = [scope.rstrip("/") for scope in texts(given, "assignableScopes")]
        if not scopes:
            raise bad_request("MissingRequiredParameter", "A role has at least one scope.", "assignableScopes")
        for scope in scopes:
            try:
                found = parse(scope)
            except ArmError:
                found = None
            if found is None or found.subscription.lower() != SUBSCRIPTION:
                raise bad_request(
                    "LabInvalidAssignableScope",
                    f"'{scope}' is no path of this subscription or of a resource group of it.",
                    "assignableScopes",
                )
            if found.namespace:
                # Microsoft's page on custom roles names management groups, subscriptions and resource groups only.
                raise bad_request(
                    "LabInvalidAssignableScope",
                    f"'{scope}' is a resource: a role is made for subscriptions or resource groups, and assigned at "
                    "resources.",
                    "assignableScopes",
                )
            if found.group and inventory.get(scope, GROUP) is None:
                raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{found.group}' could not be found.")
        if not any(roles.covers(scope, target.scope) or roles.covers(target.scope, scope) for scope in scopes):
            raise bad_request(
                "LabInvalidAssignableScope", f"The role is made at '{target.scope}', which none of its scopes covers."
            )
        return scopes

    def _check_assignments(self, inventory: Inventory, existing: Resource, scopes: list[str]) -> None:
        for assignment in assignments_of(inventory, existing):
            scope = text(assignment.properties, "scope")
            if not any(roles.covers(kept, scope) for kept in scopes):
                raise bad_request(
                    "RoleScopeBeingRemovedContainsAssignments",
                    f"Role assignments found under scope '{scope}' which is being removed. Removing this scope from "
                    "the role will orphan these assignments. Delete these assignments before removing the scope.",
                )

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        """Refuse for a built-in role, and for one that is assigned."""
        if resource.name in roles.BUILT_IN:
            raise bad_request("LabBuiltInRole", f"The built-in role '{resource.name}' cannot be deleted.")
        if assignments_of(inventory, resource):
            # Code and text of Azure's page "Troubleshoot Azure RBAC"; the status is not public, and 409 fits it.
            raise conflict(
                "RoleDefinitionHasAssignments",
                "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).",
            )

    def shown(self, inventory: Inventory, resource: Resource) -> Json:
        """Show it as Azure does: without location, ETag or provisioning state."""
        return bare(resource)


def bare(resource: Resource) -> Json:
    """Return the form in which Azure shows roles and assignments."""
    return {"id": resource.id, "name": resource.name, "type": resource.type, "properties": dict(resource.properties)}
