"""What a size of virtual machine can do, as its name says.

learn.microsoft.com: "Azure VM sizes naming conventions", and the pages that are named below. Where nothing is known to
lack, Azure itself has the last word.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.settings.mistake import Mistake

# Family and capabilities: Standard_D4s_v5, Standard_E4-2ds_v5, Standard_M416s_8_v2,
# Standard_NC24ads_A100_v4.
_NAME = re.compile(
    r"Standard_(?P<family>[A-Z]{1,3})(?P<cpus>\d{1,4})(-\d+)?(?P<features>[a-z]*)"
    r"(_(?!v)[A-Za-z0-9]+)*(_v(?P<version>\d{1,4}))?",
    re.ASCII,
)

# Families whose names say premium storage without an "s".
_PREMIUM = ("DS", "GS", "M")

# "Confidential VM size families", and the enclaves of the first ones.
_CONFIDENTIAL = ("DC", "EC", "NCC")

# "Support for generation 2 VMs": sizes of the first three versions have it where they have premium storage.
_GENERATION_2_SINCE = 4

# "General FAQ for NVMe", "Sizes": from this version on disks are NVMe; in the series L one version of its own earlier
# has come with them.
_NVME_SINCE = 6
_NVME_SINCE_IN = {"L": 4}

# GiB of memory for each processor: learn.microsoft.com, "Sizes for virtual machines in Azure", the page of each series.
# Family, versions, and a letter among the features; the first line that fits counts. What is not
# here is not known: series without one ratio (M, GS, FX, N), and versions that are newer than these lines.
_GIB_PER_CPU: Sequence[tuple[tuple[str, range, str], float]] = (
    (("B", range(2, 3), "t"), 0.5),
    (("B", range(2, 3), "l"), 2),
    (("B", range(2, 3), ""), 4),
    (("D", range(3, 7), "l"), 2),
    (("D", range(3, 7), ""), 4),
    (("E", range(3, 7), ""), 8),
    (("F", range(1, 3), ""), 2),
    (("F", range(6, 7), "l"), 2),
    (("F", range(6, 7), "m"), 8),
    (("F", range(6, 7), ""), 4),
    (("L", range(2, 5), ""), 8),
)

# Above so many processors the series E has sizes with less for each (E64_v4: 504, E96_v5: 672).
_REGULAR_CPUS: Mapping[str, int] = {"E": 48}

# "Bv1-series", "DSv2-series", the memory-optimised ones among them ("Dv2 and DSv2-series 11-15").
_GIB: Mapping[str, float] = {
    "Standard_B1ls": 0.5,
    "Standard_B1s": 1,
    "Standard_B1ms": 2,
    "Standard_B2s": 4,
    "Standard_B2ms": 8,
    "Standard_B4ms": 16,
    "Standard_B8ms": 32,
    "Standard_B12ms": 48,
    "Standard_B16ms": 64,
    "Standard_B20ms": 80,
    "Standard_DS1_v2": 3.5,
    "Standard_DS2_v2": 7,
    "Standard_DS3_v2": 14,
    "Standard_DS4_v2": 28,
    "Standard_DS5_v2": 56,
    "Standard_DS11_v2": 14,
    "Standard_DS12_v2": 28,
    "Standard_DS13_v2": 56,
    "Standard_DS14_v2": 112,
}


@dataclass(frozen=True)
class VmSize:
    """A size.

    Args:
        name: Azure's name, such as "Standard_D2s_v5".
        family: its capital letters, such as "D".
        cpus: number of processors.
        features: its small letters, such as "ds".
        version: number of its version; 1 where the name has none.
    """

    name: str
    family: str
    cpus: int
    features: str
    version: int

    @property
    def has_premium_storage(self) -> bool:
        """Whether it takes Premium disks."""
        return "s" in self.features or self.family in _PREMIUM

    @property
    def is_nvme(self) -> bool:
        """Whether its disks are NVMe, and never SCSI."""
        return self.version >= _NVME_SINCE_IN.get(self.family, _NVME_SINCE)

    @property
    def memory_mib(self) -> int | None:
        """How much memory it has, in MiB; None where that is not known here."""
        gib = _GIB.get(self.name)
        if gib is None and self.cpus <= _REGULAR_CPUS.get(self.family, self.cpus):
            gib = next((each * self.cpus for kind, each in _GIB_PER_CPU if self._is_of(*kind)), None)
        return None if gib is None else int(gib * 1024)

    def _is_of(self, family: str, versions: range, feature: str) -> bool:
        return family == self.family and self.version in versions and feature in self.features

    @property
    def can_accelerate(self) -> bool:
        """Whether it may have accelerated networking: two processors at least, none of series A or first B.

        learn.microsoft.com, "Accelerated Networking overview", and the pages of the series A, Av2, B.
        """
        first_b = self.family == "B" and self.version == 1
        return self.cpus >= (12 if first_b else 2) and self.family != "A"


def parse(name: str) -> VmSize:
    """Read a size's name.

    Raises:
        Mistake: it is none, or one that the images of this program do not run on.
    """
    match = _NAME.fullmatch(name)
    if not match:
        hint = "; Basic sizes cannot join a Standard load balancer" * name.startswith("Basic_")
        raise Mistake(f"{name!r} is not a VM size; an example is Standard_D2s_v5{hint}")
    size = VmSize(name, match["family"], int(match["cpus"]), match["features"], int(match["version"] or 1))
    if "p" in size.features:
        raise Mistake(f"{name} has ARM processors (the p in its name), but the images are for x86-64")
    if size.family in _CONFIDENTIAL:
        raise Mistake(f"{name} is a confidential size ({size.family}), which needs its own kind of images and disks")
    if size.version < _GENERATION_2_SINCE and not size.has_premium_storage:
        raise Mistake(f"{name} has only generation 1 machines, but the images are of generation 2: choose a newer one")
    return size
