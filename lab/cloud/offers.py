"""What the subscription may have in a region: sizes, disks, images, what of the quota is used, and which names."""

import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address

from aiohttp import web

from lab.cloud import catalogue
from lab.cloud.errors import ArmError, bad_request
from lab.cloud.fields import section, text
from lab.cloud.inventory import (
    AVAILABILITY_SET,
    BALANCER,
    DISK,
    INTERFACE,
    MACHINE,
    NETWORK,
    PUBLIC_ADDRESS,
    SECURITY_GROUP,
    VAULT,
    Inventory,
)
from lab.cloud.model import Json, Resource
from lab.cloud.request import body_of
from lab.cloud.resources import public_address, storage_account
from lab.cloud.resources.virtual_machine.quota import cores_used, family, limit, restrictions
from lab.cloud.resources.virtual_network import subnet_prefix

_ZONES = ("1", "2", "3")

_DISK_COUNTERS = {
    sku: f"{sku.partition('_')[0]}{sku.partition('_')[2].removeprefix('LRS')}DiskCount" for sku in catalogue.DISK_SKUS
}

_NETWORK_COUNTERS = {
    "VirtualNetworks": NETWORK,
    "NetworkInterfaces": INTERFACE,
    "NetworkSecurityGroups": SECURITY_GROUP,
    "PublicIPAddresses": PUBLIC_ADDRESS,
    "StandardSkuPublicIpAddresses": PUBLIC_ADDRESS,
    "LoadBalancers": BALANCER,
    "StandardSkuLoadBalancers": BALANCER,
}


