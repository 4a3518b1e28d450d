"""What a setting reaches: the resources that another value of it changes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support import stack_configuration as configuration
from tests.support.recording import Resource, record

STACK = "dev"
_SCRIPT = "command:remote:Command"
_CONNECTION = "connection"


@dataclass(frozen=True)
class Another:
    """Another valid value of a setting.

    Args:
        changes: the value by the setting's name, and what it cannot be without.
        where: further settings before and after, without which it would change nothing or be refused.
    """

    changes: Mapping[str, Any]
    where: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Reach:
    """What a setting reaches. "NODE" in a name stands for each node's.

    Args:
        azure: Azure's resources that are made, go or change.
        scripts: the same of scripts, their text and their variables.
        connections: whether scripts reach their machines otherwise.
    """

    azure: list[str]
    scripts: list[str]
    connections: bool


def reach(another: Another) -> Reach:
    """Compare what the program registers with one value and with the other."""
    before, after = _named({}, another.where), _named(another.changes, another.where)
    differing = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    names: dict[bool, list[str]] = {True: [], False: []}
    connections = False
    for name in differing:
        kind, _, own = name.partition(" ")
        if kind == _SCRIPT and name in before and name in after:
            one, other = (set_of[name].inputs for set_of in (before, after))
            connections |= one[_CONNECTION] != other[_CONNECTION]
            if _without_connection(one) == _without_connection(other):
                continue
        if kind.startswith("azure-native:") or kind == _SCRIPT:
            shown = own if kind == _SCRIPT else f"{kind.rpartition(':')[2]} {own}"
            names[kind == _SCRIPT].append(shown)
    return Reach(_both_nodes(names[False]), _both_nodes(names[True]), connections)


def _named(changes: Mapping[str, Any], where: Mapping[str, Any]) -> dict[str, Resource]:
    """Return what is registered by type and name, whatever cluster and nodes are called."""
    settings = configuration.stack_settings(STACK) | dict(where) | dict(changes)
    cluster = settings["clusterName"]
    nodes = settings.get("nodeNames") or [f"{cluster}-1", f"{cluster}-2"]
    called = {nodes[0]: "NODE1", nodes[1]: "NODE2", f"{cluster}-witness": "witness"}
    made: dict[str, Resource] = {}
    for resource in record(STACK, {**where, **changes}):
        name = resource.name
        for own, shown in called.items():
            name = re.sub(rf"(?<![a-z0-9]){re.escape(own)}(?![a-z0-9])", shown, name)
        made[f"{resource.type} {name}"] = resource
    return made


def _without_connection(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key != _CONNECTION}


def _both_nodes(names: list[str]) -> list[str]:
    """Return names with one in place of two that are the same of both nodes."""
    shown = [name.replace("NODE1", "NODE") if name.replace("NODE1", "NODE2") in names else name for name in names]
    return [name for name in shown if "NODE2" not in name or name.replace("NODE2", "NODE1") not in names]
