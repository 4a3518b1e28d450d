"""What a managed disk of Azure's can do, by its SKU and size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Up to how many GiB, operations and MB a second: learn.microsoft.com, "Azure managed disk types", the tables of sizes
# (P1 to P80, S4 to S80, E1 to E80), without bursts, which end. A Premium SSD v2 has 3000 and 125 unless more is
# ordered, which this program does not.
_SPEED: Mapping[str, Sequence[tuple[int, int, int]]] = {
    "Premium_LRS": (
        (32, 120, 25), (64, 240, 50), (128, 500, 100), (256, 1100, 125), (512, 2300, 150), (1024, 5000, 200),
        (2048, 7500, 250), (4096, 7500, 250), (8192, 16000, 500), (16384, 18000, 750), (32767, 20000, 900),
    ),
    "PremiumV2_LRS": ((65536, 3000, 125),),
    "StandardSSD_LRS": ((4096, 500, 100), (8192, 2000, 400), (16384, 4000, 600), (32767, 6000, 750)),
    "Standard_LRS": ((4096, 500, 60), (8192, 1300, 300), (16384, 2000, 500), (32767, 2000, 500)),
}  # fmt: skip

MOST_WHILE_ATTACHED = 4095
"""GiB beyond which a disk that is smaller cannot grow while it is attached: learn.microsoft.com, "Expand virtual hard
disks on a Linux VM", "Expand without downtime"."""

GROW_WITHOUT_BOUND = ("PremiumV2_LRS",)
"""SKUs that this does not hold for (the same page)."""


@dataclass(frozen=True)
class Speed:
    """What a disk can do for as long as it takes.

    Args:
        iops: reads and writes a second.
        throughput: MB a second.
    """

    iops: int
    throughput: int


def speed(sku: str, size_gib: int) -> Speed:
    """Return how fast a disk is.

    Args:
        sku: Azure's SKU, one of those that a data disk can have.
    """
    return next(Speed(iops, throughput) for most, iops, throughput in _SPEED[sku] if size_gib <= most)
