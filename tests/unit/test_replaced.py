"""What a changed setting does to a node's machine: Azure restarts it, or it is replaced; in its turn, either way."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.support.recording import Resource, record

pytestmark = pytest.mark.xdist_group("recorded apart")


def differing(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of inputs that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = cast(dict[str, Any], before), cast(dict[str, Any], after)
        for key in old.keys() | new.keys():
            yield from differing(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
    elif before != after:
        yield path


def resource(name: str, changes: dict[str, Any], stack: str = "dev") -> Resource:
    return next(one for one in record(stack, changes) if one.name == name)


@pytest.mark.parametrize(
    ("changes", "changed", "replaced"),
    [
        ({"vmSize": "Standard_D2s_v5"}, {"hardwareProfile.vmSize"}, False),
        (
            # From SCSI to NVMe: Azure resizes no machine so.
            {"vmSize": "Standard_D2s_v6"},
            {"hardwareProfile.vmSize", "storageProfile.diskControllerType"},
            True,
        ),
        ({"imageVersion": "26.04.202611010"}, {"storageProfile.imageReference.version"}, True),
        ({"osDiskSku": "Premium_LRS"}, {"storageProfile.osDisk.managedDisk.storageAccountType"}, True),
    ],
)
def test_a_machine(changes: dict[str, Any], changed: set[str], replaced: bool) -> None:
    before, after = resource("mysql-dev-1", {}), resource("mysql-dev-1", changes)
    found = set(differing(before.inputs, after.inputs))
    assert found == changed
    reasons = {path for path in found if any(path.startswith(each) for each in after.replace_on_changes)}
    assert bool(reasons) == replaced
    # The turn is an update of its own, before that of the machine.
    assert "mysql-dev-1-turn" in after.dependencies
    assert resource("mysql-dev-1-turn", {}).inputs != resource("mysql-dev-1-turn", changes).inputs


def test_a_witness_is_not_rebuilt_with_the_nodes() -> None:
    """Their turns wait for its vote, which a new one has only after them."""
    changes = {"imageVersion": "26.04.202611010", "osDiskSku": "Premium_LRS"}
    before, after = (resource("mysql-staging-witness", each, stack="staging") for each in ({}, changes))
    found = set(differing(before.inputs, after.inputs))
    assert len(found) == 2
    assert all(any(path.startswith(each) for each in after.ignore_changes) for path in found)


def test_a_machine_with_nvme_disks_of_another_size() -> None:
    sizes = ({"vmSize": "Standard_D2s_v6"}, {"vmSize": "Standard_D4s_v6"})
    before, after = (resource("mysql-dev-1", each) for each in sizes)
    assert set(differing(before.inputs, after.inputs)) == {"hardwareProfile.vmSize"}
