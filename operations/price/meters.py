"""What of a stack is paid for, and by which meters of Azure's price list."""

from collections.abc import Callable
from dataclasses import dataclass

from operations.arm import items, section
from operations.plan import Inputs

_SYSTEM_DISK_GIB = 30
"""Size of the system disk of the images, where the program gives none."""


@dataclass(frozen=True)
class Meter:
    """What the price list is asked for, in its own words; what is empty is not asked for.

    Args:
        title: for people.
        service: serviceName.
        region: armRegionName; what is listed for everywhere is looked at in any case.
        size: armSkuName.
        product: productName.
        sku: skuName.
        names: meterName, any of these.
    """

    title: str
    service: str
    region: str
    size: str = ""
    product: str = ""
    sku: str = ""
    names: tuple[str, ...] = ()


Paid = tuple[Meter | str, ...]
"""Meters; and the titles of what is paid for and has no meter here."""

_SIZES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32767)
_TIERS = dict(zip(_SIZES, (1, 2, 3, 4, 6, 10, 15, 20, 30, 40, 50, 60, 70, 80), strict=True))
"""Number of the tier that a disk is paid as, by the largest size of it in GiB
(learn.microsoft.com/azure/virtual-machines/disks-types)."""

_DISKS = {
    "Premium": ("P", "Premium SSD Managed Disks"),
    "StandardSSD": ("E", "Standard SSD Managed Disks"),
    "Standard": ("S", "Standard HDD Managed Disks"),
}


def _disk(kind: str, gib: int, region: str) -> Meter | str:
    name, _, redundancy = kind.partition("_")
    if name not in _DISKS:
        return f"disk {kind}"
    letter, product = _DISKS[name]
    number = next(number for size, number in _TIERS.items() if gib <= size)
    # Of HDDs there is none smaller than S4.
    tier = f"{letter}{max(number, 4) if letter == 'S' else number}"
    names = (f"{tier} {redundancy} Disk", f"{tier} Disks")
    return Meter(f"disk {kind} {tier}", "Storage", region, product=product, sku=f"{tier} {redundancy}", names=names)


def _machine(inputs: Inputs) -> Paid:
    size, region = inputs["hardwareProfile"]["vmSize"], inputs["location"]
    disk = section(inputs["storageProfile"], "osDisk")
    kind = section(disk, "managedDisk").get("storageAccountType", "Premium_LRS")
    return (
        Meter(f"machine {size}", "Virtual Machines", region, size=size),
        _disk(kind, int(disk.get("diskSizeGB") or _SYSTEM_DISK_GIB), region),
    )


def _data_disk(inputs: Inputs) -> Paid:
    return (_disk(inputs["sku"]["name"], int(inputs["diskSizeGB"]), inputs["location"]),)


def _address(inputs: Inputs) -> Paid:
    sku = inputs["sku"]["name"]
    if sku != "Standard":
        return (f"public address {sku}",)
    names = ("Standard IPv4 Static Public IP",)
    return (
        Meter("public address", "Virtual Network", inputs["location"], product="IP Addresses", sku=sku, names=names),
    )


def _balancer(inputs: Inputs) -> Paid:
    # The first five rules are one price; NAT rules cost nothing (azure.microsoft.com/pricing/details/load-balancer).
    further = max(0, len(items(inputs, "loadBalancingRules")) + len(items(inputs, "outboundRules")) - 5)
    rules = [("load balancer", "Standard Included LB Rules and Outbound Rules")]
    rules += [("rule of a load balancer", "Standard Overage LB Rules and Outbound Rules")] * further
    return tuple(Meter(title, "Load Balancer", inputs["location"], names=(name,)) for title, name in rules)


def _storage(inputs: Inputs) -> Paid:
    # Nobody knows before how much it will be, so this is the price of one GiB.
    kind = f"Hot {inputs['sku']['name'].partition('_')[2]}"
    names = (f"{kind} Data Stored",)
    return (
        Meter("GiB of backups", "Storage", inputs["location"], product="General Block Blob v2", sku=kind, names=names),
    )


def _alert(inputs: Inputs) -> Paid:
    # For each metric that a rule looks at, at one price everywhere. Ten in a subscription are free
    # (azure.microsoft.com/pricing/details/monitor), but others' rules may have used them up.
    criteria = items(section(inputs, "criteria"), "allOf")
    meter = Meter(
        "metric of an alert rule",
        "Azure Monitor",
        "",
        product="Azure Monitor",
        sku="Alerts",
        names=("Alerts Metric Monitored",),
    )
    return (meter,) * len(criteria) * len(items(inputs, "scopes"))


def _private_zone(inputs: Inputs) -> Paid:
    # The list has DNS by billing zones, of which the first is all of Azure but for governments, China and Germany.
    names = ("Private Zone",)
    return (Meter("private DNS zone", "Azure DNS", "Zone 1", product="Azure DNS", sku="Private", names=names),)


def _nothing(inputs: Inputs) -> Paid:
    return ()


_PAID: dict[str, Callable[[Inputs], Paid]] = {
    "compute:AvailabilitySet": _nothing,
    "compute:Disk": _data_disk,
    "compute:DiskEncryptionSet": _nothing,
    "compute:VirtualMachine": _machine,
    "monitor:ActionGroup": _nothing,
    "monitor:MetricAlert": _alert,
    "network:LoadBalancer": _balancer,
    "network:NetworkInterface": _nothing,
    "network:NetworkSecurityGroup": _nothing,
    "network:PublicIPAddress": _address,
    "network:Subnet": _nothing,
    "network:VirtualNetwork": _nothing,
    "privatedns:PrivateRecordSet": _nothing,
    "privatedns:PrivateZone": _private_zone,
    "privatedns:VirtualNetworkLink": _nothing,
    "resources:ResourceGroup": _nothing,
    "storage:BlobContainer": _nothing,
    "storage:BlobContainerImmutabilityPolicy": _nothing,
    "storage:BlobServiceProperties": _nothing,
    "storage:ManagementPolicy": _nothing,
    "storage:StorageAccount": _storage,
}


def paid(type_: str, inputs: Inputs | None) -> Paid:
    """Return what a resource is paid by.

    Args:
        type_: as of `operations.plan.Change`.
        inputs: its inputs; None for one that is not there.
    """
    if inputs is None or type_.startswith("authorization:"):
        return ()
    return _PAID[type_](inputs) if type_ in _PAID else (type_,)
