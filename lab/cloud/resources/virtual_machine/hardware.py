"""A machine's size, and what it can do."""

from lab.cloud import catalogue
from lab.cloud.errors import bad_request, invalid
from lab.cloud.fields import section, text
from lab.cloud.model import Json, Resource


def checked_size(given: Json) -> str:
    """Return the name of the size that a body asks for."""
    wanted = text(section(given, "hardwareProfile"), "vmSize")
    for name in catalogue.SIZES:
        if name.lower() == wanted.lower():
            return name
    raise invalid(
        f"The value {wanted or '(none)'} provided for the VM size is not valid. The valid sizes in the current "
        f"region are: {', '.join(sorted(catalogue.SIZES))}.",
        "vmSize",
    )


def size_of(resource: Resource) -> catalogue.Size:
    return catalogue.SIZES[resource.properties["hardwareProfile"]["vmSize"]]


def check_premium(resource: Resource, sku: str) -> None:
    """Refuse a disk of a kind that the machine's size cannot have."""
    size = resource.properties["hardwareProfile"]["vmSize"]
    if sku.startswith("Premium") and not size_of(resource).premium:
        raise invalid(
            f"Requested operation cannot be performed because the VM size {size} does not support the storage "
            f"account type {sku} of disk.",
            "vmSize",
        )


def check_acceleration(resource: Resource, interface: Resource) -> None:
    """Refuse an interface with accelerated networking on a size that cannot have it."""
    size = resource.properties["hardwareProfile"]["vmSize"]
    if interface.properties["enableAcceleratedNetworking"] and not size_of(resource).accelerated:
        raise bad_request(
            "VMSizeIsNotPermittedToEnableAcceleratedNetworking",
            f"The VM size {size} is not permitted to enable accelerated networking of {interface.id}.",
            "networkProfile",
        )
