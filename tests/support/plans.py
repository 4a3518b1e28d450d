"""What an update of a tracked stack would do, without an engine."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from operations.plan import Change, Plan
from tests.support.recording import record

_AZURE = "azure-native:"


def first(stack: str, changes: Mapping[str, Any] | None = None) -> Plan:
    """Return the plan of a stack's first update.

    Args:
        stack: a tracked stack.
        changes: settings in place of its own.
    """
    recorded = [resource for resource in record(stack, changes) if resource.type.startswith(_AZURE)]
    return Plan(tuple(Change(r.type.removeprefix(_AZURE), r.name, None, copy.deepcopy(r.inputs)) for r in recorded))


def changed(plan: Plan, name: str, path: str, value: Any) -> Plan:
    """Return a plan in which a value of some resources is another.

    Args:
        plan: the plan.
        name: the resources' name in the program, or their type.
        path: names of the value, with dots between them.
        value: the new value.
    """

    def one(change: Change) -> Change:
        if name not in (change.name, change.type):
            return change
        inputs = copy.deepcopy(dict(change.wanted))
        found: Any = inputs
        *way, last = path.split(".")
        for word in way:
            found = found.setdefault(word, {})
        found[last] = value
        return replace(change, new=inputs)

    return Plan(tuple(map(one, plan.changes)), plan.config)


def done(plan: Plan, group: str = "") -> Plan:
    """Return the plan after the update: all is there, and nothing is to be done.

    Args:
        plan: of the update.
        group: path of the resource group, below which resources of these names are said to be.
    """

    def one(change: Change) -> Change:
        module, _, type_ = change.type.partition(":")
        plural = f"{type_[0].lower()}{type_[1:]}{'es' if type_.endswith('s') else 's'}"
        return replace(
            change, old=change.new, id=f"{group}/providers/Microsoft.{module.capitalize()}/{plural}/{change.own_name}"
        )

    return Plan(tuple(map(one, plan.changes)), plan.config)
