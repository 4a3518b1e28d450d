"""Roles: GUIDs that Azure names them and their assignments by, and assignments to identities of Azure's own."""

import uuid

import pulumi
from pulumi_azure_native import authorization, compute

from components.azure.place import Place
from components.azure.propagation import asked_again

# Azure names roles and assignments by GUIDs. These follow from what they name, so that they are the same in every
# update, and another one where something else is meant.
_NAMESPACE = uuid.UUID("6a53b7d4-9f0c-5b0e-8a3e-3a1b6f1f1f52")


def guid(what: str) -> str:
    """Return the GUID that stands for something; letter case does not matter, as in Azure's ids."""
    return str(uuid.uuid5(_NAMESPACE, what.lower()))


def principal_of(machine: compute.VirtualMachine) -> pulumi.Output[str]:
    """Return the object id of a machine's own identity."""
    return machine.identity.apply(lambda identity: identity.principal_id if identity else "")


def make_role(
    name: str,
    what: str,
    description: str,
    permission: authorization.PermissionArgs,
    *,
    place: Place,
    scope: pulumi.Input[str],
    key: str = "",
    parent: pulumi.Resource,
) -> authorization.RoleDefinition:
    """Make a role of a cluster's own.

    Args:
        what: what its name in Azure begins with.
        scope: resource id of the group in which it can be assigned.
        key: what tells its GUID from those of the cluster's other roles.
    """
    # GUID and name follow from the cluster's group and name: two clusters in one group have a role each.
    id = pulumi.Output.concat(scope, "/", place.cluster_name, key).apply(guid)
    return authorization.RoleDefinition(
        name,
        role_definition_id=id,
        # One name in the whole directory.
        role_name=id.apply(lambda id: f"{what} of cluster {place.cluster_name} ({id[:8]})"),
        description=description,
        role_type="CustomRole",
        scope=scope,
        # Of a group or a subscription; where it is assigned is narrower.
        assignable_scopes=[scope],
        permissions=[permission],
        opts=pulumi.ResourceOptions(parent=parent),
    )


def assign_role(
    name: str,
    *,
    role_id: pulumi.Input[str],
    principal_id: pulumi.Output[str],
    scope: pulumi.Input[str],
    parent: pulumi.Resource,
) -> authorization.RoleAssignment:
    """Give a managed identity a role.

    Args:
        principal_id: object id of the identity.
        scope: resource id of what it may be used at.
    """
    return authorization.RoleAssignment(
        name,
        # A new identity is a new principal, whose assignment is another one.
        role_assignment_name=pulumi.Output.concat(role_id, principal_id, scope).apply(guid),
        role_definition_id=role_id,
        principal_id=principal_id,
        # Said, Azure need not have heard of the new principal everywhere yet.
        principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
        scope=scope,
        opts=pulumi.ResourceOptions(parent=parent, hooks=asked_again(name)),
    )
