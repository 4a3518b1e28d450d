"""Management locks; what they forbid is in `lab.cloud.locks`."""

import re

from lab.cloud import roles
from lab.cloud.errors import bad_request
from lab.cloud.fields import choice, section, text
from lab.cloud.inventory import LOCK, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind
from lab.cloud.state import Store


class LockKind(Kind):
    """`Microsoft.Authorization/locks`, an extension of subscription, resource groups and resources."""

    type = LOCK
    name = re.compile(r"[^<>%&:\\?/\x00-\x1f]{1,260}")

    def members(self, store: Store, target: ResourceId) -> list[Resource]:
        """Return the locks at, above and below a scope."""
        return [
            lock
            for lock in store
            if lock.type == LOCK
            for scope in (text(lock.properties, "scope"),)
            if roles.covers(scope, target.scope) or roles.covers(target.scope, scope)
        ]

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check name, level and notes."""
        if not self.name.fullmatch(target.name):
            raise bad_request("InvalidLockName", f"The lock name '{target.name}' is not valid.")
        given = section(body, "properties")
        level = choice(given, "level", ("CanNotDelete", "ReadOnly"))
        notes = text(given, "notes")
        if len(notes) > 512:
            raise bad_request("InvalidLockNotes", "The notes of a lock have at most 512 characters.", "notes")
        resource = existing.copy() if existing else Resource(str(target), self.type, target.name, target.group, "")
        resource.body = {"properties": {"level": level, **({"notes": notes} if notes else {}), "scope": target.scope}}
        return resource

    def shown(self, inventory: Inventory, resource: Resource) -> Json:
        """Show it as Azure does: its scope is in its id only."""
        properties = {name: value for name, value in resource.properties.items() if name != "scope"}
        return {"id": resource.id, "name": resource.name, "type": resource.type, "properties": properties}
