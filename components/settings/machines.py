"""The machines: what they run, how large they are, and what keeps them apart."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated

from components.settings import operating_system
from components.settings.given import boolean, choice, given, text, texts
from components.settings.mistake import Mistake
from components.settings.operating_system import OperatingSystem, OperatingSystemError
from components.settings.section import Check, Section

# Family and capabilities: Standard_D4s_v5, Standard_E4-2ds_v5, Standard_M416s_8_v2,
# Standard_NC24ads_A100_v4 (learn.microsoft.com, "Azure VM sizes naming conventions").
_VM_SIZE = re.compile(
    r"Standard_(?P<family>[A-Z]{1,3})(?P<cpus>\d+)(-\d+)?(?P<features>[a-z]*)"
    r"(_(?!v)[A-Za-z0-9]+)*(?P<version>_v\d+)?"
)

_ZONES = ("1", "2", "3")


def _operating_system(name: str) -> OperatingSystem:
    try:
        return operating_system.load(name)
    except OperatingSystemError as error:
        raise Mistake(str(error)) from None


def _image_version(value: str) -> str:
    if value != "latest" and not re.fullmatch(r"\d+\.\d+\.\d+", value):
        raise Mistake(f"{value!r} is neither latest nor a version of Azure's, such as 24.04.202511010")
    return value


def _vm_size(value: str) -> str:
    match = _VM_SIZE.fullmatch(value)
    if not match:
        hint = "; Basic sizes cannot join a Standard load balancer" * value.startswith("Basic_")
        raise Mistake(f"{value!r} is not a VM size; an example is Standard_D2s_v5{hint}")
    if "p" in match["features"]:
        raise Mistake(f"{value} has ARM processors (its p); the images are for x86-64")
    return value


def _os_disk_sku(value: str) -> str:
    if value == "PremiumV2_LRS":
        raise Mistake(f"{value} cannot hold an operating system; choose Premium_LRS")
    return choice("Standard_LRS", "StandardSSD_LRS", "Premium_LRS")(value)


def _zones(values: Sequence[str]) -> Sequence[str]:
    for value in values:
        if value not in _ZONES:
            raise Mistake(f"{value!r} is not a zone; zones are 1, 2 and 3")
    if len(values) > 2:
        raise Mistake(f"has {len(values)} zones; name one a node, or one for both")
    if len(values) == 2 and values[0] == values[1]:
        raise Mistake(f"both nodes are in zone {values[0]}; name it once if that is meant")
    return values


def premium_fits(sku: str, key: str, size: str) -> None:
    """Check that a VM size takes a disk's SKU: Premium fits those with an "s", and the families DS, GS and M.

    Args:
        key: the setting whose value the size is.
    """
    match = _VM_SIZE.fullmatch(size)
    has_premium = match is not None and ("s" in match["features"] or match["family"] in ("DS", "GS", "M"))
    if sku.startswith("Premium") and not has_premium:
        raise Mistake(f"{sku} does not fit {key} {size}, which has no premium storage (no s in its name)")


def _can_accelerate(size: str) -> bool:
    """Tell whether a VM size may have accelerated networking: two processors at least, none of series A or first B.

    Of sizes that are not known to lack it Azure itself has the last word (learn.microsoft.com, "Accelerated Networking
    overview", "Supported VM instances", and the pages of the series A, Av2, B).
    """
    match = _VM_SIZE.fullmatch(size)
    if match is None:
        return False
    first_b = match["family"] == "B" and match["version"] is None
    return int(match["cpus"]) >= (12 if first_b else 2) and match["family"] != "A"


class MachinesSection(Section):
    operating_system: Annotated[OperatingSystem, given(text, _operating_system)]
    image_version: Annotated[str, given(text, _image_version)]
    witness: Annotated[bool, given(boolean)]
    witness_size: Annotated[str, given(text, _vm_size)]
    availability_set: Annotated[bool, given(boolean)]
    zones: Annotated[tuple[str, ...], given(texts, _zones)]
    vm_size: Annotated[str, given(text, _vm_size)]
    accelerated_networking: Annotated[bool, given(boolean)]
    os_disk_sku: Annotated[str, given(text, _os_disk_sku)]

    @property
    def zones_of_nodes(self) -> tuple[str | None, str | None]:
        """The zone of each node; None for none."""
        first, second = (self.zones * 2)[:2] or (None, None)
        return first, second

    @property
    def zone_of_witness(self) -> str | None:
        """One that no node is in, so that no failure of a zone takes two of three votes; None for none."""
        return next(zone for zone in _ZONES if zone not in self.zones) if self.zones else None

    @property
    def zones_of_address(self) -> tuple[str, ...]:
        """The zones of an address that leads to both: of one or of all three; two would be none of Azure's."""
        return _ZONES if len(self.zones) > 1 else self.zones

    def checks(self) -> Iterable[Check]:
        return (
            ("zones", self._something_keeps_the_nodes_apart),
            ("osDiskSku", lambda: premium_fits(self.os_disk_sku, "vmSize", self.vm_size)),
            ("witnessSize", lambda: premium_fits(self.os_disk_sku, "witnessSize", self.witness_size)),
            ("acceleratedNetworking", self._size_can_accelerate),
        )

    def _something_keeps_the_nodes_apart(self) -> None:
        if self.zones and self.availability_set:
            raise Mistake("excludes an availability set; set availabilitySet to false, or leave it out")
        if not self.zones and not self.availability_set:
            raise Mistake("is empty, and availabilitySet is false: one rack could hold both nodes")

    def _size_can_accelerate(self) -> None:
        if self.accelerated_networking and not _can_accelerate(self.vm_size):
            raise Mistake(f"vmSize {self.vm_size} has none: it takes 2 processors, and not the series A or the first B")
