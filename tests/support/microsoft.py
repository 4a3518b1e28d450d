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
    "privatedns:PrivateZone": ("azure.mgmt.privatedns.models", "PrivateZone"),
    "privatedns:VirtualNetworkLink": ("azure.mgmt.privatedns.models", "VirtualNetworkLink"),
    "privatedns:PrivateRecordSet": ("azure.mgmt.privatedns.models", "RecordSet"),
    "compute:AvailabilitySet": ("azure.mgmt.compute.models", "AvailabilitySet"),
    "compute:Disk": ("azure.mgmt.compute.models", "Disk"),
    "compute:DiskEncryptionSet": ("azure.mgmt.compute.models", "DiskEncryptionSet"),
    "compute:VirtualMachine": ("azure.mgmt.compute.models", "VirtualMachine"),
    "storage:StorageAccount": ("azure.mgmt.storage.models", "StorageAccountCreateParameters"),
    "storage:BlobServiceProperties": ("azure.mgmt.storage.models", "BlobServiceProperties"),
    "storage:BlobContainer": ("azure.mgmt.storage.models", "BlobContainer"),
    "storage:BlobContainerImmutabilityPolicy": ("azure.mgmt.storage.models", "ImmutabilityPolicy"),
    "storage:ManagementPolicy": ("azure.mgmt.storage.models", "ManagementPolicy"),
    "monitor:ActionGroup": ("azure.mgmt.monitor.models", "ActionGroupResource"),
    "monitor:MetricAlert": ("azure.mgmt.monitor.models", "MetricAlertResource"),
    "authorization:RoleDefinition": ("azure.mgmt.authorization.v2022_04_01.models", "RoleDefinition"),
    "authorization:RoleAssignment": ("azure.mgmt.authorization.v2022_04_01.models", "RoleAssignmentCreateParameters"),
    "authorization:ManagementLockByScope": ("azure.mgmt.resource.locks.models", "ManagementLockObject"),
}
"""Module and name of the model of each resource type that the program makes."""

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
        for kind in (model, *_subtypes(model)):
            for entry in kind._attribute_map.values():
                *outer, key = _path(entry)
                place = name
                for word in outer:
                    place = found[place].setdefault(word, f"{place}.{word}")
                    found.setdefault(place, {})
                inner = getattr(importlib.import_module(model.__module__), entry["type"].strip("[]{}"), None)
                if key:  # what is not named is of nothing that the program makes
                    is_model = hasattr(inner, "_attribute_map")
                    found[place][key] = _add_tables(module, inner, found) if is_model else ""
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


def _path(entry: Mapping[str, str]) -> tuple[str, ...]:
    """Return where a table has a property: names, one in the other; a dot that is part of a name is escaped."""
    return tuple(word.replace("\\.", ".") for word in re.split(r"(?<!\\)\.", entry["key"]))


def _kinds(model: Any) -> Mapping[str, Mapping[str, str]]:
    """Return by which attribute, and which value of it, a model is one of its subclasses, by their names."""
    return cast(dict[str, Any], vars(model)).get("_subtype_map", {})


def _subtypes(model: Any) -> list[Any]:
    """Return the models of which a body may be one where this model is asked for."""
    names = [name for kinds in _kinds(model).values() for name in kinds.values()]
    direct = [getattr(importlib.import_module(model.__module__), name) for name in names]
    return [*direct, *(further for each in direct for further in _subtypes(each))]


def _told_by(model: Any, body: Mapping[str, Any]) -> Any:
    """Return the model that a body says it is of; the given one where it says nothing of the kind."""
    for attribute, kinds in _kinds(model).items():
        (key,) = _path(model._attribute_map[attribute])
        if body.get(key) in kinds:
            return _told_by(getattr(importlib.import_module(model.__module__), kinds[body[key]]), body)
    return model


def _by_tables(model: Any, body: Mapping[str, Any], where: str) -> Iterator[str]:
    model = _told_by(model, body)
    rules: Mapping[str, Mapping[str, bool]] = model._validation
    known = {path: name for name, entry in model._attribute_map.items() if (path := _path(entry)) != ("",)}
    given = dict(_flat(body, {path[:end] for path in known for end in range(1, len(path))}))
    for path, value in given.items():
        name, place = known.get(path), ".".join((where, *path))
        if name is None:
            yield f"{place} is not known"
        elif rules.get(name, {}).get("readonly"):
            yield f"{place} is read-only"
        else:
            yield from _by_table_entry(model, name, value, place)
    for path, name in known.items():
        if path not in given and rules.get(name, {}).get("required"):
            yield f"{'.'.join((where, *path))} is missing"


def _flat(
    body: Mapping[str, Any], outer: set[tuple[str, ...]], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in body.items():
        path = (*above, key)
        if path in outer:
            yield from _flat(cast(dict[str, Any], value), outer, path)
        else:
            yield path, value


def _by_table_entry(model: Any, name: str, value: Any, where: str) -> Iterator[str]:
    kind = str(model._attribute_map[name]["type"])
    inner = getattr(importlib.import_module(model.__module__), kind.strip("[]"), None)
    is_model = hasattr(inner, "_attribute_map")
    if kind.startswith("["):
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        for number, each in enumerate(cast(list[Any], value) if is_model else ()):
            yield from _by_tables(inner, each, f"{where}[{number}]")
        return
    if is_model:
        if not isinstance(value, dict):
            yield f"{where} is no object"
            return
        yield from _by_tables(inner, cast(dict[str, Any], value), where)
        return
    if kind in _SIMPLE and (not isinstance(value, _SIMPLE[kind]) or (isinstance(value, bool) and kind != "bool")):
        yield f"{where} is {value!r}, no {kind}"
    most = model._validation.get(name, {}).get("max_length")
    if most is not None and isinstance(value, str) and len(value) > most:
        yield f"{where} is longer than {most}"
    allowed = _values_told(model, name)
    if allowed and value not in allowed:
        yield f"{where} is {value!r}, none of {', '.join(allowed)}"


def _values_told(model: Any, name: str) -> list[str]:
    """Return the values of an enumeration that a docstring names; none where there is none."""
    told = re.search(rf":ivar {name}:(.*?):vartype", model.__doc__ or "", re.DOTALL)
    values = re.search(r"(?:Known|Possible) values (?:are|include):(.*)", told[1], re.DOTALL) if told else None
    return re.findall(r'"([^"]+)"', values[1]) if values else []
