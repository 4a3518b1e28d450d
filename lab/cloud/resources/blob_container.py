"""Containers of blobs."""

import re

from lab.cloud.errors import bad_request, conflict
from lab.cloud.fields import choice, section
from lab.cloud.inventory import BLOB_CONTAINER, IMMUTABILITY_POLICY, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId, parse
from lab.cloud.resources.part import Part
from lab.cloud.resources.storage_account import account_of
from lab.cloud.site import Site


class BlobContainerKind(Part):
    type = BLOB_CONTAINER
    name = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check its name, and that nobody gets in whom the account keeps out."""
        account = account_of(inventory, target)
        if not self.name.fullmatch(target.name):
            raise bad_request("InvalidResourceName", f"'{target.name}' is no container's name: 3 to 63 of a-z, 0-9, -.")
        access = choice(section(body, "properties"), "publicAccess", ("None", "Blob", "Container"), "None")
        if access != "None" and not account.properties["allowBlobPublicAccess"]:
            raise conflict("PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
        return self.part(
            target, existing, {"publicAccess": access, "leaseStatus": "Unlocked", "leaseState": "Available"}
        )

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        policy = policy_of(inventory, resource)
        return {**resource.properties, "hasImmutabilityPolicy": policy is not None, "hasLegalHold": False}

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        """Refuse to delete blobs that a policy keeps: here, from the first one on (none is older than its period)."""
        if policy_of(inventory, resource) and resource.hidden.get("has_blobs"):
            raise conflict(
                "LabContainerImmutable",
                f"Container '{resource.name}' has an immutability policy and blobs; delete the policy first.",
            )

    async def apply(self, site: Site, resource: Resource) -> None:
        account = account_of(site.inventory, parse(resource.id))
        await site.blobs.make_container(int(account.hidden["slot"]), resource.name)

    async def remove(self, site: Site, resource: Resource) -> None:
        account = account_of(site.inventory, parse(resource.id))
        await site.blobs.remove_container(int(account.hidden["slot"]), resource.name)

    async def removed(self, site: Site, resource: Resource) -> None:
        """Forget its policy."""
        for part in [r for r in site.store if r.key.startswith(f"{resource.key}/")]:
            site.store.discard(part.id)


def policy_of(inventory: Inventory, container: Resource) -> Resource | None:
    return inventory.get(f"{container.id}/immutabilityPolicies/default", IMMUTABILITY_POLICY)
