"""What a managed disk of Azure's can do, by its SKU and size."""

from collections.abc import Mapping, Sequence

# Up to how many GiB, and MB a second: learn.microsoft.com, "Azure managed disk types", the tables of sizes (P1 to P80,
# S4 to S80, E1 to E80). A Premium SSD v2 has 125 unless more is ordered, which this program does not.
_MB_PER_SECOND: Mapping[str, Sequence[tuple[int, int]]] = {
    "Premium_LRS": (
        (32, 25), (64, 50), (128, 100), (256, 125), (512, 150), (1024, 200), (4096, 250), (8192, 500), (16384, 750),
        (32767, 900),
    ),
    "PremiumV2_LRS": ((65536, 125),),
    "StandardSSD_LRS": ((4096, 100), (8192, 400), (16384, 600), (32767, 750)),
    "Standard_LRS": ((4096, 60), (8192, 300), (32767, 500)),
}  # fmt: skip

MOST_WHILE_ATTACHED = 4095
"""GiB beyond which a disk that is smaller cannot grow while it is attached: learn.microsoft.com, "Expand virtual hard
disks on a Linux VM", "Expand without downtime"."""

GROW_WITHOUT_BOUND = ("PremiumV2_LRS",)
"""SKUs that this does not hold for (the same page)."""


def throughput(sku: str, size_gib: int) -> int:
    """Return what a disk can read and write a second.

    Args:
        sku: Azure's SKU, one of those that a data disk can have.

    Returns:
        MB a second.
    """
    return next(speed for most, speed in _MB_PER_SECOND[sku] if size_gib <= most)
