"""Are the machines' sizes there, in their zones, with what is asked of them?"""

from collections.abc import Iterator
from typing import Any

from operations.arm import items
from operations.check.answer import Answer, from_complaints
from operations.check.asked import Asked, capabilities, controller_of, controllers_of, is_launched_with_trust, zones
from operations.plan import Change


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for each machine that is new, or gets another size."""
    for machine in asked.plan.of("compute:VirtualMachine"):
        old, new = machine.old or {}, machine.wanted
        if machine.replaced or old.get("hardwareProfile") != new["hardwareProfile"]:
            yield _answer(asked, machine, new)


def _answer(asked: Asked, machine: Change, new: Any) -> Answer:
    size, where, location = new["hardwareProfile"]["vmSize"], items(new, "zones"), asked.plan.location
    about = f"{machine.name}: {size}"
    sku = asked.sku("virtualMachines", size)
    if sku is None:
        return Answer("no", about, f"is not offered in {location}")
    offered, complaints = zones(sku, location)
    if where and not set(where) <= offered:
        there = f"in zones {', '.join(sorted(offered))}" if offered else "in no zone"
        complaints.append(f"zone {', '.join(where)} is asked for, but it is offered {there}")
    elif not where:
        # A zone that is closed is of no concern to a machine without one.
        complaints = [complaint for complaint in complaints if not complaint.startswith("zone ")]
    complaints += _lacking(asked, machine, new, capabilities(sku))
    return from_complaints(about, complaints, f"in zone {', '.join(where)}" if where else f"in {location}")


def _lacking(asked: Asked, machine: Change, new: Any, able: dict[str, str]) -> Iterator[str]:
    storage, data = new["storageProfile"], asked.plan.part(machine, "data")
    image = (asked.image(machine) or {}).get("properties", {})
    generation = image.get("hyperVGeneration", "V1")
    if image and generation not in able.get("HyperVGenerations", "V1").split(","):
        yield f"has no generation {generation[1:]} machines, which its image needs"
    architecture = able.get("CpuArchitectureType", "x64")
    if image and image.get("architecture", "x64").lower() != architecture.lower():
        yield f"is {architecture}, but its image is {image.get('architecture', 'x64')}"
    skus = {storage["osDisk"].get("managedDisk", {}).get("storageAccountType", ""), data.get("sku", {}).get("name", "")}
    for sku in sorted(skus):
        if sku.startswith("Premium") and able.get("PremiumIO") != "True":
            yield f"does not support {sku} disks"
    accelerated = asked.plan.part(machine, "interface").get("enableAcceleratedNetworking")
    if accelerated and able.get("AcceleratedNetworkingEnabled") != "True":
        yield "does not support accelerated networking"
    disks = len(items(storage, "dataDisks"))
    if disks > int(able.get("MaxDataDiskCount", disks)):
        yield f"takes {able['MaxDataDiskCount']} data disks, but {disks} are asked for"
    controllers, controller = controllers_of(able), controller_of(machine)
    if controller.upper() not in controllers:
        yield f"supports only {'/'.join(controllers)} disks, but {controller} is asked for"
    # Only sizes that lack it have a word for it (learn.microsoft.com, "Trusted Launch for Azure VMs").
    if is_launched_with_trust(machine) and able.get("TrustedLaunchDisabled", "False") != "False":
        yield "does not support Trusted Launch"
