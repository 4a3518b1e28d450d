"""What an update deletes: refused where it is data, unless the stack says so of this disk; and told in every preview.

The engine does not show all of it. What depends on something that is made anew goes before that does; where the program
has no such resource any more, the preview has no line for it, neither as text nor as JSON.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import pulumi

from components.settings.azure_id import region
from components.settings.mistake import Mistake
from components.settings.recorded import DataDisk, Recorded

_AZURE = "azure-native:"


KEYS = ("clusterName", "nodeNames", "existingResourceGroup", "location")
"""The settings by which a data disk becomes another one."""


@dataclass(frozen=True)
class Wanted:
    """Where the program would have the data disks.

    Args:
        nodes: their names.
        named: whether the nodes have names of their own, not of the cluster's.
        group_is_there: whether the resource group is one that is there already.
    """

    nodes: Collection[str]
    location: str
    resource_group: str
    named: bool
    group_is_there: bool


def losses(before: Recorded, wanted: Wanted) -> dict[str, list[DataDisk]]:
    """Return the data disks that an update would delete, by the setting that is the reason, one of `KEYS`.

    A disk has a name, a group and a region for good; what is to have another is another disk. (Its zone is refused by
    `chosen_once`: it is not a part of its id, so Azure would be asked to change it, and refuse.)
    """
    found: dict[str, list[DataDisk]] = {}
    for name, disk in sorted(before.data_disks.items()):
        if key := _reason(name.removesuffix("-data"), disk, before, wanted):
            found.setdefault(key, []).append(disk)
    return found


def _reason(node: str, disk: DataDisk, before: Recorded, wanted: Wanted) -> str | None:
    group_differs = before.resource_group and before.resource_group.lower() != wanted.resource_group.lower()
    if node not in wanted.nodes:
        # A group of the cluster's own has its name.
        return "nodeNames" if wanted.named or (before.own_group and not group_differs) else "clusterName"
    if group_differs:
        return "clusterName" if before.own_group and not wanted.group_is_there else "existingResourceGroup"
    return "location" if region(disk.location) != region(wanted.location) else None


def refuse(disks: Sequence[DataDisk], allowed: Collection[str]) -> None:
    """Refuse to delete data disks that the stack does not name."""
    if unnamed := [disk for disk in disks if str(disk) not in allowed]:
        raise Mistake(
            f"would delete {' and '.join(disk.name for disk in unnamed)} with all data; undo the change, or allow it"
            f" this once: deleteDataDisks: {json.dumps([str(disk) for disk in unnamed])}"
        )


def check_permission(allowed: Sequence[str], going: Collection[DataDisk], protect: bool) -> None:
    """Check that the disks that the stack names go; the names are good for one update, so others must not stay there.

    Raises:
        Mistake: it does not delete any of those that are named, or Pulumi would not.
    """
    if allowed and not going:
        raise Mistake(f"this update does not delete {' or '.join(allowed)}; remove the setting")
    if going and protect:
        raise Mistake("is set while protectData is on; first run pulumi up with protectData off")


def tell(before: Recorded, deleted_disks: Sequence[DataDisk], accounts: Collection[str]) -> Callable[[], None]:
    """Tell of data disks and accounts of the database that go, and watch what the program makes from now on.

    Args:
        accounts: names of those that stay.

    Returns:
        What tells, at the program's end, what else goes: all that there was and that the program has not made.
    """
    for disk in deleted_disks:
        pulumi.log.warn(f"this update deletes data disk {disk} with all data; deleteDataDisks allows it")
    for name in sorted(before.accounts - {*accounts}):
        pulumi.log.warn(f"this update drops the database account {name}, which is no longer in databaseAccounts")
    made: set[tuple[str, str]] = set()

    def note(args: pulumi.ResourceTransformationArgs) -> None:
        made.add((args.type_.removeprefix(_AZURE), args.name))

    pulumi.runtime.register_stack_transformation(note)

    def tell_the_rest() -> None:
        if gone := sorted(before.azure - made):
            what = ", ".join(f"{kind.split(':')[-1]} {name}" for kind, name in gone)
            pulumi.log.warn(f"this update deletes, in Azure: {what}")

    return tell_the_rest
