"""Is the image there, in the region, and in the version that is asked for?"""

from collections.abc import Iterator

from operations.check.answer import Answer
from operations.check.asked import Asked


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for each image of a machine that is to be made; one that is there needs none."""
    seen: set[str] = set()
    for machine in asked.plan.of("compute:VirtualMachine"):
        reference = machine.wanted["storageProfile"]["imageReference"]
        wanted = reference.get("version") or "latest"
        name = ":".join([reference["publisher"], reference["offer"], reference["sku"], wanted])
        if not (machine.created or machine.replaced) or name in seen:
            continue
        seen.add(name)
        image = asked.image(machine)
        if image is None:
            yield Answer(
                "no", name, f"not in {asked.plan.location}: choose another operatingSystem, imageVersion or location"
            )
        elif image.get("properties", {}).get("plan"):
            yield Answer("no", name, f"has terms: az vm image terms accept --urn {name}")
        else:
            yield Answer("yes", name, f"{image['name']}, {image['properties'].get('hyperVGeneration', 'V1')}")
