"""Which id Azure gives what a killed update had begun; the real engine's part is in tests/lab/test_azure_native.py."""

import pytest

from operations.resume import ID_PATHS, ResumeError, id_of
from tests.golden.cases import CASES, resources

pytestmark = pytest.mark.xdist_group("recorded")


@pytest.mark.parametrize("case", CASES)
def test_whatever_the_program_makes_has_one(case: str) -> None:
    kinds = {resource.type for resource in resources(case) if resource.type.startswith("azure-native:")}
    assert kinds and kinds <= set(ID_PATHS), kinds - set(ID_PATHS)


def test_what_is_not_known_is_told() -> None:
    disk = {"urn": "urn::disk", "type": "azure-native:compute:Disk", "inputs": {"resourceGroupName": "rg"}}
    with pytest.raises(ResumeError, match="'diskName' is not known"):
        id_of(disk, "0")
    with pytest.raises(ResumeError, match="azure-native:sql:Server' is not known"):
        id_of({**disk, "type": "azure-native:sql:Server"}, "0")
    named = {**disk, "inputs": {"resourceGroupName": "rg", "diskName": "d"}}
    assert id_of(named, "0") == "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Compute/disks/d"
    role = {
        "urn": "urn::role",
        "type": "azure-native:authorization:RoleAssignment",
        "inputs": {"scope": "/subscriptions/0/x", "roleAssignmentName": "guid"},
    }
    assert id_of(role, "0") == "/subscriptions/0/x/providers/Microsoft.Authorization/roleAssignments/guid"
