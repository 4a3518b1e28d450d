"""A machine's size, and what it can do."""

from lab.cloud import catalogue
from lab.cloud.errors import bad_request, invalid
from lab.cloud.fields import choice, section, text
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


def check_generation(resource: Resource, generation: str) -> None:
    """Refuse a size that does not boot an image's generation of machines."""
    size = resource.properties["hardwareProfile"]["vmSize"]
    if generation not in size_of(resource).generations:
        number = generation.removeprefix("V")
        raise bad_request(
            "BadRequest",
            f"The selected VM size '{size}' cannot boot Hypervisor Generation '{number}'. If this was a Create "
            "operation please check that the Hypervisor Generation of the Image matches the Hypervisor Generation of "
            "the selected VM Size.",
            "vmSize",
        )


def checked_security(resource: Resource, given: Json) -> Json:
    """Return what becomes of a security profile: confidential sizes take one of their own kind only."""
    profile = section(given, "securityProfile")
    launch = size_of(resource).trusted_launch
    usual = "TrustedLaunch" if launch else "Standard"
    kind = choice(profile, "securityType", ("Standard", "TrustedLaunch", "ConfidentialVM"), usual)
    size = resource.properties["hardwareProfile"]["vmSize"]
    if (kind == "ConfidentialVM") != (size in catalogue.CONFIDENTIAL) or (kind == "TrustedLaunch" and not launch):
        raise bad_request(
            "BadRequest", f"The VM size '{size}' is not supported for the security type '{kind}'.", "securityProfile"
        )
    if section(profile, "uefiSettings") and kind == "Standard":
        raise invalid("uefiSettings are for the security types TrustedLaunch and ConfidentialVM.", "securityProfile")
    return {**profile, "securityType": kind}


def checked_controller(resource: Resource, given: Json, existing: Resource | None) -> str:
    """Return how a machine's disks are attached: as asked for, as before, or as its size does."""
    size = resource.properties["hardwareProfile"]["vmSize"]
    controllers = size_of(resource).controllers
    before = existing.properties["storageProfile"]["diskControllerType"] if existing else controllers[0]
    wanted = choice(given, "diskControllerType", ("SCSI", "NVMe"), before)
    if wanted not in controllers:
        raise invalid(
            f"The VM size '{size}' does not support the disk controller type '{wanted}', but {', '.join(controllers)}.",
            "diskControllerType",
        )
    return wanted


def check_acceleration(resource: Resource, interface: Resource) -> None:
    """Refuse an interface with accelerated networking on a size that cannot have it."""
    size = resource.properties["hardwareProfile"]["vmSize"]
    if interface.properties["enableAcceleratedNetworking"] and not size_of(resource).accelerated:
        raise bad_request(
            "VMSizeIsNotPermittedToEnableAcceleratedNetworking",
            f"The VM size {size} is not permitted to enable accelerated networking of {interface.id}.",
            "networkProfile",
        )
