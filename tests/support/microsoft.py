"""Microsoft's own types as judges of a request's body: properties, those required and read-only, enumerations.

Its Python clients have two kinds of models: those of azure-mgmt-compute and -network say all in annotations and fields;
the older ones have tables, and name an enumeration's values in their docstrings only.
"""

import importlib
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

MODELS: Mapping[str, tuple[str, str]] = {
    "resources:ResourceGroup": ("azure.mgmt.resource.resources.models", "ResourceGroup"),
    "network:VirtualNetwork": ("azure.mgmt.network.models", "VirtualNetwork"),
    "network:Subnet": ("azure.mgmt.network.models", "Subnet"),
    "network:NetworkSecurityGroup": ("azure.mgmt.network.models", "NetworkSecurityGroup"),
    "network:PublicIPAddress": ("azure.mgmt.network.models", "PublicIPAddress"),
    "network:LoadBalancer": ("azure.mgmt.network.models", "LoadBalancer"),
    "network:NetworkInterface": ("azure.mgmt.network.models", "NetworkInterface"),
    "compute:AvailabilitySet": ("azure.mgmt.compute.models", "AvailabilitySet"),
    "compute:Disk": ("azure.mgmt.compute.models", "Disk"),
    "compute:DiskEncryptionSet": ("azure.mgmt.compute.models", "DiskEncryptionSet"),
    "compute:VirtualMachine": ("azure.mgmt.compute.models", "VirtualMachine"),
    "storage:StorageAccount": ("azure.mgmt.storage.models", "StorageAccountCreateParameters"),
    "storage:BlobServiceProperties": ("azure.mgmt.storage.models", "BlobServiceProperties"),
    "storage:BlobContainer": ("azure.mgmt.storage.models", "BlobContainer"),
    "storage:BlobContainerImmutabilityPolicy": ("azure.mgmt.storage.models", "ImmutabilityPolicy"),
    "storage:ManagementPolicy": ("azure.mgmt.storage.models", "ManagementPolicy"),
    "authorization:RoleDefinition": ("azure.mgmt.authorization.v2022_04_01.models", "RoleDefinition"),
    "authorization:RoleAssignment": ("azure.mgmt.authorization.v2022_04_01.models", "RoleAssignmentCreateParameters"),
    "authorization:ManagementLockByScope": ("azure.mgmt.resource.locks.models", "ManagementLockObject"),
}
"""Module and name of the model of each resource type that the program makes."""

UNJUDGED = ("monitor:ActionGroup", "monitor:MetricAlert")
"""Types of which there is no model: azure-mgmt-monitor is not among the packages of the tests."""

_OPEN = ("VirtualMachineSizeTypes",)
"""Enumerations that end with 2018, by Microsoft's own word: others are valid."""

_SIMPLE: Mapping[str, type | tuple[type, ...]] = {"str": str, "bool": bool, "int": int, "float": (int, float)}


