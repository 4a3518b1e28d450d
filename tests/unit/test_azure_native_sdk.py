"""The stand-in's description of the resource types, compared with the installed SDK's sources.

The description is derived from the SDK's classes; the sources, read as text, say the same in another way. They do not
say what ARM keeps under `properties`: test_requests asks Microsoft's own types, and test_azure_native_convert has
examples of what is more than a move.
"""

import importlib.util
import pickle
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from components.azure import tags
from lab.azure_native.schema import ResourceType, Shape
from lab.azure_native.sdk import PATHS, resource_types
from lab.cloud import resources

pytestmark = pytest.mark.xdist_group("recorded")


@cache
def _properties(text: str) -> dict[str, set[str]]:
    """Return the ARM names of the properties of each class in a file of the SDK."""
    return {
        match[1]: {
            named or function
            for named, function in re.findall(r'@pulumi\.getter(?:\(name="([^"]+)"\))?\s+def (\w+)\(', match[2])
        }
        for match in re.finditer(r"^class (\w+)\b(.*?)(?=^class |\Z)", text, re.MULTILINE | re.DOTALL)
    }


@cache
def _text(token: str) -> str:
    _, module, name = token.split(":")
    spec = importlib.util.find_spec("pulumi_azure_native")
    assert spec is not None and spec.origin is not None
    wanted = name.replace("IP", "Ip").replace("_", "")
    file = re.sub(r"(?<!^)[A-Z]", lambda match: "_" + match[0], wanted).lower()
    return (Path(spec.origin).parent / module / f"{file}.py").read_text()


@pytest.fixture(params=sorted(PATHS))
def token(request: pytest.FixtureRequest) -> str:
    """Each type token in turn."""
    return str(request.param)


@pytest.fixture
def kind(token: str) -> ResourceType:
    """Its description."""
    return resource_types()[token]


def test_it_bears_tags_if_it_has_them(token: str, kind: ResourceType) -> None:
    assert tags.bears_tags(token) == ("tags" in kind.shape.inputs)


def test_the_lab_cloud_has_it(kind: ResourceType) -> None:
    types = {each.type.lower() for each in resources.ALL}
    if "/providers/" in kind.path:
        provider, *parts = kind.path.rpartition("/providers/")[2].lower().split("/")
        # The kind of a record is a part of its path.
        assert "/".join([provider, *parts[::2]]).replace("{recordtype}", "a") in types


def test_inputs_are_the_sdks(token: str, kind: ResourceType) -> None:
    inputs = next(names for name, names in _properties(_text(token)).items() if name.endswith("Args") and names)
    assert kind.shape.inputs | set(kind.parts) == inputs


def test_outputs_are_the_sdks(token: str, kind: ResourceType) -> None:
    outputs = next(names for name, names in _properties(_text(token)).items() if not name.endswith("Args") and names)
    assert kind.shape.outputs | {"azureApiVersion"} == outputs


def test_api_version_is_the_sdks_default(token: str, kind: ResourceType) -> None:
    match = re.search(r"Uses Azure REST API version ([\w-]+)\.", _text(token))
    assert match is not None
    assert kind.api_version == match[1]


def test_type_token_is_the_sdks(token: str) -> None:
    assert f"'{token}'," in _text(token)


def test_lists_that_are_resources_of_their_own() -> None:
    kept = {token.rpartition(":")[2]: kind.kept for token, kind in resource_types().items() if kind.kept}
    assert kept == {
        "VirtualNetwork": ("subnets", "virtualNetworkPeerings"),
        "NetworkSecurityGroup": ("securityRules",),
        "LoadBalancer": ("backendAddressPools", "inboundNatRules"),
    }


def _shapes(shape: Shape, seen: set[int]) -> Iterator[Shape]:
    if id(shape) not in seen:
        seen.add(id(shape))
        yield shape
        for inner in shape.nested.values():
            yield from _shapes(inner, seen)


def test_parts_are_known_down_to_the_leaves(kind: ResourceType) -> None:
    for shape in _shapes(kind.shape, set()):
        assert shape.inputs | shape.outputs
        assert shape.nested.keys() | shape.sets | shape.renamed.keys() <= shape.inputs | shape.outputs
        assert (shape.beside or set()) <= shape.inputs | shape.outputs


def test_a_part_is_what_the_sdk_says_at_its_place() -> None:
    network, machine = (resource_types()[f"azure-native:{name}"] for name in ("network:VirtualNetwork", "compute:Disk"))
    subnet = network.shape.nested["subnets"]
    assert {"addressPrefix", "natGateway", "networkSecurityGroup"} <= subnet.inputs
    assert "serviceGateway" not in subnet.inputs
    assert {"ipConfigurations", "purpose"} <= subnet.outputs - subnet.inputs
    assert subnet.beside == {"id", "name", "type", "etag"}
    assert subnet.nested["networkSecurityGroup"].nested["securityRules"].beside == {"id", "name", "type", "etag"}
    assert machine.shape.nested["sku"].inputs == {"name"}
    assert machine.shape.nested["sku"].outputs == {"name", "tier"}
    assert machine.shape.nested["sku"].beside is None


def test_required_and_replacing_inputs_are_inputs(kind: ResourceType) -> None:
    assert {*kind.required, *kind.replaced_by, *kind.kept} <= kind.shape.inputs


def test_the_description_can_be_kept_in_a_file() -> None:
    back: dict[str, ResourceType] = pickle.loads(pickle.dumps(resource_types()))
    subnet = back["azure-native:network:Subnet"].shape
    assert subnet.inputs == resource_types()["azure-native:network:Subnet"].shape.inputs
    security_group = subnet.nested["networkSecurityGroup"]
    assert security_group.nested["subnets"].nested["networkSecurityGroup"].outputs == security_group.outputs
