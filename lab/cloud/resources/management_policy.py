"""When blobs of a storage account are deleted. The lab only checks the rules; nothing of it grows so old."""

import re
from typing import cast

from lab.cloud.errors import ArmError, bad_request
from lab.cloud.fields import choice, items, section, text, texts
from lab.cloud.inventory import MANAGEMENT_POLICY, Inventory
from lab.cloud.model import Json, Resource, now
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.part import Part
from lab.cloud.resources.storage_account import account_of

_MOST_RULES = 100
_MOST_PREFIXES = 10

_AGES = {
    "baseBlob": (
        "daysAfterModificationGreaterThan",
        "daysAfterCreationGreaterThan",
        "daysAfterLastAccessTimeGreaterThan",
    ),
    "snapshot": ("daysAfterCreationGreaterThan",),
    "version": ("daysAfterCreationGreaterThan",),
}


class ManagementPolicyKind(Part):
    type = MANAGEMENT_POLICY
    name = re.compile("default")

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check the rules (learn.microsoft.com/azure/storage/blobs/lifecycle-management-policy-structure)."""
        account_of(inventory, target)
        if not self.name.fullmatch(target.name):
            raise bad_request("InvalidResourceName", f"'{target.name}' is no policy's name; the only one is 'default'.")
        rules = items(section(section(body, "properties"), "policy"), "rules")
        if not 1 <= len(rules) <= _MOST_RULES:
            raise _wrong(f"a policy has 1 to {_MOST_RULES} rules, and not {len(rules)}")
        names = [text(rule, "name") for rule in rules]
        if not all(re.fullmatch(r"[A-Za-z0-9-]{1,256}", name) for name in names) or len({*names}) < len(names):
            raise _wrong("each rule has a name of its own, of A-Z, a-z, 0-9 and -")
        for rule in rules:
            choice(rule, "type", ("Lifecycle",))
            _check_definition(section(rule, "definition"))
        return self.part(target, existing, {"policy": {"rules": rules}, "lastModifiedTime": now()})


def _check_definition(definition: Json) -> None:
    filters, actions = section(definition, "filters"), section(definition, "actions")
    if not texts(filters, "blobTypes") or not {*texts(filters, "blobTypes")} <= {"blockBlob", "appendBlob"}:
        raise _wrong("blobTypes are blockBlob and appendBlob")
    prefixes = texts(filters, "prefixMatch")
    if len(prefixes) > _MOST_PREFIXES or any(not prefix or prefix.startswith("/") for prefix in prefixes):
        raise _wrong(f"prefixMatch has at most {_MOST_PREFIXES} prefixes, which begin with a container's name")
    if not actions or not actions.keys() <= _AGES.keys():
        raise _wrong(f"actions are of {', '.join(_AGES)}")
    for what, ages in _AGES.items():
        if what not in actions:
            continue
        for action, condition in section(actions, what).items():
            if action != "delete" or not isinstance(condition, dict):
                raise _wrong(f"the lab cloud knows no action {action}")
            given = cast(Json, condition)
            days = [given[age] for age in ages if age in given]
            if len(days) != 1 or len(given) != 1 or not isinstance(days[0], int | float) or days[0] < 0:
                raise _wrong(f"{what} is deleted by one of {', '.join(ages)}, a number of days")


def _wrong(why: str) -> ArmError:
    return bad_request("LabInvalidManagementPolicy", f"The management policy is not valid: {why}.")
