"""What resource types have in common whose resources are in no region."""

from lab.cloud.errors import bad_request
from lab.cloud.fields import text
from lab.cloud.inventory import Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind

GLOBAL = "global"


class GlobalKind(Kind):
    """A type whose resources are in no region."""

    def envelope(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check what all types have, and that it is in no region."""
        if text(body, "location").lower() != GLOBAL:
            raise bad_request(
                "LocationNotAvailableForResourceType",
                f"The provided location '{text(body, 'location')}' is not available for resource type '{self.type}'.",
            )
        group = inventory.require_group(target)
        before = existing.copy() if existing else None
        if before:
            before.location = group.location
        resource = super().envelope(inventory, target, {**body, "location": group.location}, before)
        resource.location = GLOBAL
        return resource
