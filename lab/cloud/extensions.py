"""Roles, their assignments, and locks: extensions of what they are on."""

import re

from aiohttp import web

from lab.cloud import known, roles
from lab.cloud.errors import ArmError, not_in_lab
from lab.cloud.fields import text
from lab.cloud.inventory import LOCK, ROLE_ASSIGNMENT
from lab.cloud.model import Resource
from lab.cloud.reading import Reading, kind_of
from lab.cloud.request import CALLER, body_of
from lab.cloud.resource_id import ResourceId, parse
from lab.cloud.resources.base import Kind
from lab.cloud.site import Site


class Extensions:
    def __init__(self, site: Site, reading: Reading) -> None:
        self._site = site
        self._reading = reading

    async def answer(self, request: web.Request, target: ResourceId) -> web.StreamResponse:
        """Answer for roles, their assignments and locks: at once, since only checks of later requests follow."""
        kind, store, inventory = kind_of(target), self._site.store, self._site.inventory
        if target.is_collection:
            self._check_scope(target)
            if request.method != "GET":
                raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")
            found = _filtered(kind.members(store, target), target, request.query.get("$filter", ""))
            return web.json_response({"value": [kind.shown(inventory, resource) for resource in found]})
        existing = kind.locate(store, target)
        match request.method:
            case "GET" | "HEAD":
                if existing is None:
                    raise _not_there(kind, target)
                return web.json_response(kind.shown(inventory, existing))
            case "PUT":
                body = await body_of(request)
                known.check(kind.type, body)
                self._check_scope(target)
                existing = kind.locate(store, target)
                resource = kind.check(inventory, target, body, existing)
                if kind.type != LOCK:
                    author = CALLER.get().object_id
                    made_by = existing.properties["createdBy"] if existing else author
                    resource.properties.update({"createdBy": made_by, "updatedBy": author})
                kind.commit(store, resource)
                return web.json_response(kind.shown(inventory, resource), status=200 if existing else 201)
            case "DELETE":
                if existing is None:
                    return web.Response(status=204)
                kind.check_removal(inventory, existing)
                kind.discard(store, existing)
                return web.json_response(kind.shown(inventory, existing))
            case _:
                raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")

    def _check_scope(self, target: ResourceId) -> None:
        """Refuse a scope that is not there."""
        if target.group:
            self._site.inventory.require_group(target)
        if target.on:
            holder = parse(target.on)
            self._reading.existing(kind_of(holder), holder)


def _not_there(kind: Kind, target: ResourceId) -> ArmError:
    if kind.type == LOCK:
        return ArmError(404, "LockNotFound", f"The lock '{target.name}' could not be found.")
    if kind.type == ROLE_ASSIGNMENT:
        return ArmError(404, "RoleAssignmentNotFound", f"The role assignment '{target.name}' is not found.")
    return ArmError(
        404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{target.name}' does not exist."
    )


def _filtered(found: list[Resource], target: ResourceId, condition: str) -> list[Resource]:
    """Apply the filters of role definitions and assignments.

    Args:
        condition: `atScope()`, `assignedTo('GUID')`, or `principalId`, `roleName` or `type` `eq` something; several
            with `and`; empty for no condition.

    Raises:
        ArmError: another condition.
    """
    for part in re.split(r"\s+and\s+", condition.strip()) if condition.strip() else []:
        equal = re.fullmatch(r"(principalId|roleName|type)\s+eq\s+'([^']*)'|(assignedTo)\('([^']*)'\)", part)
        if part in ("atScope()", "atScopeAndBelow()"):
            if part == "atScope()":
                found = [r for r in found if roles.covers(text(r.properties, "scope"), target.scope)]
        elif equal is not None:
            name, value = equal[1] or "principalId", equal[2] if equal[1] else equal[4]
            found = [r for r in found if text(r.properties, name).lower() == value.lower()]
        else:
            raise not_in_lab(f"The lab cloud does not know the filter '{part}'.")
    return found
