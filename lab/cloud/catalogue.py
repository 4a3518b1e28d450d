"""What there is to order: regions, sizes of machines, images, kinds of disks."""

from dataclasses import dataclass

from components.settings import operating_system
from lab import image

REGIONS = frozenset(
    [
        "australiacentral",
        "australiaeast",
        "australiasoutheast",
        "austriaeast",
        "belgiumcentral",
        "brazilsouth",
        "canadacentral",
        "canadaeast",
        "centralindia",
        "centralus",
        "chilecentral",
        "eastasia",
        "eastus",
        "eastus2",
        "francecentral",
        "germanywestcentral",
        "indonesiacentral",
        "israelcentral",
        "italynorth",
        "japaneast",
        "japanwest",
        "koreacentral",
        "koreasouth",
        "malaysiawest",
        "mexicocentral",
        "newzealandnorth",
        "northcentralus",
        "northeurope",
        "norwayeast",
        "polandcentral",
        "qatarcentral",
        "southafricanorth",
        "southcentralus",
        "southeastasia",
        "southindia",
        "spaincentral",
        "swedencentral",
        "switzerlandnorth",
        "uaenorth",
        "uksouth",
        "ukwest",
        "westcentralus",
        "westeurope",
        "westindia",
        "westus",
        "westus2",
        "westus3",
    ]
)

ZONELESS_REGIONS = frozenset(
    [
        "australiacentral",
        "australiasoutheast",
        "canadaeast",
        "koreasouth",
        "northcentralus",
        "southindia",
        "ukwest",
        "westcentralus",
        "westindia",
        "westus",
    ]
)
"""Regions without availability zones."""


@dataclass(frozen=True)
class Size:
    """A size of virtual machine.

    Args:
        generations: of machines that it boots.
        controllers: how it attaches disks, the one that Azure takes where nothing is said first.
    """

    cores: int
    memory_mib: int
    data_disks: int
    premium: bool = True
    accelerated: bool = True
    generations: tuple[str, ...] = ("V1", "V2")
    controllers: tuple[str, ...] = ("SCSI",)
    trusted_launch: bool = True

    @property
    def lab_memory_mib(self) -> int:
        """Memory of the guest in the lab: the whole lab stays under 4 GiB, and one serving node fits.

        The least is for a witness, which was measured to use 45 MiB, caches aside.
        """
        return min(1024, max(384, self.memory_mib // 4))


def _family(pattern: str, memory_per_core: int, cores: tuple[int, ...]) -> dict[str, Size]:
    """Return the sizes of a series; the sixth has NVMe disks only (learn.microsoft.com, "General FAQ for NVMe")."""
    controllers = ("NVMe",) if pattern.endswith("_v6") else ("SCSI",)
    disks = {2: 4, 4: 8, 8: 16, 16: 32}
    return {pattern.format(n): Size(n, n * memory_per_core, disks[n], controllers=controllers) for n in cores}


CONFIDENTIAL = ("Standard_DC2as_v5",)
"""Sizes that take no machine without a security profile of their own kind."""


SIZES: dict[str, Size] = {
    "Standard_B1s": Size(1, 1024, 2, accelerated=False),
    "Standard_B1ms": Size(1, 2048, 2, accelerated=False),
    "Standard_B2s": Size(2, 4096, 4, accelerated=False),
    "Standard_B2ms": Size(2, 8192, 4, accelerated=False),
    "Standard_B4ms": Size(4, 16384, 8, accelerated=False),
    "Standard_B2ts_v2": Size(2, 1024, 4),
    "Standard_B2ls_v2": Size(2, 4096, 4),
    "Standard_A1_v2": Size(1, 2048, 2, premium=False, accelerated=False, generations=("V1",)),
    "Standard_A2_v2": Size(2, 4096, 4, premium=False, accelerated=False, generations=("V1",)),
    "Standard_D2_v3": Size(2, 8192, 4, premium=False, generations=("V1",)),
    "Standard_DC2as_v5": Size(2, 8192, 4, accelerated=False, generations=("V2",)),
    "Standard_DS1_v2": Size(1, 3584, 4, accelerated=False),
    "Standard_DS2_v2": Size(2, 7168, 8),
    "Standard_M64s": Size(64, 1024 * 1024, 64, trusted_launch=False),
    **_family("Standard_B{}s_v2", 4096, (2, 4, 8)),
    **_family("Standard_B{}as_v2", 4096, (2, 4, 8)),
    **_family("Standard_F{}s_v2", 2048, (2, 4, 8, 16)),
    **{
        name: size
        for version in ("v3", "v4", "v5", "v6")
        for letters in (("s",) if version == "v3" else ("s", "as", "ds", "ads"))
        for name, size in (
            _family(f"Standard_D{{}}{letters}_{version}", 4096, (2, 4, 8, 16))
            | _family(f"Standard_E{{}}{letters}_{version}", 8192, (2, 4, 8, 16))
        ).items()
    },
}
"""Sizes by name; numbers of Azure's size tables."""


def size(name: str) -> Size | None:
    """Return a size by its name; letter case does not matter."""
    return next((size for key, size in SIZES.items() if key.lower() == name.lower()), None)


def _reference(name: str) -> tuple[str, str, str]:
    """Return publisher, offer and SKU of an operating system's image, in lower case."""
    its = operating_system.load(name).image
    return its.publisher.lower(), its.offer.lower(), its.sku.lower()


GUESTS: dict[tuple[str, str, str], str] = {_reference(name): name for name in image.systems()}
"""Images that the lab has a guest for: (publisher, offer, sku) in lower case → operating system."""

IMAGE_VERSIONS = ("0.20261001.0", "0.20261101.0")
"""Versions of each of them, the latest last.  In the lab all are the same guest."""

KNOWN_IMAGES = frozenset(_reference(name) for name in operating_system.names()) - GUESTS.keys()
"""Images that exist on Azure, and not in the lab."""

DISK_SKUS = (
    "Standard_LRS",
    "StandardSSD_LRS",
    "StandardSSD_ZRS",
    "Premium_LRS",
    "Premium_ZRS",
    "PremiumV2_LRS",
    "UltraSSD_LRS",
)

PERFORMANCE_SKUS = ("PremiumV2_LRS", "UltraSSD_LRS")
"""Disks that live in a zone, want no host caching, and join no availability set."""
