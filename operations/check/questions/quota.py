"""Is enough of the subscription's quota left in the region?"""

from collections import Counter
from collections.abc import Iterator

from operations.arm import Json
from operations.check.answer import Answer
from operations.check.asked import Asked, capabilities
from operations.plan import Inputs

_COUNTERS: dict[str, tuple[str, ...]] = {
    "compute:AvailabilitySet": ("availabilitySets",),
    "network:LoadBalancer": ("LoadBalancers", "StandardSkuLoadBalancers"),
    "network:NetworkInterface": ("NetworkInterfaces",),
    "network:NetworkSecurityGroup": ("NetworkSecurityGroups",),
    "network:PublicIPAddress": (
        *("PublicIPAddresses", "StaticPublicIPAddresses", "StandardSkuPublicIpAddresses"),
        "IPv4StandardSkuPublicIpAddresses",
    ),
    "network:VirtualNetwork": ("VirtualNetworks",),
}
"""What counts as what, by Azure's names (az vm list-usage, az network list-usages)."""


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for the processors, and for each counter that has too little left; all others in one line."""
    needed: Counter[str] = Counter()
    families: set[str] = {"cores"}
    for change in asked.plan.changes:
        for inputs, sign in ((change.old, -1), (change.new, 1)):
            for name, amount in _counted(asked, change.type, inputs).items():
                needed[name] += sign * amount
                families |= {name} if name.endswith("Family") else set()
    left = {name.lower(): usage for name, usage in _usages(asked)}
    enough: list[str] = []
    for name in sorted(name for name, amount in needed.items() if amount > 0):
        usage = left.get(name.lower())
        if usage is None:
            if name in families:
                yield Answer("unknown", name, f"{needed[name]} needed; Azure does not report a quota of that name")
            continue
        title, free = usage["name"].get("localizedValue") or name, usage["limit"] - usage["currentValue"]
        text = f"{needed[name]} needed, {free} of {usage['limit']} left"
        if needed[name] > free:
            yield Answer("no", title, f"{text}: ask Azure for more of {name} in {asked.plan.location}, or use less")
        elif name in families:
            yield Answer("yes", title, text)
        else:
            enough.append(title)
    if enough:
        yield Answer("yes", f"{len(enough)} more counters", "enough left")


def _usages(asked: Asked) -> Iterator[tuple[str, Json]]:
    for provider, version in (("Microsoft.Compute", "2024-07-01"), ("Microsoft.Network", "2024-05-01")):
        for usage in asked.azure.get(asked.in_region(provider, "usages"), version)["value"]:
            yield usage["name"]["value"], usage


def _counted(asked: Asked, type_: str, inputs: Inputs | None) -> Counter[str]:
    """Return the counters that a resource is in, and how much of each it takes."""
    if inputs is None:
        return Counter()
    if type_ == "compute:Disk":
        return Counter([_disks(inputs["sku"]["name"])])
    if type_ != "compute:VirtualMachine":
        return Counter(_COUNTERS.get(type_, ()))
    system = inputs["storageProfile"]["osDisk"].get("managedDisk", {}).get("storageAccountType", "Premium_LRS")
    counted = Counter(["virtualMachines", _disks(system)])
    sku = asked.sku("virtualMachines", inputs["hardwareProfile"]["vmSize"])
    if sku is not None:
        cores = int(capabilities(sku)["vCPUs"])
        counted.update({"cores": cores, sku["family"]: cores})
    return counted


def _disks(sku: str) -> str:
    """Return the counter of a kind of disks: StandardSSDDiskCount, PremiumZRSDiskCount."""
    kind, _, redundancy = sku.partition("_")
    return f"{kind}{redundancy.removeprefix('LRS')}DiskCount"
