"""Action groups: who is told of an alert. The lab tells nobody; it checks what Azure checks."""

import re

from lab.cloud.errors import ArmError, bad_request
from lab.cloud.fields import flag, items, section, text
from lab.cloud.inventory import ACTION_GROUP, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.global_kind import GlobalKind

# learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules, Microsoft.Insights.
INSIGHTS_NAME = re.compile(r"[^:<>+/&%\\?|]{1,260}(?<![ .])")

_RECEIVERS = ("emailReceivers", "webhookReceivers")


class ActionGroupKind(GlobalKind):
    type = ACTION_GROUP
    name = INSIGHTS_NAME

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check the receivers (learn.microsoft.com/rest/api/monitor/action-groups/create-or-update)."""
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        short = text(given, "groupShortName")
        if not 1 <= len(short) <= 12:
            raise _wrong(f"groupShortName has 1 to 12 characters, and not {len(short)}")
        receivers = {kind: items(given, kind) for kind in _RECEIVERS}
        if others := [key for key in given if key.endswith("Receivers") and given[key] and key not in receivers]:
            raise _wrong(f"the lab cloud knows no {others[0]}")
        names = [text(each, "name").lower() for kind in receivers.values() for each in kind]
        if not all(names) or len({*names}) < len(names):
            raise _wrong("each receiver has a name of its own")
        for email in receivers["emailReceivers"]:
            if not re.fullmatch(r"[^@\s]+@[^@\s]+", text(email, "emailAddress")):
                raise _wrong(f"emailAddress is not valid: {text(email, 'emailAddress')}")
        for hook in receivers["webhookReceivers"]:
            if not re.match(r"https?://[^/\s]", text(hook, "serviceUri")):
                raise _wrong("serviceUri is not valid")
        resource.properties.update({"groupShortName": short, "enabled": flag(given, "enabled", True), **receivers})
        return resource


def _wrong(why: str) -> ArmError:
    return bad_request("LabInvalidActionGroup", f"The action group is not valid: {why}.")
