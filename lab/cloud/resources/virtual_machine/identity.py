"""A machine's own identity."""

import uuid

from lab.cloud.errors import bad_request
from lab.cloud.fields import choice, section
from lab.cloud.model import Json, Resource
from lab.cloud.tokens import TENANT


def checked_identity(given: Json, existing: Resource | None) -> Json:
    """Return what a machine's identity becomes; one that it has stays."""
    kind = choice(given, "type", ("None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned"), "None")
    if "User" in kind:
        raise bad_request("LabNotSupported", "User-assigned identities are not supported by the lab cloud.")
    if kind == "None":
        return {}
    old = section(existing.body, "identity") if existing else {}
    return {"type": kind, "principalId": old.get("principalId") or str(uuid.uuid4()), "tenantId": TENANT}
