"""What the lab cloud remembers of a resource."""

import copy
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


def now() -> str:
    """Return the time as Azure writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "+00:00"


def _etag() -> str:
    return f'W/"{uuid.uuid4()}"'


@dataclass
class Resource:
    """One resource: what its owner asked for, completed by what the cloud chose.

    Args:
        id: its identity, spelled as at its creation.
        type: full type, in the table's spelling.
        location: region in the short form, such as `westeurope`.
        body: what a client sees besides: properties, sku, tags, zones, identity.
        hidden: what no client sees: custom data, names of taps, the state of the power.
        provisioning: Creating, Updating, Deleting, Succeeded or Failed.
    """

    id: str
    type: str
    name: str
    group: str
    location: str
    body: Json = field(default_factory=dict[str, Any])
    hidden: Json = field(default_factory=dict[str, Any])
    provisioning: str = "Succeeded"
    created: str = field(default_factory=now)
    etag: str = field(default_factory=_etag)

    @property
    def key(self) -> str:
        """The identity in the form for comparing."""
        return self.id.lower()

    @property
    def properties(self) -> Json:
        properties: Json = self.body.setdefault("properties", {})
        return properties

    @property
    def sku(self) -> str:
        """The SKU's name; empty without one."""
        sku: Json = self.body.get("sku") or {}
        return str(sku.get("name") or "")

    @property
    def zones(self) -> list[str]:
        zones: list[Any] = self.body.get("zones") or []
        return [str(zone) for zone in zones]

    def touched(self) -> None:
        """Give the resource a new ETag."""
        self.etag = _etag()

    def copy(self) -> "Resource":
        return copy.deepcopy(self)

    @staticmethod
    def from_json(data: Json) -> "Resource":
        return Resource(**data)
