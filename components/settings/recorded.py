"""What Pulumi has recorded of this stack so far: what was there before the update that runs now."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi

_AZURE = "azure-native:"
_MACHINE = f"{_AZURE}compute:VirtualMachine"
_DISK = f"{_AZURE}compute:Disk"
_GROUP = f"{_AZURE}resources:ResourceGroup"
_BALANCER = f"{_AZURE}network:LoadBalancer"
_INTERFACE = f"{_AZURE}network:NetworkInterface"
_ACCOUNT = f"{_AZURE}storage:StorageAccount"
_STACK = "pulumi:pulumi:Stack"

RESTORE = "azure-mysql-ha:index:Restore"
"""The component whose outputs tell what a new cluster has begun with."""

ENDPOINT_BALANCER = "endpoint-balancer"
"""The endpoint's load balancer."""

WATCHDOG = "watchdog"
"""The script, behind each node's name, that arms its watchdog."""

DATA_DIRECTORY = "server-data-directory"
"""The script that makes the data; it is in the record when it has done so."""

# The engine saves its record as soon as the program begins. In a folder (file://), what lies beside it is written anew
# in place (gocloud.dev/blob/fileblob, setAttrs); who reads it then is told "failed to load checkpoint: EOF".
_BEING_SAVED = "failed to load checkpoint"
_TRIES = 20
_TRY_AGAIN_SECONDS = 0.1


@dataclass(frozen=True)
class DataDisk:
    """A data disk.

    Args:
        name: in Azure.
        made: when, to the second, as Azure says.
        sku: Azure's SKU, such as "Premium_LRS"; empty where the record does not tell.
    """

    name: str
    gib: int
    location: str
    zone: str | None
    made: str
    sku: str = ""

    def __str__(self) -> str:
        """Name this disk and no other: one that is made later has the name again."""
        return f"{self.name} of {self.made}"


@dataclass(frozen=True)
class Interface:
    """A machine's network interface.

    Args:
        address: its private IPv4 address.
        subnet_id: resource id of its subnet.
    """

    address: str
    subnet_id: str


@dataclass(frozen=True)
class Balancer:
    """The endpoint's load balancer.

    Args:
        is_public: whether clients find it at a public address.
        leads_to_ssh: whether it has a NAT rule for each machine's SSH.
    """

    is_public: bool
    leads_to_ssh: bool


@dataclass(frozen=True)
class Restored:
    """The backup that a cluster has been made with.

    Args:
        source: resource id of the storage account.
        to: as `restoreTo` was then.
    """

    source: str
    to: str


@dataclass(frozen=True)
class Recorded:
    """What there was, by the resource's name in the program.

    Args:
        azure: all of Azure's resources: type, such as "compute:Disk", and name.
        sizes: Azure's name of each machine's size.
        admin_users: the administrator's account of each machine.
        interfaces: of the machines; those whose address the record tells.
        balancer: the endpoint's; None where there is none yet.
        resource_group: where they are; None where the record does not tell.
        own_group: whether this stack has made it.
        storage_account: name of the one that this stack has made for its backups; None where it has made none.
        restored: the backup that the cluster has been made with, or was to be; None for none.
        has_data: whether its data has been made.
        has_watchdog: whether its nodes have watchdogs.
        accounts: names of the further accounts of the database.
    """

    azure: frozenset[tuple[str, str]] = frozenset()
    data_disks: Mapping[str, DataDisk] = field(default_factory=dict[str, DataDisk])
    sizes: Mapping[str, str] = field(default_factory=dict[str, str])
    admin_users: Mapping[str, str] = field(default_factory=dict[str, str])
    interfaces: Mapping[str, Interface] = field(default_factory=dict[str, Interface])
    balancer: Balancer | None = None
    resource_group: str | None = None
    own_group: bool = False
    storage_account: str | None = None
    restored: Restored | None = None
    has_data: bool = False
    has_watchdog: bool = False
    accounts: frozenset[str] = frozenset()

    @property
    def machines(self) -> frozenset[str]:
        return frozenset(name for kind, name in self.azure if _AZURE + kind == _MACHINE)


