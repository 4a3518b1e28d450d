"""What a storage account does with its blobs as a whole: old versions, soft deletion. The lab keeps no old versions."""

import re

from lab.cloud.errors import bad_request
from lab.cloud.fields import flag, integer, section
from lab.cloud.inventory import BLOB_SERVICE, STORAGE_ACCOUNT, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.part import Part
from lab.cloud.resources.storage_account import account_of
from lab.cloud.state import Store


class BlobServiceKind(Part):
    """`default`, which every account has from its beginning, and never loses."""

    type = BLOB_SERVICE
    name = re.compile("default")
    deletable = False

    def locate(self, store: Store, target: ResourceId) -> Resource | None:
        """Return it as it stands, or as Azure has made it with its account."""
        account = store.get(str(target.parent))
        if account is None or account.type != STORAGE_ACCOUNT or not self.name.fullmatch(target.name):
            return None
        return store.get(target.key) or self.part(target, None, _properties({}))

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        account_of(inventory, target)
        if existing is None:
            raise bad_request("InvalidResourceName", f"'{target.name}' is no blob service; the only one is 'default'.")
        return self.part(target, existing, _properties(section(body, "properties")))


def _properties(given: Json) -> Json:
    return {
        "cors": {"corsRules": section(given, "cors").get("corsRules") or []},
        "isVersioningEnabled": flag(given, "isVersioningEnabled"),
        "deleteRetentionPolicy": _retention(given, "deleteRetentionPolicy"),
        "containerDeleteRetentionPolicy": _retention(given, "containerDeleteRetentionPolicy"),
    }


def _retention(given: Json, name: str) -> Json:
    policy = section(given, name)
    if not flag(policy, "enabled"):
        return {"enabled": False}
    days = integer(policy, "days")
    if not 1 <= days <= 365:
        raise bad_request("InvalidRequestPropertyValue", f"The value '{days}' is not allowed for {name}.days.", name)
    return {"enabled": True, "days": days}
