"""What a machine is to its driver."""

from ipaddress import IPv4Address
from pathlib import Path

from lab.cloud.guest import GuestInterface, Seed, decode, seed
from lab.cloud.inventory import DISK
from lab.cloud.machines import Definition
from lab.cloud.model import Resource
from lab.cloud.resources.disk import disk_file
from lab.cloud.resources.virtual_machine.hardware import size_of
from lab.cloud.resources.virtual_network import gateway, subnet_prefix
from lab.cloud.site import Site


def machine_folder(site: Site, resource: Resource) -> Path:
    return site.machine_folders / resource.name


def define(site: Site, resource: Resource) -> Definition:
    """Return a machine's definition as its resources describe it now."""
    inventory = site.inventory
    interfaces = inventory.interfaces_of(resource)
    data_disks: dict[int, Path] = {}
    for entry in resource.properties["storageProfile"]["dataDisks"]:
        disk = inventory.get(entry["managedDisk"]["id"], DISK)
        if disk is not None:
            data_disks[entry["lun"]] = disk_file(site, disk)
    return Definition(
        name=resource.name,
        directory=machine_folder(site, resource),
        guest=resource.hidden["guest"],
        memory_mib=size_of(resource).lab_memory_mib,
        interfaces=tuple((i.hidden["tap"], i.hidden["mac"]) for i in interfaces),
        data_disks=data_disks,
        seed=_seed(site, resource, interfaces[0]),
    )


def _seed(site: Site, resource: Resource, interface: Resource) -> Seed:
    profile = resource.properties["osProfile"]
    prefix = subnet_prefix(site.inventory.network_of(interface)[1])
    return seed(
        vm_id=resource.properties["vmId"],
        host_name=profile["computerName"],
        admin=profile["adminUsername"],
        ssh_keys=tuple(key["keyData"].strip() for key in profile["linuxConfiguration"]["ssh"]["publicKeys"]),
        ca_certificate=site.ca_certificate,
        custom_data=decode(resource.hidden.get("customData", "")),
        interface=GuestInterface(
            interface.hidden["mac"], site.inventory.private_address(interface), prefix, IPv4Address(gateway(prefix))
        ),
    )
