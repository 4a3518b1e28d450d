"""The stand-in's description of the resource types, held against the installed SDK.

The SDK's sources say which inputs and outputs each type has, in which api-version, and which lists are resources of
their own. They do not say what ARM keeps under `properties`: that is tested by example in test_azure_native_convert.
"""

import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

from lab.azure_native.schema import RESOURCE_TYPES, SHAPES, ResourceType

_PATH_PARTS = re.compile(r"\{(\w+)\}")

_FILES = {
    "azure-native:resources:ResourceGroup": "resources/resource_group",
    "azure-native:network:VirtualNetwork": "network/virtual_network",
    "azure-native:network:Subnet": "network/subnet",
    "azure-native:network:NetworkSecurityGroup": "network/network_security_group",
    "azure-native:network:PublicIPAddress": "network/public_ip_address",
    "azure-native:network:NatGateway": "network/nat_gateway",
    "azure-native:network:LoadBalancer": "network/load_balancer",
    "azure-native:network:NetworkInterface": "network/network_interface",
    "azure-native:compute:AvailabilitySet": "compute/availability_set",
    "azure-native:compute:Disk": "compute/disk",
    "azure-native:compute:VirtualMachine": "compute/virtual_machine",
    "azure-native:compute:DiskEncryptionSet": "compute/disk_encryption_set",
    "azure-native:keyvault:Vault": "keyvault/vault",
    "azure-native:authorization:RoleDefinition": "authorization/role_definition",
    "azure-native:authorization:RoleAssignment": "authorization/role_assignment",
    "azure-native:authorization:ManagementLockByScope": "authorization/management_lock_by_scope",
}
_COMPUTE_PARTS = (
    "VirtualMachineIdentity",
    "NetworkInterfaceReference",
    "VirtualMachinePublicIPAddressConfiguration",
    "VirtualMachineNetworkInterfaceIPConfiguration",
    "VirtualMachineNetworkInterfaceConfiguration",
    "NetworkProfile",
    "ImageReference",
    "DataDisk",
    "StorageProfile",
    "CreationData",
    "DiskSku",
    "EncryptionSetIdentity",
)
# The SDK takes these of a subnet, but the api-version of the stand-in has no place for them.
_LATER = {"Subnet": {"serviceGateway"}}


@cache
def _properties(file: str) -> dict[str, set[str]]:
    """Return the ARM names of the properties of each class in one of the SDK's files, without importing it."""
    spec = importlib.util.find_spec("pulumi_azure_native")
    assert spec is not None and spec.origin is not None
    lines = (Path(spec.origin).parent / f"{file}.py").read_text().splitlines()
    found: dict[str, set[str]] = {}
    current = ""
    for index, line in enumerate(lines):
        if match := re.match(r"class (\w+)\b", line):
            current = match[1]
            found.setdefault(current, set())
        elif match := re.match(r'\s+@pulumi\.getter(?:\(name="([^"]+)"\))?\s*$', line):
            function = re.match(r"\s+def (\w+)\(", lines[index + 1])
            assert function is not None
            found[current].add(match[1] or function[1])
    return found


@cache
def _text(file: str) -> str:
    spec = importlib.util.find_spec("pulumi_azure_native")
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / f"{file}.py").read_text()


@pytest.fixture(params=sorted(RESOURCE_TYPES))
def token(request: pytest.FixtureRequest) -> str:
    """Each type token in turn."""
    return str(request.param)


def _parts(kind: ResourceType) -> set[str]:
    return set(_PATH_PARTS.findall(kind.path)) - {"subscriptionId"}


def test_inputs_are_the_sdks(token: str) -> None:
    kind = RESOURCE_TYPES[token]
    classes = _properties(_FILES[token])
    inputs = next(names for name, names in classes.items() if name.endswith("Args") and names)
    assert SHAPES[kind.shape].inputs | _parts(kind) == inputs


def test_outputs_are_the_sdks(token: str) -> None:
    kind = RESOURCE_TYPES[token]
    classes = _properties(_FILES[token])
    outputs = next(names for name, names in classes.items() if not name.endswith("Args") and names)
    assert SHAPES[kind.shape].outputs | {"azureApiVersion"} == outputs


def test_api_version_is_the_sdks_default(token: str) -> None:
    match = re.search(r"Uses Azure REST API version ([\w-]+)\.", _text(_FILES[token]))
    assert match is not None
    assert RESOURCE_TYPES[token].api_version == match[1]


def test_type_token_is_the_sdks(token: str) -> None:
    assert f"'{token}'," in _text(_FILES[token])


def test_lists_that_are_resources_of_their_own(token: str) -> None:
    text = _text(_FILES[token])
    named = set(re.findall(r"\[[^\n]*\] (\w+): [^\n]*\n\s+These are also available as standalone resources", text))
    kept = {re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name) for name in RESOURCE_TYPES[token].kept}
    assert kept == named


@pytest.mark.parametrize(
    "name", sorted(name for name in SHAPES if ":" not in name and name not in ("ResourceGroup", *_COMPUTE_PARTS))
)
def test_network_parts_are_the_sdks(name: str) -> None:
    _compare_part("network", name)


@pytest.mark.parametrize("name", _COMPUTE_PARTS)
def test_compute_parts_are_the_sdks(name: str) -> None:
    _compare_part("compute", name)


def _compare_part(module: str, name: str) -> None:
    shape = SHAPES[name]
    inputs = _properties(f"{module}/_inputs").get(f"{name}Args", set())
    outputs = _properties(f"{module}/outputs")[f"{name}Response"]
    assert shape.inputs == inputs - _LATER.get(name, set())
    assert shape.outputs == outputs


def test_every_nested_shape_exists() -> None:
    for shape in SHAPES.values():
        assert set(shape.nested.values()) <= set(SHAPES)
        assert set(shape.nested) <= shape.inputs | shape.readonly


def test_every_shape_name_beside_properties_is_known() -> None:
    for name, shape in SHAPES.items():
        known = shape.inputs | shape.readonly | {"id", "name", "type", "etag", "location", "tags", "systemData"}
        assert (shape.beside or set()) <= known, name


def test_required_and_replacing_inputs_are_inputs() -> None:
    for kind in RESOURCE_TYPES.values():
        assert {*kind.required, *kind.replaced_by, *kind.kept} <= SHAPES[kind.shape].inputs
