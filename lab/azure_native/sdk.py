"""Descriptions of Azure's resource types, derived from the classes of the installed SDK.

The real plug-in embeds a description of every type, generated from Microsoft's OpenAPI files. From the same files the
SDK is generated, and its classes still know most of it: the properties of each object, which of them a program may
set, what they hold, the api-version. What they do not know stands in the tables below.

To import the classes takes more than a second. So this is done once, when the plug-in is installed.
"""

import importlib
import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from pulumi import _types as classes  # pyright: ignore[reportPrivateUsage] - the SDK's only way to ask its classes

from operations.resume import ID_PATHS

from .schema import ResourceType, Shape
from .values import Value

_Hints: TypeAlias = Mapping[str, Any]
_Pair: TypeAlias = tuple[type | None, type | None]


@dataclass(frozen=True)
class _Extra:
    """What the SDK does not say of a resource type: what the real plug-in's list `forceNewMap` and its checks have.
    Whatever else Azure refuses to change in place (a VM's availability set, zones, customData, …) is no replacement for
    the real plug-in either: it sends the PUT, and ARM answers with an error.

    Args:
        required: inputs that the SDK holds for optional.
        replaced_by: inputs whose change replaces the resource, beside the parts of the path.
        renamed: ARM's name of a property, where the SDK has another.
        beginning: see ResourceType.
    """

    required: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    beginning: Mapping[str, Value] | None = None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PROVIDERS = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers"
# What the program makes has its path where `make resume` looks for it; the rest it only reads.
PATHS: Mapping[str, str] = {
    **ID_PATHS,
    "azure-native:network:NatGateway": f"{_PROVIDERS}/Microsoft.Network/natGateways/{{natGatewayName}}",
    "azure-native:keyvault:Vault": f"{_PROVIDERS}/Microsoft.KeyVault/vaults/{{vaultName}}",
    "azure-native:keyvault:Key": f"{_PROVIDERS}/Microsoft.KeyVault/vaults/{{vaultName}}/keys/{{keyName}}",
    "azure-native:monitor:AzureMonitorWorkspace": (
        f"{_PROVIDERS}/Microsoft.Monitor/accounts/{{azureMonitorWorkspaceName}}"
    ),
    "azure-native:monitor:DataCollectionEndpoint": (
        f"{_PROVIDERS}/Microsoft.Insights/dataCollectionEndpoints/{{dataCollectionEndpointName}}"
    ),
    "azure-native:monitor:DataCollectionRule": (
        f"{_PROVIDERS}/Microsoft.Insights/dataCollectionRules/{{dataCollectionRuleName}}"
    ),
}
"""ARM's path of every type that the stand-in knows, by the SDK's type token."""

_LOCATION = ("location",)
_EXTRAS: Mapping[str, _Extra] = {
    "resources:ResourceGroup": _Extra(_LOCATION, _LOCATION),
    "network:VirtualNetwork": _Extra(replaced_by=_LOCATION),
    "network:PublicIPAddress": _Extra(replaced_by=("location", "publicIPAddressVersion", "publicIPPrefix", "sku")),
    "compute:AvailabilitySet": _Extra(_LOCATION),
    "compute:Disk": _Extra(_LOCATION, renamed={"lastOwnershipUpdateTime": "LastOwnershipUpdateTime"}),
    "compute:VirtualMachine": _Extra(_LOCATION),
    "storage:StorageAccount": _Extra(
        _LOCATION, _LOCATION, renamed={"enableHttpsTrafficOnly": "supportsHttpsTrafficOnly"}
    ),
    "storage:BlobServiceProperties": _Extra(beginning={}),
    "storage:BlobContainerImmutabilityPolicy": _Extra(beginning={"immutabilityPeriodSinceCreationInDays": 0}),
    "authorization:RoleDefinition": _Extra(renamed={"roleType": "type"}),
    "authorization:RoleAssignment": _Extra(replaced_by=("principalId",)),
}

# Parts of resources that ARM gives `properties` of their own (`x-ms-client-flatten` in the OpenAPI files); a
# resource has them unless the SDK has a property of that name.
_FLATTENED = _words(
    """ApplicationGatewayIPConfiguration ApplicationSecurityGroup BackendAddressPool Delegation FrontendIPConfiguration
    IPConfiguration IPConfigurationProfile InboundNatPool InboundNatRule LoadBalancerBackendAddress LoadBalancingRule
    NatGateway NetworkInterfaceIPConfiguration NetworkInterfaceReference NetworkSecurityGroup OutboundRule Probe
    PublicIPAddress Route RouteTable SecurityRule Subnet VirtualMachineNetworkInterfaceConfiguration
    VirtualMachineNetworkInterfaceIPConfiguration VirtualMachinePublicIPAddressConfiguration
    VirtualNetworkPeering"""
)
# What ARM keeps beside `properties`, of whatever has it.
_BESIDE = _words(
    """etag extendedLocation id identity kind location managedBy managedByExtended name placement plan resources sku
    systemData tags type zones"""
)
_NOT_BESIDE: Mapping[str, frozenset[str]] = {"BackendAddressPool": frozenset({"location"})}
# Of the classes that may stand at a place, the one that this project uses, by the end of its name.
_CHOSEN = "SingleResourceMultipleMetricCriteria"
_RENAMED: Mapping[str, Mapping[str, str]] = {f"MetricAlert{_CHOSEN}": {"odataType": "odata.type"}}
# The SDK takes these, but the api-version of the stand-in has no place for them.
_LATER: Mapping[str, frozenset[str]] = {"Subnet": frozenset({"serviceGateway"})}


