"""What Pulumi has recorded of this stack so far: what was there before the update that runs now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi

_MACHINE = "azure-native:compute:VirtualMachine"
_DISK = "azure-native:compute:Disk"


@dataclass(frozen=True)
class Recorded:
    """What there was, by the resource's name in the program.

    Args:
        machines: names of the virtual machines.
        data_disks_gib: size of each data disk, in GiB.
    """

    machines: frozenset[str] = frozenset()
    data_disks_gib: Mapping[str, int] = field(default_factory=dict[str, int])


def read() -> Recorded:
    """Ask the engine for its record of this stack, which is empty before the first update.

    The function is the engine's own, the one behind queries of resources; the record is that of the back end, so a
    preview has it too.
    """
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    answer = cast(
        dict[str, Any],
        pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": name}).value,
    )
    found: dict[str, dict[str, Any]] = answer.get("outputs") or {}
    of_type = {
        kind: {urn.split("::")[-1]: each["outputs"] for urn, each in found.items() if each["type"] == kind}
        for kind in (_MACHINE, _DISK)
    }
    return Recorded(
        machines=frozenset(of_type[_MACHINE]),
        data_disks_gib={name: int(outputs["diskSizeGB"]) for name, outputs in of_type[_DISK].items()},
    )
