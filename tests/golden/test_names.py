"""Names in Azure: by the Cloud Adoption Framework's abbreviations, and without a clash in one subscription."""

import itertools
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any, cast

import pytest

from components.azure.tags import bears_tags
from operations.resume import ID_PATHS
from tests.golden.cases import CASES, resources

pytestmark = pytest.mark.xdist_group("recorded")

# learn.microsoft.com/azure/cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations. It has none for
# alert rules, links of zones, locks, roles and their assignments, and for parts of a load balancer but its rules.
ABBREVIATIONS: dict[str, tuple[str, ...]] = {
    "compute:AvailabilitySet": ("avail",),
    "compute:Disk": ("disk",),
    "compute:DiskEncryptionSet": ("des",),
    "monitor:ActionGroup": ("ag",),
    "monitor:MetricAlert": ("ar",),
    "network:LoadBalancer": ("lbe", "lbi"),
    "network:NetworkInterface": ("nic",),
    "network:NetworkSecurityGroup": ("nsg",),
    "network:PublicIPAddress": ("pip",),
    "network:Subnet": ("snet",),
    "network:VirtualNetwork": ("vnet",),
    "privatedns:VirtualNetworkLink": ("link",),
    "resources:ResourceGroup": ("rg",),
    "storage:StorageAccount": ("st",),
}
RULES = {"inboundNatRules": "rule", "loadBalancingRules": "rule", "outboundRules": "rule", "securityRules": "nsgsr"}
# A machine is called as its host and its node are: docs/architecture.md, "Names in Azure".
OTHERWISE_NAMED = {
    "compute:VirtualMachine",
    "authorization:RoleAssignment",
    "authorization:RoleDefinition",
    "authorization:ManagementLockByScope",
    # The domain name itself.
    "privatedns:PrivateZone",
    "privatedns:PrivateRecordSet",
    # The words by which Azure and the nodes know them.
    "storage:BlobServiceProperties",
    "storage:BlobContainer",
    "storage:BlobContainerImmutabilityPolicy",
    "storage:ManagementPolicy",
}
# Of storage accounts' names, which have no dashes.
WITHOUT_DASHES = {"storage:StorageAccount"}
ENVIRONMENTS = ("dev", "staging", "prod")


def azure(case: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield type and inputs of every resource of Azure's."""
    for resource in resources(case):
        if resource.type.startswith("azure-native:"):
            yield resource.type.removeprefix("azure-native:"), resource.inputs


def name_of(kind: str, inputs: dict[str, Any]) -> str:
    """Return a resource's own name, the last part of its id."""
    last = ID_PATHS[f"azure-native:{kind}"].rpartition("/")[2]
    return str(inputs[last.strip("{}")])


@pytest.mark.parametrize("case", CASES)
def test_abbreviations(case: str) -> None:
    for kind, inputs in azure(case):
        if kind in OTHERWISE_NAMED:
            continue
        name = name_of(kind, inputs)
        dash = "" if kind in WITHOUT_DASHES else "-"
        assert name.startswith(tuple(f"{abbreviation}{dash}" for abbreviation in ABBREVIATIONS[kind])), name
        for part, abbreviation in RULES.items():
            for rule in cast(list[dict[str, Any]], inputs.get(part, [])):
                assert rule["name"].startswith(f"{abbreviation}-"), rule["name"]
    machines = [inputs for kind, inputs in azure(case) if kind == "compute:VirtualMachine"]
    assert machines
    for machine in machines:
        assert machine["osProfile"]["computerName"] == machine["vmName"]
        assert machine["storageProfile"]["osDisk"]["name"] == f"osdisk-{machine['vmName']}"


@pytest.mark.parametrize("case", CASES)
def test_everything_that_can_bears_the_tags(case: str) -> None:
    for kind, inputs in azure(case):
        environment = {"environment": CASES[case].stack}
        assert inputs.get("tags") == (environment if bears_tags(f"azure-native:{kind}") else None), kind


def test_environments_share_a_subscription() -> None:
    groups = {case: next(i for kind, i in azure(case) if kind == "resources:ResourceGroup") for case in ENVIRONMENTS}
    assert len({group["resourceGroupName"].lower() for group in groups.values()}) == len(ENVIRONMENTS)
    for one, other in itertools.combinations(ENVIRONMENTS, 2):
        # One name in the whole directory.
        roles = [
            {
                (i["roleDefinitionId"], i["roleName"])
                for kind, i in azure(case)
                if kind == "authorization:RoleDefinition"
            }
            for case in (one, other)
        ]
        assert roles[0] and roles[1] and not roles[0] & roles[1]
        # Nothing has a name of the other's, be it in one group.
        named = [
            {
                (kind, str(i.get("accountName")), name_of(kind, i).lower())
                for kind, i in azure(case)
                if not kind.startswith("authorization:Role")
            }
            for case in (one, other)
        ]
        assert named[0] and named[1] and not named[0] & named[1]


def test_networks_of_environments_can_be_joined() -> None:
    spaces = [
        IPv4Network(inputs["addressSpace"]["addressPrefixes"][0])
        for case in ENVIRONMENTS
        for kind, inputs in azure(case)
        if kind == "network:VirtualNetwork"
    ]
    assert len(spaces) == len(ENVIRONMENTS)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(spaces, 2))


def test_prod_is_protected() -> None:
    """What the README's table says of prod, in the resources themselves."""
    made = resources("prod")
    disks = [r for r in made if r.type == "azure-native:compute:Disk"]
    assert [disk.protect for disk in disks] == [True, True]
    backups = [
        r for r in made if r.type in ("azure-native:storage:StorageAccount", "azure-native:storage:BlobContainer")
    ]
    assert [each.protect for each in backups] == [True, True, True]
    locks = [r for r in made if r.type == "azure-native:authorization:ManagementLockByScope"]
    # On the data, and never on the group: a machine has to be made anew, a role taken away.
    assert [lock.dependencies for lock in locks] == [[disk.name] for disk in disks]
    machines = [r.inputs for r in made if r.type == "azure-native:compute:VirtualMachine"]
    assert sorted(machine["zones"] for machine in machines) == [["1"], ["2"], ["3"]]
    nics = [r for r in made if r.type == "azure-native:network:NetworkInterface"]
    accelerated = {nic.name: nic.inputs["enableAcceleratedNetworking"] for nic in nics}
    assert accelerated == {
        "mysql-prod-1-interface": True,
        "mysql-prod-2-interface": True,
        "mysql-prod-witness-interface": False,
    }
