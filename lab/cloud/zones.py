"""An availability zone that is away, for drills: what is in it and nowhere else does not work."""

from lab.cloud.errors import conflict
from lab.cloud.model import Resource
from lab.cloud.state import Store

ZONES = ("1", "2", "3")

_FACT = "fault_zone"


def away(store: Store) -> str:
    """Return the zone that is away; empty where none is."""
    return str(store.facts.get(_FACT, ""))


def set_away(store: Store, zone: str) -> None:
    """Take a zone away; an empty one brings all back."""
    store.facts[_FACT] = zone
    store.save()


def is_network_away(store: Store, resource: Resource) -> bool:
    """Tell whether a public address, a NAT gateway, or what has zones as they do, is away.

    What is told no zone is in one all the same, and nobody is told which (azure.microsoft.com/updates,
    "zone-behavior-change"): here, in the one that is away. A NAT gateway or an address of SKU StandardV2 is in all.
    """
    return resource.sku != "StandardV2" and are_away(store, resource.zones)


def are_away(store: Store, zones: list[str]) -> bool:
    """Tell whether something in these zones is away; none of them means the hidden one."""
    gone = away(store)
    return bool(gone) and (not zones or zones == [gone])


def check_start(store: Store, machine: Resource) -> None:
    """Refuse to start a machine of the zone that is away.

    Raises:
        ArmError: 409, ZonalAllocationFailed.
    """
    if machine.zones and are_away(store, machine.zones):
        raise conflict(
            "ZonalAllocationFailed",
            f"Allocation failed. We do not have sufficient capacity for the requested VM size in zone "
            f"{machine.zones[0]}.",
        )