class Offers:
    """Answers what can be asked before anything is made.

    Args:
        inventory: what there is already.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def answer(self, request: web.Request, words: list[str]) -> web.StreamResponse | None:
        """Answer a request; None where it is none of these.

        Args:
            request: the request.
            words: its path after the subscription, in lower case.
        """
        match [request.method, *words]:
            case ["GET", "providers", "microsoft.compute", "skus"]:
                wanted = re.fullmatch("location eq '([a-z0-9]+)'", request.query.get("$filter", ""))
                return _list(self._skus(wanted[1] if wanted else "westeurope"))
            case ["GET", "providers", "microsoft.compute", "locations", location, "usages"]:
                return _list(self._compute(location))
            case ["GET", "providers", "microsoft.network", "locations", location, "usages"]:
                return _list(self._network(location))
            case ["GET", "providers", "microsoft.compute", "locations", _, "publishers", publisher,
                  "artifacttypes", "vmimage", "offers", offer, "skus", sku, "versions", *rest]:  # fmt: skip
                return _image((publisher, offer, sku), rest)
            case ["GET", "providers", "microsoft.network", "locations", location, "checkdnsnameavailability"]:
                return web.json_response(
                    {"available": self._is_free(request.query.get("domainNameLabel", ""), location)}
                )
            case ["POST", "providers", "microsoft.keyvault", "checknameavailability"]:
                return web.json_response(self._vault_name(text(await body_of(request), "name")))
            case ["POST", "providers", "microsoft.storage", "checknameavailability"]:
                return web.json_response(self._account_name(text(await body_of(request), "name")))
            case _:
                return None

    def _skus(self, location: str) -> Iterator[Json]:
        zones = [] if location in catalogue.ZONELESS_REGIONS else list(_ZONES)
        here = [{"location": location, "zones": zones, "zoneDetails": []}]
        restricted = restrictions(self._inventory)
        for name, size in sorted(catalogue.SIZES.items()):
            capabilities = {
                "vCPUs": size.cores,
                "MemoryGB": size.memory_mib / 1024,
                "MaxDataDiskCount": size.data_disks,
                "PremiumIO": size.premium,
                "AcceleratedNetworkingEnabled": size.accelerated,
                "HyperVGenerations": ",".join(size.generations),
                "CpuArchitectureType": "x64",
                "DiskControllerTypes": ",".join(size.controllers),
                **({} if size.trusted_launch else {"TrustedLaunchDisabled": True}),
            }
            yield {
                "resourceType": "virtualMachines",
                "name": name,
                "tier": "Standard",
                "size": name.removeprefix("Standard_"),
                "family": family(name),
                "locations": [location],
                "locationInfo": here,
                "capabilities": [{"name": key, "value": str(value)} for key, value in capabilities.items()],
                "restrictions": [_restriction(location, restricted[name])] if name in restricted else [],
            }
        for name in catalogue.DISK_SKUS:
            yield {
                "resourceType": "disks",
                "name": name,
                "locations": [location],
                "locationInfo": here,
                "capabilities": [],
                "restrictions": [],
            }

    def _usages(self, used: Counter[str], names: Iterator[str]) -> Iterator[Json]:
        for name in names:
            yield {
                "unit": "Count",
                "currentValue": used[name],
                "limit": limit(self._inventory, name),
                "name": {"value": name, "localizedValue": name},
            }

    def _compute(self, location: str) -> Iterator[Json]:
        used = cores_used(self._inventory, location)
        for machine in self._in(MACHINE, location):
            used["virtualMachines"] += 1
            system = section(section(machine.properties, "storageProfile"), "osDisk")
            used[_DISK_COUNTERS[section(system, "managedDisk")["storageAccountType"]]] += 1
        used.update(_DISK_COUNTERS[disk.sku] for disk in self._in(DISK, location))
        used["availabilitySets"] = len(list(self._in(AVAILABILITY_SET, location)))
        families = sorted({family(name) for name in catalogue.SIZES})
        names = ["availabilitySets", "cores", "virtualMachines", *families, *_DISK_COUNTERS.values()]
        return self._usages(used, iter(names))

    def _network(self, location: str) -> Iterator[Json]:
        used = Counter({name: len(list(self._in(type_, location))) for name, type_ in _NETWORK_COUNTERS.items()})
        return self._usages(used, iter(_NETWORK_COUNTERS))

    def _in(self, type_: str, location: str) -> Iterator[Resource]:
        return (resource for resource in self._inventory.of_type(type_) if resource.location == location)

    def _is_free(self, label: str, location: str) -> bool:
        public_address.check_label(label)
        return public_address.taken_by(self._inventory, label, location) is None

    def _vault_name(self, name: str) -> Json:
        if any(vault.name.lower() == name.lower() for vault in self._inventory.of_type(VAULT)):
            message = f"The vault name '{name}' is already in use."
            return {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
        return {"nameAvailable": True}

    def _account_name(self, name: str) -> Json:
        if not storage_account.NAME.fullmatch(name):
            message = f"{name} is not a valid storage account name."
            return {"nameAvailable": False, "reason": "AccountNameInvalid", "message": message}
        if storage_account.taken(self._inventory, name):
            message = f"The storage account named {name} is already taken."
            return {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
        return {"nameAvailable": True}


def _restriction(location: str, zones: list[str]) -> Json:
    info: Json = {"locations": [location], **({"zones": zones} if zones else {})}
    return {
        "type": "Zone" if zones else "Location",
        "values": [location],
        "restrictionInfo": info,
        "reasonCode": "NotAvailableForSubscription",
    }


def _list(found: Iterator[Json]) -> web.Response:
    return web.json_response({"value": list(found)})


def _image(key: tuple[str, str, str], rest: list[str]) -> web.Response:
    """Answer with the versions of an image, or with what one of them is."""
    if key not in catalogue.GUESTS and key not in catalogue.KNOWN_IMAGES:
        raise ArmError(404, "NotFound", f"Artifact: VMImage was not found: {':'.join(key)}.")
    if not rest:
        return web.json_response([{"name": version} for version in catalogue.IMAGE_VERSIONS])
    if rest[0] not in catalogue.IMAGE_VERSIONS:
        raise ArmError(404, "NotFound", f"Artifact: VMImage version {rest[0]} was not found: {':'.join(key)}.")
    features = {"SecurityType": "TrustedLaunchSupported", "DiskControllerTypes": "SCSI, NVMe"}
    properties = {
        "hyperVGeneration": "V2",
        "architecture": "x64",
        "features": [{"name": name, "value": value} for name, value in features.items()],
    }
    return web.json_response({"name": rest[0], "properties": properties})


def address_availability(inventory: Inventory, network: Resource, address: str) -> Json:
    """Tell whether a private address may be given to something.

    Args:
        inventory: what has addresses.
        network: the virtual network.
        address: an IPv4 address in it.

    Raises:
        ArmError: it is in none of the network's subnets.
    """
    wanted = IPv4Address(address)
    for subnet in network.properties["subnets"]:
        if wanted in (prefix := subnet_prefix(subnet)):
            used = inventory.subnet_users(f"{network.id}/subnets/{subnet['name']}")
            # Azure keeps a subnet's first four addresses and its last.
            free = [str(host) for host in list(prefix.hosts())[3:] if host not in used]
            available = str(wanted) in free
            return {"available": available, "availableIPAddresses": [] if available else free[:5]}
    raise bad_request("PrivateIPAddressNotInAnySubnet", f"Private IP address {address} is in no subnet.")
