"""Are the data disks' kinds there, in their zones?"""

from collections.abc import Iterator

from operations.arm import items
from operations.check.answer import Answer, from_complaints
from operations.check.asked import Asked, zones


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for each disk that is to be made."""
    location = asked.plan.location
    for disk in asked.plan.of("compute:Disk"):
        kind, where = disk.wanted["sku"]["name"], items(disk.wanted, "zones")
        if not (disk.created or disk.replaced):
            continue
        about = f"{disk.name}: {kind}"
        sku = asked.sku("disks", kind)
        if sku is None:
            yield Answer("no", about, f"is not offered in {location}")
            continue
        offered, complaints = zones(sku, location)
        if where and not set(where) <= offered:
            complaints.append(f"zone {', '.join(where)} is asked for, but it is offered in {sorted(offered) or 'none'}")
        yield from_complaints(about, complaints, f"in zone {', '.join(where)}" if where else f"in {location}")
