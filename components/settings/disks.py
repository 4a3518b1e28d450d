"""The data disk of each node, and what keeps it from being deleted."""

from collections.abc import Iterable
from typing import Annotated

from components.settings.given import between, boolean, choice, given, text, texts, whole
from components.settings.mistake import Mistake
from components.settings.section import Check, Section


def _large_enough(gib: int) -> int:
    # The database's files and DRBD's metadata must fit.
    if gib < 4:
        raise Mistake(f"{gib} GiB is too small for a database; choose 4 or more")
    return gib


def _of_one_zone(sku: str) -> str:
    if sku.endswith("_ZRS"):
        raise Mistake(f"{sku} is copied across zones, which DRBD does already; choose an LRS SKU")
    return sku


class DisksSection(Section):
    data_disk_size_gb: Annotated[int, given(whole, _large_enough, between(4, 32767, "GiB"))]
    data_disk_sku: Annotated[
        str, given(text, _of_one_zone, choice("Standard_LRS", "StandardSSD_LRS", "Premium_LRS", "PremiumV2_LRS"))
    ]
    protect_data: Annotated[bool, given(boolean)]
    delete_data_disks: Annotated[tuple[str, ...], given(texts)]
    deletion_lock: Annotated[bool, given(boolean)]

    def checks(self) -> Iterable[Check]:
        return (("deletionLock", self._lock_needs_protection),)

    def _lock_needs_protection(self) -> None:
        if self.deletion_lock and not self.protect_data:
            raise Mistake(
                "is on, but protectData is off: pulumi destroy would remove the lock, and then the data;"
                " turn both on or both off"
            )
