"""Storage accounts. Their blobs are Azurite's, by way of blob_service.py."""

import re

from lab.cloud import catalogue
from lab.cloud.blob_store import SLOTS
from lab.cloud.errors import ArmError, bad_request, conflict, not_in_lab
from lab.cloud.fields import choice, flag, section, text
from lab.cloud.inventory import STORAGE_ACCOUNT, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind
from lab.cloud.site import Site

NAME = re.compile(r"[a-z0-9]{3,24}")

_SKUS = ("Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_RAGRS", "Standard_GZRS", "Standard_RAGZRS")

# What Azure takes for what is not said (learn.microsoft.com/rest/api/storagerp/storage-accounts/create).
_FLAGS = {
    "supportsHttpsTrafficOnly": True,
    "allowBlobPublicAccess": False,
    "allowCrossTenantReplication": False,
    "allowSharedKeyAccess": True,
}


def taken(inventory: Inventory, name: str) -> Resource | None:
    """Return the account that has a name, which is one in the whole world."""
    return next((account for account in inventory.of_type(STORAGE_ACCOUNT) if account.name == name), None)


def account_of(inventory: Inventory, part: ResourceId) -> Resource:
    """Return the account that something is a part of.

    Raises:
        ArmError: there is none.
    """
    account_id = f"{part.scope}/providers/{STORAGE_ACCOUNT}/{part.names[0]}"
    account = inventory.get(account_id, STORAGE_ACCOUNT)
    if account is None or account.provisioning == "Deleting":
        raise ArmError(404, "ResourceNotFound", f"The Resource '{STORAGE_ACCOUNT}/{part.names[0]}' was not found.")
    return account


class StorageAccountKind(Kind):
    type = STORAGE_ACCOUNT
    name = NAME

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check name, kind, SKU and who is let in."""
        if not self.name.fullmatch(target.name):
            raise bad_request(
                "AccountNameInvalid",
                f"{target.name} is not a valid storage account name. Storage account name must be between 3 and 24 "
                "characters in length and use numbers and lower-case letters only.",
            )
        resource = self.envelope(inventory, target, body, existing)
        other = taken(inventory, target.name)
        if other is not None and other.key != resource.key:
            raise conflict("StorageAccountAlreadyTaken", f"The storage account named {target.name} is already taken.")
        if choice(body, "kind", ("StorageV2", "Storage", "BlobStorage", "FileStorage", "BlockBlobStorage")) != (
            "StorageV2"
        ):
            raise not_in_lab("The lab cloud's storage accounts are of kind StorageV2.", "kind")
        sku = choice(section(body, "sku"), "name", _SKUS)
        if "ZRS" in sku and resource.location in catalogue.ZONELESS_REGIONS:
            raise bad_request(
                "InvalidRequestPropertyValue",
                f"The value '{sku}' is not allowed for property sku.name. For more information, see - "
                "https://aka.ms/storageaccountskutypes",
                "sku.name",
            )
        if existing is not None and ("ZRS" in existing.sku) != ("ZRS" in sku):
            raise conflict("LabStorageConversion", f"{existing.sku} becomes {sku} by a conversion only, not by a PUT.")
        given = section(body, "properties")
        resource.body |= {"kind": "StorageV2", "sku": {"name": sku, "tier": "Standard"}}
        resource.properties.update(
            {
                "accessTier": choice(given, "accessTier", ("Hot", "Cool", "Cold"), "Hot"),
                "minimumTlsVersion": choice(given, "minimumTlsVersion", ("TLS1_0", "TLS1_1", "TLS1_2"), "TLS1_0"),
                **{name: flag(given, name, default) for name, default in _FLAGS.items()},
                "publicNetworkAccess": choice(given, "publicNetworkAccess", ("Enabled",), "Enabled"),
                "creationTime": resource.created,
                "primaryEndpoints": {"blob": f"https://{target.name}.blob.core.windows.net/"},
                "primaryLocation": resource.location,
                "statusOfPrimary": "available",
            }
        )
        if text(section(given, "encryption"), "keySource", "Microsoft.Storage") != "Microsoft.Storage":
            raise not_in_lab("The lab cloud's storage accounts are encrypted by the platform's keys.", "encryption")
        if existing is None:
            resource.hidden["slot"] = self._free_slot(inventory)
        return resource

    def _free_slot(self, inventory: Inventory) -> int:
        used = {account.hidden["slot"] for account in inventory.of_type(STORAGE_ACCOUNT)}
        free = [slot for slot in range(SLOTS) if slot not in used]
        if not free:
            raise not_in_lab(f"The lab cloud has room for {SLOTS} storage accounts.")
        return free[0]

    async def remove(self, site: Site, resource: Resource) -> None:
        for part in _parts(site, resource):
            if part.type.endswith("/containers"):
                await site.blobs.remove_container(int(resource.hidden["slot"]), part.name)

    async def removed(self, site: Site, resource: Resource) -> None:
        """Forget what was part of it."""
        for part in _parts(site, resource):
            site.store.discard(part.id)


def _parts(site: Site, account: Resource) -> list[Resource]:
    return [resource for resource in site.store if resource.key.startswith(f"{account.key}/")]
