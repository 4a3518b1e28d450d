"""What Pulumi has recorded of this stack so far: what was there before the update that runs now."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi

_MACHINE = "azure-native:compute:VirtualMachine"
_DISK = "azure-native:compute:Disk"

# The engine saves its record as soon as the program begins. In a folder (file://), what lies beside it is written anew
# in place (gocloud.dev/blob/fileblob, setAttrs); who reads it then is told "failed to load checkpoint: EOF".
_BEING_SAVED = "failed to load checkpoint"
_TRIES = 20
_TRY_AGAIN_SECONDS = 0.1


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

    Raises:
        Exception: the engine cannot read its record.
    """
    found = _ask(f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
    of_type = {
        kind: {urn.split("::")[-1]: each["outputs"] for urn, each in found.items() if each["type"] == kind}
        for kind in (_MACHINE, _DISK)
    }
    return Recorded(
        machines=frozenset(of_type[_MACHINE]),
        data_disks_gib={name: int(outputs["diskSizeGB"]) for name, outputs in of_type[_DISK].items()},
    )


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