@cache
def resource_types() -> Mapping[str, ResourceType]:
    """Return the description of every type that the stand-in knows, by the SDK's type token."""
    return {token: _describe(token, path) for token, path in PATHS.items()}


def _describe(token: str, path: str) -> ResourceType:
    _, module, class_name = token.split(":")
    extra = _EXTRAS.get(f"{module}:{class_name}", _Extra())
    resource = getattr(importlib.import_module(f"pulumi_azure_native.{module}"), class_name)
    source = sys.modules[resource.__module__]
    arguments = getattr(source, next(item for item in source.__all__ if item.endswith("Args")))
    parts = set(re.findall(r"\{(\w+)\}", path))
    inputs = {key: hint for key, hint in classes.input_type_types(arguments).items() if key not in parts}
    outputs = {key: hint for key, hint in classes.resource_types(resource).items() if key != "azureApiVersion"}
    names = classes.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments.__init__).parameters.values()
    needed = [names[item.name] for item in parameters if item.default is item.empty and item.name in names]
    version = re.search(
        r"Uses Azure REST API version ([\w-]+)\.", typing.get_overloads(resource.__init__)[0].__doc__ or ""
    )
    assert version is not None, f"{token}: the SDK names no api-version"
    kept = re.findall(r" (\w+): .*\n\s+These are also available as standalone resources", arguments.__init__.__doc__)
    flattened = "properties" not in outputs
    return ResourceType(
        path=path,
        api_version=version[1],
        shape=_shape((arguments, resource), inputs, outputs, _BESIDE if flattened else None, extra.renamed, {}),
        required=(*extra.required, *(item for item in needed if item in inputs)),
        replaced_by=extra.replaced_by,
        kept=tuple(names[item] for item in kept),
        beginning=extra.beginning,
    )


def _shape(
    pair: _Pair,
    inputs: _Hints,
    outputs: _Hints,
    beside: frozenset[str] | None,
    renamed: Mapping[str, str],
    made: dict[_Pair, Shape],
) -> Shape:
    nested: dict[str, Shape] = {}
    names = inputs.keys() | outputs.keys()
    made[pair] = Shape(  # before what is in it, which may hold the same again
        inputs=frozenset(inputs),
        outputs=frozenset(outputs),
        beside=None if beside is None else beside & names,
        nested=nested,
        renamed=renamed,
        sets=frozenset(
            key for key, hint in outputs.items() if _is_mapping(hint) and not _is_mapping(inputs.get(key, hint))
        ),
    )
    for key in sorted(names):
        inner = (_class_in(inputs.get(key), classes.is_input_type), _class_in(outputs.get(key), classes.is_output_type))
        if inner != (None, None):
            nested[key] = made[inner] if inner in made else _part(inner, made)
    return made[pair]


def _part(pair: _Pair, made: dict[_Pair, Shape]) -> Shape:
    arguments, response = pair
    name = re.sub(r"(Args|Response)(V\d+)?$", "", (arguments or response or object).__name__)
    if arguments and not response and name.endswith(_CHOSEN):  # where several may come back, the SDK says "any"
        outputs_of = importlib.import_module(arguments.__module__.replace("._inputs", ".outputs"))
        response = getattr(outputs_of, f"{name}Response")
    inputs = classes.input_type_types(arguments) if arguments else {}
    outputs = classes.output_type_types(response) if response else {}
    return _shape(
        pair,
        {key: hint for key, hint in inputs.items() if key not in _LATER.get(name, ())},
        outputs,
        _BESIDE - _NOT_BESIDE.get(name, frozenset()) if name in _FLATTENED else None,
        _RENAMED.get(name, {}),
        made,
    )


def _is_mapping(hint: Any) -> bool:
    return typing.get_origin(hint) is Mapping


def _class_in(hint: Any, wanted: Callable[[type], bool]) -> type | None:
    """Return the SDK's class in a type hint: of an object, or of a list's elements. A mapping's keys are anybody's."""
    if isinstance(hint, type) and wanted(hint):
        return hint
    if _is_mapping(hint):
        return None
    found = {inner for item in typing.get_args(hint) if (inner := _class_in(item, wanted))}
    if len(found) > 1:
        found = {each for each in found if re.search(rf"{_CHOSEN}(Args|Response)$", each.__name__)}
    return found.pop() if len(found) == 1 else None
