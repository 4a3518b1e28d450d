"""What every resource type has in common."""

import re
from typing import ClassVar

from components.settings.azure_id import region
from lab.cloud import catalogue
from lab.cloud.errors import bad_request, conflict
from lab.cloud.fields import section, text
from lab.cloud.inventory import Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.site import Site
from lab.cloud.state import Store

NETWORK_NAME = re.compile(r"[A-Za-z0-9_](?:[\w.-]{0,78}\w)?", re.ASCII)
"""Names of network resources: up to 80 letters, digits, `_`, `.`, `-`; the first and the last are none of `.-`."""

COMPUTE_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,78}\w)?", re.ASCII)
"""Names of disks and availability sets: the same, and no `_` at the start."""


def checked_zones(body: Json, location: str, most: int = 3) -> list[str]:
    """Return the zones of a body.

    Raises:
        ArmError: not a list of "1" to "3" (InvalidAvailabilityZone), too many, or a region without zones.
    """
    value = body.get("zones")
    if not value:
        return []
    zones = [str(zone) for zone in value] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if not zones or any(zone not in ("1", "2", "3") for zone in zones) or len(set(zones)) != len(zones):
        raise bad_request(
            "InvalidAvailabilityZone", f"The zone(s) {value!r} are not valid. Supported zones are '1,2,3'.", "zones"
        )
    if len(zones) > most:
        raise bad_request("InvalidResourceCountForZones", f"At most {most} zone(s) may be given.", "zones")
    if location in catalogue.ZONELESS_REGIONS:
        raise bad_request(
            "AvailabilityZoneNotSupported", f"Region '{location}' does not support availability zones.", "zones"
        )
    return zones


class Kind:
    """A resource type: its checks, what a client sees of it, and what it does.

    `check` and `check_removal` are pure; `apply` and `remove` act, and may be called again at any time: after
    a crash of the cloud every resource is applied once more.
    """

    type: ClassVar[str]
    """Full type in Azure's spelling."""

    name: ClassVar[re.Pattern[str]] = NETWORK_NAME
    """What a resource's name looks like."""

    compute: ClassVar[bool] = False
    """Whether it is one of compute's: those answer 202 for an update under way, where the others answer 201."""

    deletable: ClassVar[bool] = True
    """Whether a client can delete one by itself, and not only what it is a part of."""

    def locate(self, store: Store, target: ResourceId) -> Resource | None:
        """Return the resource as it stands; None where it is not there."""
        resource = store.get(target.key)
        return resource if resource is not None and resource.type == self.type else None

    def commit(self, store: Store, resource: Resource) -> None:
        """Remember a resource that has passed its checks."""
        store.put(resource)

    def discard(self, store: Store, resource: Resource) -> None:
        """Forget a resource that has been removed."""
        store.discard(resource.id)

    def members(self, store: Store, target: ResourceId) -> list[Resource]:
        """Return the resources of a collection (of a group, or of the subscription)."""
        prefix = (target.key.split("/providers/")[0]) + "/"
        return [r for r in store if r.type == self.type and r.key.startswith(prefix)]

    def envelope(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check what all types have: group, name, location, tags; return the new form without properties."""
        group = inventory.require_group(target)
        if group.provisioning == "Deleting":
            raise conflict(
                "ResourceGroupBeingDeleted",
                f"The resource group '{target.group}' is in deprovisioning state and cannot perform this operation.",
            )
        if not self.name.fullmatch(target.name):
            raise bad_request("InvalidResourceName", f"Resource name {target.name} is invalid for {self.type}.")
        location = region(text(body, "location"))
        if not location:
            raise bad_request("LocationRequired", "The location property is required for this definition.")
        if location not in catalogue.REGIONS:
            raise bad_request(
                "LocationNotAvailableForResourceType",
                f"The provided location '{location}' is not available for resource type '{self.type}'.",
            )
        if existing is not None and existing.location != location:
            raise conflict(
                "InvalidResourceLocation",
                f"The resource '{target.name}' already exists in location '{existing.location}' in resource group "
                f"'{target.group}'. A resource with the same name cannot be created in location '{location}'. Please "
                "select a new resource name.",
            )
        if existing is not None and existing.provisioning == "Deleting":
            raise conflict("AnotherOperationInProgress", f"The resource {target} is being deleted.")
        if existing is not None:
            resource = existing.copy()
            resource.touched()
            resource.provisioning = "Updating"
        else:
            resource = Resource(str(target), self.type, target.name, target.group, location, provisioning="Creating")
        resource.body = {"tags": checked_tags(body), "properties": {}}
        return resource

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check a request and return what the resource becomes.

        Args:
            target: the resource's identity as the request spells it.
        """
        raise NotImplementedError

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        """Return the properties that a client sees, with those that follow from others' references."""
        return resource.properties

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        """Refuse the removal of what is in use."""

    def check_etag(self, resource: Resource, given: str) -> None:
        """Refuse a deletion by the ETag that it names, which is empty for none; most types do not care."""

    async def apply(self, site: Site, resource: Resource) -> None:
        """Make it so.  Called under the resource's lock; may be called again.

        Raises:
            ArmError: it could not be done; the resource's state becomes Failed.
        """

    async def settle(self, site: Site, resource: Resource) -> None:
        """Wait for what takes long, outside the lock, before the operation is called done."""

    async def restore(self, site: Site, resource: Resource) -> None:
        """Bring back what a new start of the cloud does not find any more."""
        await self.apply(site, resource)

    async def remove(self, site: Site, resource: Resource) -> None:
        """Take it away.  Called under the resource's lock; may be called again."""

    async def removed(self, site: Site, resource: Resource) -> None:
        """Tidy up once the resource has been forgotten."""

    def shown(self, inventory: Inventory, resource: Resource) -> Json:
        """Return the JSON that a client gets."""
        properties = dict(self.view(inventory, resource))
        properties["provisioningState"] = resource.provisioning
        shown: Json = {
            "id": resource.id,
            "name": resource.name,
            "type": resource.type,
            "location": resource.location,
            "etag": resource.etag,
        }
        for name, value in resource.body.items():
            if name != "properties" and value:
                shown[name] = value
        shown["properties"] = properties
        return shown


def checked_tags(body: Json) -> dict[str, str]:
    """Return the tags of a body.

    Raises:
        ArmError: more than 50 (TooManyTags), a name over 512 or a value over 256 characters, or not text.
    """
    tags = section(body, "tags")
    if len(tags) > 50:
        raise bad_request("TooManyTags", f"The number of tags {len(tags)} exceeds the limit of 50.")
    for name, value in tags.items():
        if not isinstance(value, str):
            raise bad_request("InvalidRequestContent", f"The value of tag '{name}' is not a string.")
        if not name or len(name) > 512 or len(value) > 256 or set(name) & set("<>%&\\?/"):
            raise bad_request("InvalidTagNameOrValue", f"The tag '{name}' is not valid.")
    return {name: str(value) for name, value in tags.items()}
