"""What all questions are asked of: the plan, the subscription, and what more than one of them reads there."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from operations.arm import Json, Reader, Refusal, items, section
from operations.plan import UNKNOWN, Change, Plan

_COMPUTE = "2024-07-01"


@dataclass(frozen=True)
class Asked:
    """A stack, and where it is to be.

    Args:
        plan: what the update would do.
        azure: reads the subscription.
    """

    plan: Plan
    azure: Reader
    _one_asks: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def group(self) -> str:
        """The resource group's path."""
        return f"{self.azure.subscription}/resourceGroups/{self.plan.group}"

    def group_of(self, change: Change) -> str:
        """Return the path of the group that a resource is in: the stack's, or that of something existing."""
        name = str((change.new or change.old or {}).get("resourceGroupName", self.plan.group))
        return self.group if name == UNKNOWN else f"{self.azure.subscription}/resourceGroups/{name}"

    def in_region(self, provider: str, what: str) -> str:
        """Return a path of a provider's in the stack's region, such as usages of Microsoft.Network."""
        return f"{self.azure.subscription}/providers/{provider}/locations/{self.plan.location}/{what}"

    @cached_property
    def _skus(self) -> list[Json]:
        path = f"{self.azure.subscription}/providers/Microsoft.Compute/skus"
        return self.azure.get(path, "2021-07-01", {"$filter": f"location eq '{self.plan.location}'"})["value"]

    def sku(self, kind: str, name: str) -> Json | None:
        """Return what the region offers; None if it does not.

        Args:
            kind: "virtualMachines" or "disks".
            name: of the size, or of the disk's SKU.
        """
        with self._one_asks:  # it is a long list
            skus = self._skus
        of_kind = (sku for sku in skus if sku["resourceType"].lower() == kind.lower())
        return next((sku for sku in of_kind if sku["name"].lower() == name.lower()), None)

    def images(self, image: Mapping[str, Any]) -> str:
        """Return the path of an image's versions."""
        where = f"publishers/{image['publisher']}/artifacttypes/vmimage/offers/{image['offer']}/skus/{image['sku']}"
        return self.in_region("Microsoft.Compute", f"{where}/versions")

    def version(self, image: Mapping[str, Any]) -> str:
        """Return the version that an image reference means now; empty if it is not there."""
        try:
            found: list[str] = [each["name"] for each in self.azure.get(self.images(image), _COMPUTE)["value"]]
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            found = []
        wanted = image.get("version") or "latest"
        if wanted == "latest":
            return max(found, key=_numbers, default="")
        return wanted if wanted in found else ""

    def image(self, machine: Change) -> Json | None:
        """Return what is told of a machine's image; None if it is not there."""
        reference = machine.wanted["storageProfile"]["imageReference"]
        version = self.version(reference)
        return self.azure.get(f"{self.images(reference)}/{version}", _COMPUTE) if version else None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


def capabilities(sku: Json) -> dict[str, str]:
    """Return what a size can do, by Azure's name for it."""
    return {each["name"]: each["value"] for each in items(sku, "capabilities")}


def controllers_of(able: Mapping[str, str]) -> list[str]:
    """Return by what a size, or an image, has its disks, in capitals; of what Azure does not tell it, it is SCSI.

    Args:
        able: a size's capabilities, or an image's features.
    """
    return able.get("DiskControllerTypes", "SCSI").upper().replace(" ", "").split(",")


def controller_of(machine: Change) -> str:
    """Return by what a machine is to have its disks."""
    return str(machine.wanted["storageProfile"].get("diskControllerType", "SCSI"))


def is_launched_with_trust(machine: Change) -> bool:
    """Tell whether a machine is to have Trusted Launch."""
    return section(machine.wanted, "securityProfile").get("securityType") == "TrustedLaunch"


def zones(sku: Json, location: str) -> tuple[set[str], list[str]]:
    """Return the zones of a region in which a SKU may be had; and why it may not be had in it, or in some of them.

    Args:
        sku: as `Asked.sku` returns it.
        location: the region.
    """
    here = [each for each in items(sku, "locationInfo") if each["location"].lower() == location.lower()]
    offered = {str(zone) for each in here for zone in items(each, "zones")}
    reasons: list[str] = []
    for restriction in items(sku, "restrictions"):
        info = section(restriction, "restrictionInfo")
        places = [place.lower() for place in items(info, "locations") or items(restriction, "values")]
        if location.lower() not in places:
            continue
        reason = restriction["reasonCode"]
        if restriction["type"] == "Zone":
            closed = set(map(str, items(info, "zones")))
            offered -= closed
            reasons.append(f"zone {', '.join(sorted(closed))}: {reason}")
        else:
            reasons.insert(0, f"not in {location} for this subscription: {reason}")
    return offered, reasons
