"""What the platform sees of a machine."""

from lab.cloud.model import Json, Resource, now
from lab.cloud.resources.virtual_machine.power import power_state
from lab.cloud.site import Site


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