def read() -> Recorded:
    """Ask the engine for its record of this stack, which is empty before the first update.

    The function is the engine's own, the one behind queries of resources; the record is that of the back end, so a
    preview has it too.

    Raises:
        Exception: the engine cannot read its record.
    """
    found = _ask(f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
    of_type: dict[str, dict[str, dict[str, Any]]] = {}
    for urn, each in found.items():
        if each["type"].startswith((_AZURE, RESTORE, _STACK)):
            of_type.setdefault(each["type"], {})[urn.split("::")[-1]] = each["outputs"]
    own_group = next((str(group["name"]) for group in of_type.get(_GROUP, {}).values()), None)
    return Recorded(
        azure=frozenset(
            (kind.removeprefix(_AZURE), name)
            for kind, some in of_type.items()
            for name in some
            if kind.startswith(_AZURE)
        ),
        data_disks={name: _data_disk(outputs) for name, outputs in of_type.get(_DISK, {}).items()},
        sizes={
            name: outputs["hardwareProfile"]["vmSize"]
            for name, outputs in of_type.get(_MACHINE, {}).items()
            if outputs.get("hardwareProfile")
        },
        admin_users={
            name: outputs["osProfile"]["adminUsername"]
            for name, outputs in of_type.get(_MACHINE, {}).items()
            if outputs.get("osProfile")
        },
        interfaces={
            name: interface
            for name, outputs in of_type.get(_INTERFACE, {}).items()
            if (interface := _interface(outputs))
        },
        balancer=_balancer(of_type.get(_BALANCER, {}).get(ENDPOINT_BALANCER)),
        resource_group=own_group or _group_of_balancer(of_type.get(_BALANCER, {})),
        own_group=own_group is not None,
        storage_account=next((str(account["name"]) for account in of_type.get(_ACCOUNT, {}).values()), None),
        restored=next((Restored(each["source"], each["to"]) for each in of_type.get(RESTORE, {}).values()), None),
        has_data=any(urn.endswith(f"::{DATA_DIRECTORY}") for urn in found),
        has_watchdog=any(urn.endswith(f"-{WATCHDOG}") for urn in found),
        accounts=frozenset(
            name
            for outputs in of_type.get(_STACK, {}).values()
            for name in outputs.get("database", {}).get("accounts", ())
        ),
    )


def _data_disk(outputs: Mapping[str, Any]) -> DataDisk:
    return DataDisk(
        name=outputs["name"],
        gib=int(outputs["diskSizeGB"]),
        location=outputs["location"],
        zone=next(iter(outputs.get("zones") or ()), None),
        made=outputs["timeCreated"][: len("2026-01-31T12:59:59")],
        sku=outputs["sku"]["name"] if outputs.get("sku") else "",
    )


def _interface(outputs: Mapping[str, Any]) -> Interface | None:
    for each in outputs.get("ipConfigurations") or ():
        if each.get("privateIPAddress") and each.get("subnet"):
            return Interface(each["privateIPAddress"], each["subnet"]["id"])
    return None


def _balancer(outputs: Mapping[str, Any] | None) -> Balancer | None:
    if not outputs or not outputs.get("frontendIPConfigurations"):
        return None
    return Balancer(
        is_public=any(frontend.get("publicIPAddress") for frontend in outputs["frontendIPConfigurations"]),
        leads_to_ssh=bool(outputs.get("inboundNatRules")),
    )


def _group_of_balancer(found: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the resource group, which the record has in the ids of the balancer's parts: it is where the disks are."""
    for outputs in found.values():
        for frontend in outputs.get("frontendIPConfigurations") or ():
            if match := re.search(r"/resourceGroups/([^/]+)/", frontend.get("id", ""), re.IGNORECASE):
                return match[1]
    return None


def _ask(stack: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a stack with their outputs, by URN."""
    for _ in range(_TRIES):
        try:
            return _ask_once(stack)
        except Exception as error:
            if _BEING_SAVED not in str(error):
                raise
        time.sleep(_TRY_AGAIN_SECONDS)
    return _ask_once(stack)


def _ask_once(stack: str) -> dict[str, dict[str, Any]]:
    answer = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value
    return cast(dict[str, Any], answer).get("outputs") or {}
