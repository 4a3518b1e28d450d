"""Every request that makes a resource, in every golden case, is one that Microsoft's own types allow."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.azure_native.convert import to_body
from lab.azure_native.sdk import resource_types
from lab.cloud import known
from tests.golden.cases import CASES
from tests.support.expected import hold_against
from tests.support.microsoft import MODELS, UNJUDGED, judge, properties
from tests.support.recording import as_sent, record

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
    wrong = [line for name, body in bodies(*ALL[case]) if name in MODELS for line in judge(name, body)]
    assert not wrong, "\n".join(wrong)


def test_the_lab_cloud_knows_microsofts_properties() -> None:
    lines = [f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in properties(known.CLASSES.values()).items()]
    hold_against(known.FILE, "{\n" + ",\n".join(lines) + "\n}\n")


def test_every_type_is_judged() -> None:
    seen = {name for stack, changes in ALL.values() for name, _ in bodies(stack, changes)}
    assert seen == {*MODELS, *UNJUDGED}


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
]


@pytest.mark.parametrize(("name", "path", "value", "told"), MUTATIONS, ids=lambda each: str(each)[:40])
def test_what_is_wrong_is_found(name: str, path: str, value: Any, told: str) -> None:
    body = next(body for kind, body in bodies("dev", {"protectData": True, "deletionLock": True}) if kind == name)
    assert not judge(name, body)
    *way, last = path.split("/")
    inner: Any = body
    for word in way:
        inner = inner[int(word)] if word.isdecimal() else inner[word]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    found = judge(name, body)
    assert len(found) == 1
    assert told in found[0]
