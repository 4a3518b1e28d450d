"""The machines: what they run, how large they are, and what keeps them apart."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated

from components.settings import operating_system
from components.settings.given import boolean, choice, given, text, texts
from components.settings.mistake import Mistake
from components.settings.operating_system import OperatingSystem, OperatingSystemError
from components.settings.section import Check, Section
from components.settings.vm_size import VmSize, parse

_ZONES = ("1", "2", "3")


def _operating_system(name: str) -> OperatingSystem:
    try:
        return operating_system.load(name)
    except OperatingSystemError as error:
        raise Mistake(str(error)) from None


def _image_version(value: str) -> str:
    if value != "latest" and not re.fullmatch(r"\d+\.\d+\.\d+", value, re.ASCII):
        raise Mistake(f"{value!r} is neither latest nor a version of Azure's, such as 24.04.202511010")
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
        raise Mistake(f"has {len(values)} zones; name one for each node, or one for both")
    if len(values) == 2 and values[0] == values[1]:
        raise Mistake(f"both nodes are in zone {values[0]}; if that is what you want, name it once")
    return values


def premium_fits(sku: str, key: str, size: VmSize) -> None:
    """Check that a VM size takes a disk's SKU.

    Args:
        key: the setting whose value the size is.
    """
    if sku.startswith("Premium") and not size.has_premium_storage:
        raise Mistake(f"{sku} does not fit {key} {size.name}, which has no premium storage (no s in its name)")


class MachinesSection(Section):
    operating_system: Annotated[OperatingSystem, given(text, _operating_system)]
    image_version: Annotated[str, given(text, _image_version)]
    witness: Annotated[bool, given(boolean)]
    witness_size: Annotated[VmSize, given(text, parse)]
    availability_set: Annotated[bool, given(boolean)]
    zones: Annotated[tuple[str, ...], given(texts, _zones)]
    vm_size: Annotated[VmSize, given(text, parse)]
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
            raise Mistake(
                "is empty, and availabilitySet is false: both nodes could be in the same rack; set one of the two"
            )

    def _size_can_accelerate(self) -> None:
        if self.accelerated_networking and not self.vm_size.can_accelerate:
            raise Mistake(
                f"vmSize {self.vm_size.name} does not support it: a size needs 2 processors or more, and must not be of"
                " series A or the first B series"
            )
