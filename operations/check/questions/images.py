"""Is the image there, in the region, and in the version that is asked for?"""

from collections.abc import Iterator
from typing import Any

from operations.arm import items
from operations.check.answer import Answer, from_complaints
from operations.check.asked import Asked, controller_of, controllers_of, is_launched_with_trust
from operations.plan import Change


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for each image of a machine that is to be made; one that is there needs none."""
    seen: set[tuple[str, str]] = set()
    for machine in asked.plan.of("compute:VirtualMachine"):
        reference = machine.wanted["storageProfile"]["imageReference"]
        wanted = reference.get("version") or "latest"
        name = ":".join([reference["publisher"], reference["offer"], reference["sku"], wanted])
        key = name, controller_of(machine)
        if not (machine.created or machine.replaced) or key in seen:
            continue
        seen.add(key)
        image = asked.image(machine)
        if image is None:
            yield Answer(
                "no", name, f"not in {asked.plan.location}: choose another operatingSystem, imageVersion or location"
            )
        elif image.get("properties", {}).get("plan"):
            yield Answer("no", name, f"has terms: az vm image terms accept --urn {name}")
        else:
            its = image["properties"]
            good = f"{image['name']}, {its.get('hyperVGeneration', 'V1')}"
            yield from_complaints(name, list(_lacking(machine, its)), good)


def _lacking(machine: Change, image: Any) -> Iterator[str]:
    features = {each["name"]: each["value"] for each in items(image, "features")}
    if is_launched_with_trust(machine) and "TrustedLaunch" not in features.get("SecurityType", ""):
        yield "does not support Trusted Launch: choose another operatingSystem or version"
    controllers, controller = controllers_of(features), controller_of(machine)
    if controller.upper() not in controllers:
        yield f"supports only {'/'.join(controllers)} disks, but {controller} is needed: choose another vmSize"
