"""What changed between two states of a resource, in the engine's terms."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import cast

from components.settings.azure_id import region

from .values import Object, Value, is_object

_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


class Kind(Enum):
    """What happened to a property; the values are the names in the engine's protocol."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True)
class Change:
    """One property that differs."""

    kind: Kind
    replaces: bool


def compare(old: Mapping[str, Value], new: Mapping[str, Value], replacing: Iterable[str]) -> dict[str, Change]:
    """Return every property that differs, by its path, such as ``securityRules[0].priority``.

    Args:
        new: the inputs as they are to be; an unknown value counts as a changed one.
        replacing: names of the top-level properties whose change replaces the resource.
    """
    names = frozenset(replacing)
    changes: dict[str, Change] = {}
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if key == "location" and isinstance(before, str) and isinstance(after, str) and region(before) == region(after):
            continue
        for path, kind in _differences(before, after, _step("", key)):
            changes[path] = Change(kind, key in names)
    return changes


def _differences(old: Value, new: Value, path: str) -> Iterable[tuple[str, Kind]]:
    if equal(old, new):
        return
    if old is None:
        yield path, Kind.ADD
    elif new is None:
        yield path, Kind.DELETE
    elif is_object(old) and is_object(new):
        before, after = cast(Object, old), cast(Object, new)
        for key in sorted(before.keys() | after.keys()):
            yield from _differences(before.get(key), after.get(key), _step(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        before_items, after_items = cast("list[Value]", old), cast("list[Value]", new)
        for index in range(max(len(before_items), len(after_items))):
            before_item = before_items[index] if index < len(before_items) else None
            after_item = after_items[index] if index < len(after_items) else None
            yield from _differences(before_item, after_item, f"{path}[{index}]")
    else:
        yield path, Kind.UPDATE


def _step(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        escaped = key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{escaped}"]'
    return f"{path}.{key}" if path else key


def equal(old: Value, new: Value) -> bool:
    """Return whether two values mean the same: null is absence, and a boolean is no number."""
    if is_object(old) and is_object(new):
        before, after = cast(Object, old), cast(Object, new)
        return all(equal(before.get(key), after.get(key)) for key in before.keys() | after.keys())
    if isinstance(old, list) and isinstance(new, list):
        before_items, after_items = cast("list[Value]", old), cast("list[Value]", new)
        return len(before_items) == len(after_items) and all(map(equal, before_items, after_items))
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    return bool(old == new)


def carry_over(inputs: Value, old: Value, new: Value) -> Value:
    """Return a program's inputs with what happened in Azure between two looks at the resource.

    Azure completes a resource with defaults that the program did not set, so its answer cannot simply become the
    inputs. Only what differs between two answers can: that is somebody's doing. The real plug-in refreshes so too.
    """
    if equal(old, new):
        return inputs
    if is_object(inputs) and is_object(old) and is_object(new):
        base, before, after = cast(Object, inputs), cast(Object, old), cast(Object, new)
        result = {key: value for key, value in base.items() if key not in before or key in after}
        for key, value in after.items():
            if key not in before:
                result[key] = value
            elif not equal(before[key], value):
                result[key] = carry_over(base[key], before[key], value) if key in base else value
        return result
    if isinstance(inputs, list) and isinstance(old, list) and isinstance(new, list):
        base_items, before_items = cast("list[Value]", inputs), cast("list[Value]", old)
        after_items = cast("list[Value]", new)
        known = min(len(base_items), len(before_items))
        return [
            carry_over(base_items[index], before_items[index], item) if index < known else item
            for index, item in enumerate(after_items)
        ]
    return new
