"""Role assignments: who has a role, and at which scope."""

from lab.cloud import roles
from lab.cloud.errors import bad_request, conflict, not_in_lab
from lab.cloud.fields import choice, section, text, texts
from lab.cloud.inventory import ROLE_ASSIGNMENT, Inventory
from lab.cloud.model import Json, Resource, now
from lab.cloud.resource_id import ResourceId, key_of
from lab.cloud.resources.base import Kind
from lab.cloud.resources.role_definition import GUID, bare, role_of
from lab.cloud.state import Store
from lab.cloud.tokens import OBJECT_ID, TENANT


class RoleAssignmentKind(Kind):
    """`Microsoft.Authorization/roleAssignments`, an extension of subscription, resource groups and resources."""

    type = ROLE_ASSIGNMENT
    name = GUID

    def members(self, store: Store, target: ResourceId) -> list[Resource]:
        """Return the assignments at, above and below a scope."""
        return [
            resource
            for resource in store
            if resource.type == ROLE_ASSIGNMENT
            for scope in (text(resource.properties, "scope"),)
            if roles.covers(scope, target.scope) or roles.covers(target.scope, scope)
        ]

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check name, role, principal, and that nothing says the same already.

        The codes and texts are those that Azure's clients have logged in public issues.
        """
        if not self.name.fullmatch(target.name):
            raise bad_request(
                "InvalidRoleAssignmentId",
                f"The role assignment ID '{target.name}' is not valid. The role assignment ID must be a GUID.",
            )
        given = section(body, "properties")
        role = self._role(inventory, target, text(given, "roleDefinitionId"))
        principal = text(given, "principalId").lower()
        kind = self._principal_type(inventory, principal, given)
        self._check_unlike_others(inventory, target, principal, role)
        if existing is not None and key_of(existing.properties["roleDefinitionId"]) != key_of(role.id):
            raise _update_not_permitted()
        resource = existing.copy() if existing else Resource(str(target), self.type, target.name, target.group, "")
        resource.body = {
            "properties": {
                "roleDefinitionId": role.id,
                "principalId": principal,
                "principalType": kind,
                "scope": target.scope,
                "condition": given.get("condition"),
                "conditionVersion": given.get("conditionVersion"),
                "description": given.get("description"),
                "createdOn": existing.properties["createdOn"] if existing else now(),
                "updatedOn": now(),
            }
        }
        if resource.properties["condition"]:
            raise not_in_lab("Conditions of role assignments are not supported by the lab cloud.")
        return resource

    def _role(self, inventory: Inventory, target: ResourceId, wanted: str) -> Resource:
        role = role_of(inventory.store, wanted)
        if role is None:
            raise bad_request(
                "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{wanted}' does not exist."
            )
        if not any(roles.covers(scope, target.scope) for scope in texts(role.properties, "assignableScopes")):
            raise bad_request(
                "RoleAssignmentScopeNotAssignableToRoleDefinition",
                f"The scope '{target.scope}' is not within the assignable scopes of the role '{role.id}'.",
            )
        return role

    def _principal_type(self, inventory: Inventory, principal: str, given: Json) -> str:
        if not GUID.fullmatch(principal):
            raise bad_request("InvalidPrincipalId", f"A valid principal ID must be provided for role assignment: "
                              f"'{principal}' is none.")  # fmt: skip
        if principal != OBJECT_ID and not inventory.has_principal(principal):
            raise bad_request(
                "PrincipalNotFound",
                f"Principal {principal.replace('-', '')} does not exist in the directory {TENANT}. Check that you have "
                "the correct principal ID. If you are creating this principal and then immediately assigning a role, "
                "this error might be related to a replication delay. In this case, set the role assignment "
                "principalType property to a value, such as ServicePrincipal, User, or Group. See "
                "https://aka.ms/docs-principaltype",
            )
        types = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")
        wanted = choice(given, "principalType", types, "ServicePrincipal")
        if wanted != "ServicePrincipal":
            raise bad_request(
                "UnmatchedPrincipalType",
                f"The PrincipalId '{principal.replace('-', '')}' has type 'ServicePrincipal', which is different from "
                f"specified PrinciaplType '{wanted}'.",
            )
        return wanted

    def _check_unlike_others(self, inventory: Inventory, target: ResourceId, principal: str, role: Resource) -> None:
        for other in inventory.of_type(ROLE_ASSIGNMENT):
            same_place = key_of(other.properties["scope"]) == key_of(target.scope)
            same_principal = other.properties["principalId"] == principal
            if other.name.lower() == target.name.lower():
                # A name is one in the whole tenant.
                if not (same_place and same_principal):
                    raise _update_not_permitted()
            elif same_place and same_principal and key_of(other.properties["roleDefinitionId"]) == key_of(role.id):
                raise conflict(
                    "RoleAssignmentExists",
                    "The role assignment already exists. The ID of the existing role assignment is "
                    f"{other.name.replace('-', '')}.",
                )

    def shown(self, inventory: Inventory, resource: Resource) -> Json:
        """Show it as Azure does: without location, ETag or provisioning state."""
        return bare(resource)


def _update_not_permitted() -> Exception:
    return bad_request(
        "RoleAssignmentUpdateNotPermitted",
        "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
    )
