"""How many processors a subscription may have, and which sizes it may not have at all."""

import re
from collections import Counter

from lab.cloud import catalogue
from lab.cloud.errors import conflict
from lab.cloud.inventory import MACHINE, Inventory
from lab.cloud.model import Resource

LIMITS = "limits"
"""The store's fact with limits of the quota that are not as in a new subscription, by name."""

RESTRICTED = "restricted"
"""The store's fact with sizes that the subscription may not have, and their zones; no zones for nowhere at all."""

_CORES = 100
_OTHERS = 1000
"""Limits; those of a new subscription differ by its offer."""


def limit(inventory: Inventory, name: str) -> int:
    """Return a limit of the quota by its name, such as "cores" or "standardDSv5Family"."""
    usual = _CORES if name == "cores" or name.endswith("Family") else _OTHERS
    return inventory.store.facts.get(LIMITS, {}).get(name, usual)


def restrictions(inventory: Inventory) -> dict[str, list[str]]:
    """Return the sizes that the subscription may not have, each with the zones; none for the whole region."""
    return inventory.store.facts.get(RESTRICTED, {})


def family(size: str) -> str:
    """Return the family that a size's processors are counted in, in Azure's way of naming them."""
    parts = re.fullmatch(r"Standard_([A-Z]+)\d+([a-z]*)_?(v\d+)?", size)
    assert parts is not None, size
    return f"standard{parts[1]}{parts[2].upper()}{parts[3] or ''}Family"


def cores_used(inventory: Inventory, location: str, without: str = "") -> Counter[str]:
    """Return the processors in use, in all ("cores") and by family.

    Args:
        inventory: has the machines.
        location: the region.
        without: identity of a machine that is not counted.
    """
    used: Counter[str] = Counter()
    for machine in inventory.of_type(MACHINE):
        if machine.location == location and machine.key != without.lower():
            used.update(_cores(machine))
    return used


def check_stock(inventory: Inventory, resource: Resource, existing: Resource | None) -> None:
    """Refuse a machine that is new or gets another size, where the subscription may not have it.

    Raises:
        ArmError: 409; SkuNotAvailable, or OperationNotAllowed for want of quota.
    """
    size = resource.properties["hardwareProfile"]["vmSize"]
    if existing is not None and existing.properties["hardwareProfile"]["vmSize"] == size:
        return
    closed = restrictions(inventory).get(size)
    if closed is not None and (not closed or set(closed) & set(resource.zones)):
        where = f"zones '{','.join(closed)}' of location" if closed else "location"
        raise conflict(
            "SkuNotAvailable",
            f"The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: {size}' is "
            f"currently not available in {where} '{resource.location}'. Please try another size or deploy to a "
            "different location or different zone.",
        )
    used = cores_used(inventory, resource.location, resource.id)
    for name, wanted in _cores(resource).items():
        most = limit(inventory, name)
        if used[name] + wanted > most:
            title = "Total Regional Cores" if name == "cores" else f"{name} Cores"
            raise conflict(
                "OperationNotAllowed",
                f"Operation could not be completed as it results in exceeding approved {title} quota. Additional "
                f"details - Deployment Model: Resource Manager, Location: {resource.location}, Current Limit: {most}, "
                f"Current Usage: {used[name]}, Additional Required: {wanted}.",
            )


def _cores(machine: Resource) -> Counter[str]:
    size = machine.properties["hardwareProfile"]["vmSize"]
    cores = catalogue.SIZES[size].cores
    return Counter({"cores": cores, family(size): cores})