def judge(resource_type: str, body: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the body of a request that makes a resource.

    Args:
        resource_type: one of `MODELS`.
        body: as it is sent.
    """
    module, name = MODELS[resource_type]
    model = getattr(importlib.import_module(module), name)
    if hasattr(model, "_attribute_map"):
        return list(_by_tables(model, body, resource_type))
    return list(_by_fields(model, body, resource_type))


@cache
def _hints(model: Any) -> Mapping[str, Any]:
    module = importlib.import_module(model.__module__)
    every = importlib.import_module(model.__module__.rpartition(".")[0])
    return typing.get_type_hints(model, {**vars(module), "_models": SimpleNamespace(**vars(module) | vars(every))})


def properties(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the properties of some classes and of all that is in them, each with the class that it holds, or "".

    Args:
        names: such as "compute.Disk".
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        module, _, kind = name.partition(".")
        package = next(place for place, _ in MODELS.values() if module in place.split("."))
        model = getattr(importlib.import_module(package), kind)
        (_add_tables if hasattr(model, "_attribute_map") else _add_properties)(module, model, found)
    return found


def _add_properties(module: str, model: Any, found: dict[str, dict[str, str]]) -> str:
    name = f"{module}.{model.__name__}"
    if name not in found:
        found[name] = {}
        model({})
        for attribute, field in model._attr_to_rest_field.items():
            inner = next(_models_in(_hints(model)[attribute]), None)
            found[name][field._rest_name] = _add_properties(module, inner, found) if inner else ""
    return name


def _add_tables(module: str, model: Any, found: dict[str, dict[str, str]]) -> str:
    """Add a model of the older kind, which has what is under "properties" beside the rest."""
    name = f"{module}.{model.__name__}"
    if name not in found:
        found[name] = {}
        for entry in model._attribute_map.values():
            outer, _, key = entry["key"].rpartition(".")
            place = f"{name}.{outer}" if outer else name
            if outer:
                found[name][outer] = place
            inner = getattr(importlib.import_module(model.__module__), entry["type"].strip("[]{}"), None)
            is_model = hasattr(inner, "_attribute_map")
            found.setdefault(place, {})[key] = _add_tables(module, inner, found) if is_model else ""
    return name


def _models_in(hint: Any) -> Iterator[Any]:
    if hasattr(hint, "_is_model"):
        yield hint
    for inner in typing.get_args(hint):
        yield from _models_in(inner)


def _by_fields(model: Any, body: Mapping[str, Any], where: str) -> Iterator[str]:
    hints = _hints(model)
    # The class has the fields from its first object on.
    model({})
    fields: Mapping[str, Any] = model._attr_to_rest_field
    known: dict[str, tuple[str, Any]] = {field._rest_name: (name, field) for name, field in fields.items()}
    for key, value in body.items():
        if key not in known:
            yield f"{where}.{key} is not known"
            continue
        name, field = known[key]
        if field._visibility == ["read"]:
            # A reference to something else has that one's id, which is read-only only in its own body.
            if key != "id" or "." not in where:
                yield f"{where}.{key} is read-only"
            continue
        yield from _value(hints[name], value, f"{where}.{key}")
    for key, (name, field) in known.items():
        if key not in body and not _is_optional(hints[name]) and field._visibility != ["read"]:
            yield f"{where}.{key} is missing"


def _is_optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _value(hint: Any, value: Any, where: str) -> Iterator[str]:
    kinds = [kind for kind in (typing.get_args(hint) or (hint,)) if kind is not type(None)]
    origin = typing.get_origin(hint)
    if origin in (list, dict):
        kinds = [hint]
    enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)]
    if enums:
        allowed = [str(each.value) for kind in enums for each in kind]
        if value not in allowed and not {kind.__name__ for kind in enums} & {*_OPEN}:
            yield f"{where} is {value!r}, none of {', '.join(allowed)}"
        return
    kind = kinds[0]
    if typing.get_origin(kind) is list:
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        for number, each in enumerate(cast(list[Any], value)):
            yield from _value(typing.get_args(kind)[0], each, f"{where}[{number}]")
    elif typing.get_origin(kind) is dict:
        for key, each in cast(dict[str, Any], value).items():
            yield from _value(typing.get_args(kind)[1], each, f"{where}.{key}")
    elif hasattr(kind, "_is_model"):
        if not isinstance(value, dict):
            yield f"{where} is no object"
            return
        yield from _by_fields(kind, cast(dict[str, Any], value), where)
    elif kind.__name__ in _SIMPLE:
        wanted = _SIMPLE[kind.__name__]
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
            yield f"{where} is {value!r}, no {kind.__name__}"


def _by_tables(model: Any, body: Mapping[str, Any], where: str) -> Iterator[str]:
    rules: Mapping[str, Mapping[str, bool]] = model._validation
    known: dict[str, str] = {entry["key"]: name for name, entry in model._attribute_map.items()}
    given = dict(_flat(body, {key.partition(".")[0] for key in known if "." in key}))
    for key, value in given.items():
        name = known.get(key)
        if name is None:
            yield f"{where}.{key} is not known"
        elif rules.get(name, {}).get("readonly"):
            yield f"{where}.{key} is read-only"
        else:
            yield from _by_table_entry(model, name, value, f"{where}.{key}")
    for key, name in known.items():
        if key not in given and rules.get(name, {}).get("required"):
            yield f"{where}.{key} is missing"


def _flat(body: Mapping[str, Any], nesting: set[str]) -> Iterator[tuple[str, Any]]:
    for key, value in body.items():
        if key in nesting:
            yield from ((f"{key}.{inner}", each) for inner, each in cast(dict[str, Any], value).items())
        else:
            yield key, value


def _by_table_entry(model: Any, name: str, value: Any, where: str) -> Iterator[str]:
    kind = str(model._attribute_map[name]["type"])
    if kind.startswith("["):
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        inner = getattr(importlib.import_module(model.__module__), kind.strip("[]"), None)
        for number, each in enumerate(cast(list[Any], value)):
            if inner is not None:
                yield from _by_tables(inner, each, f"{where}[{number}]")
        return
    if kind in _SIMPLE and not isinstance(value, _SIMPLE[kind]):
        yield f"{where} is {value!r}, no {kind}"
    allowed = _values_told(model, name)
    if allowed and value not in allowed:
        yield f"{where} is {value!r}, none of {', '.join(allowed)}"


def _values_told(model: Any, name: str) -> list[str]:
    """Return the values of an enumeration that a docstring names; none where there is none."""
    told = re.search(rf":ivar {name}:(.*?):vartype", model.__doc__ or "", re.DOTALL)
    values = re.search(r"(?:Known|Possible) values (?:are|include):(.*)", told[1], re.DOTALL) if told else None
    return re.findall(r'"(\w+)"', values[1]) if values else []
