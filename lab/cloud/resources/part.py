"""What parts of other resources have in common: they have neither region nor tags."""

from lab.cloud.inventory import Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind
from lab.cloud.state import Store


class Part(Kind):
    def part(self, target: ResourceId, existing: Resource | None, properties: Json) -> Resource:
        """Return the new form of a part."""
        resource = existing.copy() if existing else Resource(str(target), self.type, target.name, target.group, "")
        resource.touched()
        resource.body = {"properties": properties}
        return resource

    def members(self, store: Store, target: ResourceId) -> list[Resource]:
        """Return the parts of one owner."""
        return [r for r in store if r.type == self.type and r.key.startswith(f"{target.parent.key}/")]

    def shown(self, inventory: Inventory, resource: Resource) -> Json:
        shown = super().shown(inventory, resource)
        del shown["location"]
        return shown
