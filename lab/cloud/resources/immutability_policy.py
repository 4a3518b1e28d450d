"""For how long blobs of a container are kept as they are. What they refuse is refused in blob_service.py."""

import re

from lab.cloud.errors import ArmError, bad_request, conflict
from lab.cloud.fields import flag, integer, section
from lab.cloud.inventory import BLOB_CONTAINER, IMMUTABILITY_POLICY, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.part import Part
from lab.cloud.state import Store

_MOST_DAYS = 146000


class ImmutabilityPolicyKind(Part):
    """`default`: without one, Azure shows a policy of no days. Unlocked always; the lab locks none."""

    type = IMMUTABILITY_POLICY
    name = re.compile("default")

    def locate(self, store: Store, target: ResourceId) -> Resource | None:
        """Return it as it stands, or what Azure shows where there is none."""
        container = store.get(str(target.parent))
        if container is None or container.type != BLOB_CONTAINER or not self.name.fullmatch(target.name):
            return None
        return store.get(target.key) or self.part(
            target, None, {"immutabilityPeriodSinceCreationInDays": 0, "state": "Unlocked"}
        )

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        if inventory.get(str(target.parent), BLOB_CONTAINER) is None:
            raise ArmError(404, "ContainerNotFound", "The specified container does not exist.")
        if existing is None:
            raise bad_request("InvalidResourceName", f"'{target.name}' is no policy's name; the only one is 'default'.")
        given = section(body, "properties")
        days = integer(given, "immutabilityPeriodSinceCreationInDays")
        if not 1 <= days <= _MOST_DAYS:
            raise bad_request(
                "InvalidRequestPropertyValue",
                f"The value '{days}' is not allowed for immutabilityPeriodSinceCreationInDays: 1 to {_MOST_DAYS}.",
            )
        own, others = (flag(given, name) for name in ("allowProtectedAppendWrites", "allowProtectedAppendWritesAll"))
        if own and others:
            raise conflict("LabContradiction", "allowProtectedAppendWrites excludes allowProtectedAppendWritesAll.")
        return self.part(
            target,
            existing,
            {
                "immutabilityPeriodSinceCreationInDays": days,
                "allowProtectedAppendWrites": own,
                "allowProtectedAppendWritesAll": others,
                "state": "Unlocked",
            },
        )

    def check_etag(self, resource: Resource, given: str) -> None:
        """Refuse a deletion that does not say which form of it is meant, as Azure does."""
        if given != resource.etag:
            raise ArmError(
                412,
                "ContainerImmutabilityPolicyFailure",
                "Operation not allowed on immutability policy with incorrect etag.",
            )
