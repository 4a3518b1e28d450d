"""Every request that makes a resource, in every golden case, is one that Microsoft's own types allow."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.azure_native.convert import to_body
from lab.azure_native.sdk import resource_types
from lab.cloud import known, known_versions, resources
from tests.golden.cases import CASES
from tests.support.expected import hold_against
from tests.support.microsoft import MODELS, judge, properties
from tests.support.recording import EXISTING, as_sent, record
from tests.support.versions import versions

pytestmark = pytest.mark.xdist_group("recorded")

ZONES = {"zones": ["1", "2"], "availabilitySet": False}

# What no golden case has.
FURTHER: dict[str, tuple[str, dict[str, Any]]] = {
    "node addresses": ("dev", {"sshAccess": "node-addresses"}),
    "public, in zones": ("dev", ZONES),
    "one zone": ("dev", ZONES | {"zones": ["3"]}),
    "PremiumV2": ("prod", {"dataDiskSku": "PremiumV2_LRS"}),
    "NVMe": ("prod", {"vmSize": "Standard_D4s_v6"}),
    "fencing off": ("dev", {"fencing": "off"}),
    "an existing zone": (
        "staging",
        {key: EXISTING[key] for key in ("existingPrivateDnsZoneId", "privateDnsName")},
    ),
}


def bodies(stack: str, changes: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield type and body of every request that makes what a stack has."""
    for resource in record(stack, changes):
        if resource.type.startswith("azure-native:"):
            shape = resource_types()[resource.type].shape
            name = resource.type.removeprefix("azure-native:")
            yield name, to_body(shape, as_sent(copy.deepcopy(resource.inputs)), "/subscriptions/0")


ALL = {name: (case.stack, case.changes) for name, case in CASES.items()} | FURTHER


@pytest.mark.parametrize("case", ALL)
def test_requests_are_of_microsofts_types(case: str) -> None:
    wrong = [line for name, body in bodies(*ALL[case]) for line in judge(name, body)]
    assert not wrong, "\n".join(wrong)


def test_the_lab_cloud_knows_microsofts_properties() -> None:
    lines = [f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in properties(known.CLASSES.values()).items()]
    hold_against(known.FILE, "{\n" + ",\n".join(lines) + "\n}\n")


def test_the_lab_cloud_knows_the_versions_of_each_type() -> None:
    found = versions(kind.type for kind in resources.ALL)
    assert all(found.values()), "each type has some"
    assert "2024-05-01" in found["Microsoft.Network/loadBalancers"], "of the SDK"
    assert "2023-04-02" in found["Microsoft.Compute/disks"], "a former one"
    assert "2024-10-01-preview" in found["Microsoft.Insights/actionGroups"]
    lines = [f"  {json.dumps(type_)}: {json.dumps(each)}" for type_, each in found.items()]
    hold_against(known_versions.FILE, "{\n" + ",\n".join(lines) + "\n}\n")


def test_every_type_is_judged() -> None:
    seen = {name for stack, changes in ALL.values() for name, _ in bodies(stack, changes)}
    assert seen == {*MODELS}


