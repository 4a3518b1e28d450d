"""Between the SDK's objects, which are flat, and ARM's, which keep most of a resource under ``properties``."""

from collections.abc import Callable, Mapping
from typing import cast

from .schema import Shape
from .values import UNKNOWN, Object, Value, is_object

_PROPERTIES = "properties"


def _nested(shape: Shape, key: str, value: Value, change: Callable[[Shape, Object], Object]) -> Value:
    """Apply a change to what has a shape under a key, be it an object or a list of them."""
    inner = shape.nested.get(key)
    if inner is None:
        return value
    if isinstance(value, list):
        items = cast("list[Value]", value)
        return [change(inner, cast(Object, item)) if is_object(item) else item for item in items]
    return change(inner, cast(Object, value)) if is_object(value) else value


def to_body(shape: Shape, inputs: Mapping[str, Value], resource_id: str) -> Object:
    """Return the body of a PUT.

    Args:
        resource_id: ARM id of the resource: ``$self`` at the start of a reference's id stands for it.
    """
    body: Object = {}
    for key, value in inputs.items():
        if key not in shape.inputs or value is None:
            continue
        if key in shape.sets and isinstance(value, list):
            converted: Value = {item: dict[str, Value]() for item in cast("list[str]", value)}
        else:
            converted = _nested(shape, key, value, lambda inner, item: to_body(inner, item, resource_id))
        converted = _resolve_self(converted, resource_id)
        if shape.beside is None or key in shape.beside:
            body[shape.renamed.get(key, key)] = converted
        else:
            body.setdefault(_PROPERTIES, {})[shape.renamed.get(key, key)] = converted
    return body


def _resolve_self(value: Value, resource_id: str) -> Value:
    if is_object(value):
        value = {key: _resolve_self(item, resource_id) for key, item in cast(Object, value).items()}
        own = value.get("id")
        if isinstance(own, str) and own.startswith("$self/"):
            value["id"] = resource_id + own.removeprefix("$self")
        return value
    if isinstance(value, list):
        return [_resolve_self(item, resource_id) for item in cast("list[Value]", value)]
    return value


def to_outputs(shape: Shape, body: Mapping[str, Value]) -> Object:
    """Return the SDK's view of an answer of ARM; null and what the shape does not know are left out."""
    inner = body.get(_PROPERTIES)
    properties = cast(Object, inner) if is_object(inner) else {}
    outputs: Object = {}
    for key in sorted(shape.outputs):
        if shape.beside is None or key in shape.beside:
            value = body.get(shape.renamed.get(key, key))
        else:
            value = properties.get(shape.renamed.get(key, key))
        if value is not None:
            outputs[key] = _nested(shape, key, value, to_outputs)
    return outputs


def to_inputs(shape: Shape, outputs: Mapping[str, Value]) -> Object:
    """Return the part of a resource's outputs that a program could have set, in the form in which it sets it."""
    inputs: Object = {}
    for key in sorted(shape.inputs & outputs.keys()):
        value = outputs[key]
        if key in shape.sets and is_object(value):
            inputs[key] = sorted(cast(Object, value))
        else:
            inputs[key] = _nested(shape, key, value, to_inputs)
    return inputs


def to_preview(shape: Shape, inputs: Mapping[str, Value]) -> Object:
    """Return the outputs as far as they are known before the resource exists: the inputs, and `UNKNOWN` elsewhere."""
    outputs: Object = {}
    for key in sorted(shape.outputs):
        if key not in inputs or key in shape.sets:
            outputs[key] = UNKNOWN
        else:
            outputs[key] = _nested(shape, key, inputs[key], to_preview)
    return outputs


def overlay(old: Value, new: Value) -> Value:
    """Return the new value, completed by what the old one knows and the new one does not.

    What the new one does not know and the old one does not have is left out: one unknown property would make the whole
    object unknown to the program.

    Args:
        new: outputs as `to_preview` foresees them.
    """
    if is_object(old) and is_object(new):
        before, after = cast(Object, old), cast(Object, new)
        return {
            key: overlay(before[key], item) if key in before else item
            for key, item in after.items()
            if key in before or item != UNKNOWN
        }
    if isinstance(old, list) and isinstance(new, list):
        before_items, after_items = cast("list[Value]", old), cast("list[Value]", new)
        return [
            overlay(before_items[index], item)
            if index < len(before_items) and _alike(before_items[index], item)
            else item
            for index, item in enumerate(after_items)
        ]
    return cast(Value, old if new == UNKNOWN else new)


def _alike(old: Value, new: Value) -> bool:
    """Return whether two elements of a list are the same thing, going by their names or ids."""
    if not (is_object(old) and is_object(new)):
        return True
    return all(new.get(key, UNKNOWN) in (old.get(key), UNKNOWN) for key in ("name", "id"))
