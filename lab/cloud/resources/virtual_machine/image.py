"""The image that a machine is made from."""

from lab.cloud import catalogue
from lab.cloud.errors import ArmError, bad_request
from lab.cloud.fields import text
from lab.cloud.model import Json
from lab.cloud.resources.virtual_machine.refusal import invalid


def guest_of(image: Json) -> str:
    """Return the lab's guest for an image reference.

    Raises:
        ArmError: the image is not there (404, PlatformImageNotFound), or is one's own.
    """
    if text(image, "id"):
        raise bad_request(
            "LabNotSupported", "Images of one's own are not supported by the lab cloud.", "imageReference"
        )
    words = [text(image, name) for name in ("publisher", "offer", "sku")]
    if not all(words):
        raise invalid("imageReference needs publisher, offer, sku and version.", "imageReference")
    key = (words[0].lower(), words[1].lower(), words[2].lower())
    guest = catalogue.GUESTS.get(key)
    if guest is not None and exact_version(image) in catalogue.IMAGE_VERSIONS:
        return guest
    named = ":".join([*words, text(image, "version") or "latest"])
    there = ", ".join(sorted({":".join(known) for known in catalogue.GUESTS}))
    known = "exists on Azure, and the lab has no guest for it" if key in catalogue.KNOWN_IMAGES else "is not available"
    raise ArmError(
        404,
        "PlatformImageNotFound",
        f"The platform image '{named}' {known}. The lab has: {there}, in versions "
        f"{', '.join(catalogue.IMAGE_VERSIONS)}.",
        "imageReference",
    )


def exact_version(image: Json) -> str:
    """Return the version that an image reference means: latest is that of the day on which the machine is made."""
    version = text(image, "version") or "latest"
    return catalogue.IMAGE_VERSIONS[-1] if version == "latest" else version