# A body that is sound, and what makes it unsound.
MUTATIONS: list[tuple[str, str, Any, str]] = [
    ("compute:VirtualMachine", "properties/hardwareProfile/vmSise", "x", "is not known"),
    ("compute:VirtualMachine", "properties/vmId", "x", "is read-only"),
    ("compute:VirtualMachine", "location", None, "is missing"),
    ("compute:VirtualMachine", "properties/securityProfile/securityType", "Trusted", "none of Standard, TrustedLaunch"),
    ("compute:VirtualMachine", "properties/storageProfile/dataDisks/0/lun", "0", "no int"),
    ("compute:VirtualMachine", "properties/storageProfile/dataDisks/0/lun", None, "is missing"),
    ("compute:VirtualMachine", "properties/storageProfile/diskControllerType", "Nvme", "none of SCSI, NVMe"),
    ("compute:Disk", "sku/name", "Premium_LSR", "none of Standard_LRS"),
    ("compute:Disk", "properties/networkAccessPolicy", "DenyEverything", "none of AllowAll"),
    ("compute:Disk", "properties/diskSizeGB", "64", "no int"),
    ("compute:AvailabilitySet", "properties/platformFaultDomainCount", True, "no int"),
    ("network:LoadBalancer", "properties/outboundRules/0/properties/protocol", "Any", "none of"),
    ("network:LoadBalancer", "properties/outboundRules/0/properties/backendAddressPool", None, "is missing"),
    ("network:LoadBalancer", "properties/probes/0/properties/port", None, "is missing"),
    ("network:LoadBalancer", "properties/loadBalancingRules/0/frontendPort", 3306, "is not known"),
    ("network:PublicIPAddress", "sku/name", "standard", "none of Basic, Standard"),
    ("network:PublicIPAddress", "zones", "1", "is no list"),
    ("network:NetworkSecurityGroup", "properties/securityRules/0/properties/access", None, "is missing"),
    ("network:NetworkInterface", "properties/macAddress", "x", "is read-only"),
    ("network:Subnet", "properties/natGatway", {"id": "/x"}, "is not known"),
    ("authorization:RoleAssignment", "properties/principalId", None, "is missing"),
    ("authorization:RoleAssignment", "properties/principalType", "Machine", "none of User, Group, ServicePrincipal"),
    ("authorization:RoleDefinition", "properties/permissions/0/action", ["*"], "is not known"),
    ("authorization:RoleDefinition", "properties/createdOn", "now", "is read-only"),
    ("authorization:ManagementLockByScope", "properties/level", "CannotDelete", "none of NotSpecified, CanNotDelete"),
    ("resources:ResourceGroup", "location", None, "is missing"),
    ("privatedns:PrivateZone", "properties/name", "x", "is not known"),
    ("privatedns:VirtualNetworkLink", "properties/virtualNetworkLinkState", "Done", "is read-only"),
    ("privatedns:VirtualNetworkLink", "properties/registrationEnabled", "no", "no bool"),
    ("privatedns:PrivateRecordSet", "properties/aRecords/0/ipv4Adress", "10.0.0.1", "is not known"),
    ("privatedns:PrivateRecordSet", "properties/ttl", "300", "no int"),
    ("monitor:ActionGroup", "location", None, "is missing"),
    ("monitor:ActionGroup", "properties/groupShortName", "mysql-dev-more", "is longer than 12"),
    ("monitor:ActionGroup", "properties/emailReceivers/0/status", "Enabled", "is read-only"),
    ("monitor:ActionGroup", "properties/emailReceivers/0/mail", "a@b.c", "is not known"),
    ("monitor:MetricAlert", "properties/severity", True, "no int"),
    ("monitor:MetricAlert", "properties/criteria/allOff", [], "is not known"),
    ("monitor:MetricAlert", "properties/criteria/allOf/0/operator", "Below", "none of Equals"),
    ("monitor:MetricAlert", "properties/criteria/allOf/0/threshold", "25", "no float"),
    ("monitor:MetricAlert", "properties/criteria/allOf/0/metricName", None, "is missing"),
    ("monitor:MetricAlert", "properties/actions/0/actionGroup", "/x", "is not known"),
]

# A stack that has one of each at least.
MUTATED: dict[str, Any] = {
    "protectData": True,
    "deletionLock": True,
    "alertEmails": ["night@example.com"],
}
NAMED: dict[str, Any] = {"endpoint": "internal", "privateDnsName": "db.shop.internal"}


@pytest.mark.parametrize(("name", "path", "value", "told"), MUTATIONS, ids=lambda each: str(each)[:40])
def test_what_is_wrong_is_found(name: str, path: str, value: Any, told: str) -> None:
    changes = NAMED if name.startswith("privatedns:") else MUTATED
    body = next(body for kind, body in bodies("dev", changes) if kind == name)
    assert not judge(name, body)
    *way, last = path.split("/")
    inner: Any = body
    for word in way:
        inner = inner[int(word)] if word.isdecimal() else inner.setdefault(word, {})
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    found = judge(name, body)
    assert len(found) == 1
    assert told in found[0]
