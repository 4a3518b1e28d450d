"""A machine's power: what is asked for, and what is seen of it."""

import time

from lab.cloud import zones
from lab.cloud.errors import ArmError, conflict
from lab.cloud.model import Json, Resource, now
from lab.cloud.resources.virtual_machine.definition import define
from lab.cloud.resources.virtual_network import bridge_name
from lab.cloud.site import Site

ACTIONS = {"start": "start", "poweroff": "powerOff", "restart": "restart", "deallocate": "deallocate"}
"""Power actions by the lower-case form of the path's last word."""


async def switch_on(site: Site, resource: Resource) -> None:
    """Start the machine on the disks and interfaces that it has now."""
    zones.check_start(site.store, resource)
    definition = define(site, resource)
    for interface in site.inventory.interfaces_of(resource):
        network, _ = site.inventory.network_of(interface)
        await site.fabric.ensure_tap(interface.hidden["tap"], bridge_name(network.id))
    resource.hidden["power"] = "running"
    if site.machines.is_running(definition):
        return
    resource.hidden.update(
        {
            "started": time.time(),
            "boot_seconds": None,
            "attached": {lun: str(path) for lun, path in definition.data_disks.items()},
            "running_size": resource.properties["hardwareProfile"]["vmSize"],
        }
    )
    site.store.save()
    try:
        await site.machines.start(definition)
    except Exception as error:
        raise ArmError(409, "OSProvisioningInternalError", f"VM '{resource.name}' does not start: {error}") from error


async def act(site: Site, resource: Resource, action: str, abrupt: bool) -> None:
    """Carry out a power action.

    Args:
        action: start, powerOff, restart or deallocate.
        abrupt: whether powerOff cuts the power (`skipShutdown`); else the guest is asked first.
    """
    definition = define(site, resource)
    if action == "start":
        await switch_on(site, resource)
    elif action == "restart":
        if not site.machines.is_running(definition):
            raise conflict(
                "OperationNotAllowed", f"Cannot restart VM '{resource.name}' since it is not running. Start it instead."
            )
        await site.machines.shut_down(definition)
        await switch_on(site, resource)
    else:
        # What the guest does from here on is wanted: the watch must not take it for the guest's own decision.
        resource.hidden["power"] = "stopping"
        await (site.machines.power_off if abrupt else site.machines.shut_down)(definition)
        resource.hidden["power"] = "deallocated" if action == "deallocate" else "stopped"
    site.store.save()


def power_state(site: Site, resource: Resource) -> str:
    """Return running, stopped, deallocated, or starting before a machine's first start."""
    if site.machines.is_running(define(site, resource)):
        return "running"
    if resource.hidden["power"] == "deallocated":
        return "deallocated"
    if resource.provisioning == "Creating" and not resource.hidden.get("provisioned"):
        return "starting"
    return "stopped"


async def observe(site: Site, resource: Resource) -> bool:
    """Tell whether the guest lets in; note how long it took, the first time after each start."""
    if resource.hidden.get("boot_seconds") is not None:
        return True
    interfaces = site.inventory.interfaces_of(resource)
    if not interfaces or not await site.machines.answers(str(site.inventory.private_address(interfaces[0]))):
        return False
    if resource.hidden.get("boot_seconds") is None:
        resource.hidden["boot_seconds"] = round(time.time() - resource.hidden.get("started", time.time()), 2)
        site.store.save()
    return True


def instance_view(site: Site, resource: Resource) -> Json:
    """Return what the platform sees of a machine now."""
    storage = resource.properties["storageProfile"]
    disks = [storage["osDisk"], *storage["dataDisks"]]
    attached = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"}
    return {
        "computerName": resource.properties["osProfile"]["computerName"],
        "osName": resource.hidden["guest"].split("-")[0],
        "hyperVGeneration": "V2",
        "disks": [{"name": disk["name"], "statuses": [attached]} for disk in disks],
        "statuses": _statuses(site, resource),
    }


def _statuses(site: Site, resource: Resource) -> list[Json]:
    """Return the statuses of the instance view: provisioning and power."""
    state = resource.provisioning.lower()
    power = power_state(site, resource)
    return [
        {
            "code": f"ProvisioningState/{state}",
            "level": "Error" if state == "failed" else "Info",
            "displayStatus": f"Provisioning {state}",
            "time": now(),
        },
        {"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"},
    ]
