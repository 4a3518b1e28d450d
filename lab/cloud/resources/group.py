"""Resource groups."""

import re

from components.settings.azure_id import region
from lab.cloud import catalogue
from lab.cloud.errors import bad_request, conflict
from lab.cloud.fields import text
from lab.cloud.inventory import GROUP, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind, checked_tags
from lab.cloud.state import Store


class GroupKind(Kind):
    type = GROUP
    name = re.compile(r"[-\w.()]{0,89}[-\w()]")

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check name and location; a group's location never changes."""
        if not self.name.fullmatch(target.group):
            raise bad_request(
                "InvalidResourceGroup",
                f"The provided resource group name '{target.group}' is not valid: up to 90 letters, digits, "
                "underscores, hyphens, periods and parentheses, and no period at the end.",
            )
        location = region(text(body, "location"))
        if not location:
            raise bad_request("LocationRequired", "The location property is required for this definition.")
        if location not in catalogue.REGIONS:
            raise bad_request(
                "LocationNotAvailableForResourceGroup",
                f"The provided location '{location}' is not available for resource group.",
            )
        if existing is not None:
            if existing.location != location:
                raise conflict(
                    "InvalidResourceGroupLocation",
                    f"Invalid resource group location '{location}'. The Resource group already exists in location "
                    f"'{existing.location}'.",
                )
            if existing.provisioning == "Deleting":
                raise conflict(
                    "ResourceGroupBeingDeleted",
                    f"The resource group '{target.group}' is in deprovisioning state and cannot perform this "
                    "operation.",
                )
            resource = existing.copy()
        else:
            resource = Resource(str(target), GROUP, target.group, target.group, location)
        resource.body = {"tags": checked_tags(body), "properties": {}}
        resource.provisioning = "Succeeded"
        return resource

    def members(self, store: Store, target: ResourceId) -> list[Resource]:
        prefix = f"/subscriptions/{target.subscription}/".lower()
        return [r for r in store if r.type == GROUP and r.key.startswith(prefix)]

    def shown(self, inventory: Inventory, resource: Resource) -> Json:
        """Show it without an ETag, as Resource Manager does."""
        shown = super().shown(inventory, resource)
        del shown["etag"]
        return shown
