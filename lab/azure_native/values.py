"""Property values as plain Python: what comes over gRPC, and goes back.

None, bool, int, float, str, list and dict mean themselves. Two things more exist: `UNKNOWN`, a value that a preview
cannot know, and `Secret`, around a value that nobody may read.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc

Value: TypeAlias = Any
"""Any of the above, nested as deep as one likes."""
Object: TypeAlias = dict[str, Value]

# The engine's protocol (sdk/go/common/resource/plugin/rpc.go): a string that stands for an unknown value of each type,
# and a key that says what an object really is.
UNKNOWN = rpc.UNKNOWN
_UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


@dataclass(frozen=True)
class Secret:
    """A value that is written nowhere in clear."""

    value: Value

    def __repr__(self) -> str:
        return "Secret([secret])"

    __str__ = __repr__


def is_unknown(value: Value) -> bool:
    """Return whether a preview does not know the value."""
    return isinstance(value, str) and value in _UNKNOWNS


def is_object(value: Value) -> bool:
    """Return whether the value is an object, not a list or a scalar."""
    return isinstance(value, Mapping)


def plain(value: Value) -> Value:
    """Return the value with nothing marked secret."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in cast("Mapping[str, Value]", value).items()}
    if isinstance(value, list):
        return [plain(item) for item in cast("list[Value]", value)]
    return value


def secret_strings(value: Value, inside: bool = False) -> Iterator[str]:
    """Yield every string that is, or is part of, a secret."""
    if isinstance(value, Secret):
        yield from secret_strings(value.value, True)
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, Value]", value).values():
            yield from secret_strings(item, inside)
    elif isinstance(value, list):
        for item in cast("list[Value]", value):
            yield from secret_strings(item, inside)
    elif inside and isinstance(value, str) and value:
        yield value


def with_secrets_of(value: Value, source: Value) -> Value:
    """Return the value with everything marked secret that is secret at the same place of the source.

    Objects are compared key by key; anything else is secret as a whole if the source holds a secret.
    """
    if isinstance(value, Mapping) and isinstance(source, Mapping):
        marks = cast("Mapping[str, Value]", source)
        return {
            key: with_secrets_of(item, marks[key]) if key in marks else item
            for key, item in cast("Mapping[str, Value]", value).items()
        }
    return Secret(plain(value)) if _holds_secret(source) else cast(Value, value)


def _holds_secret(value: Value) -> bool:
    return bool(plain(value) != value)


def from_struct(struct: struct_pb2.Struct) -> Object:
    """Return a message's properties as plain Python; null properties are left out."""
    return _object(json_format.MessageToDict(struct))


def _object(wire: Object) -> Object:
    return {key: item for key, value in wire.items() if (item := _from_wire(value)) is not None}


def _from_wire(value: Value) -> Value:
    if rpc.is_rpc_secret(value):
        return Secret(_from_wire(rpc.unwrap_rpc_secret(value)))
    if isinstance(value, list):
        return [_from_wire(item) for item in cast("list[Value]", value)]
    if not is_object(value):
        return _scalar(value)
    signature = value.get(_SIGNATURE)
    if signature is None:
        return _object(value)
    if signature == _OUTPUT:
        inner = _from_wire(value.get("value", UNKNOWN))
        return Secret(inner) if value.get("secret") else inner
    if signature == _RESOURCE:
        return _from_wire(value.get("id", UNKNOWN))
    raise ValueError("assets and archives are no properties of the resource types at hand")


def _scalar(value: bool | float | str | None) -> Value:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # protobuf has one kind of number, ARM's JSON has two
    return UNKNOWN if is_unknown(value) else value


def to_struct(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    """Return plain Python as a message's properties."""
    struct = struct_pb2.Struct()
    struct.update(_to_wire(properties))
    return struct


def _to_wire(value: Value) -> Value:
    if isinstance(value, Secret):
        return rpc.wrap_rpc_secret(_to_wire(value.value))
    if isinstance(value, Mapping):
        return {key: _to_wire(item) for key, item in cast("Mapping[str, Value]", value).items()}
    return [_to_wire(item) for item in cast("list[Value]", value)] if isinstance(value, list) else value


def configured(value: Value) -> str:
    """Return a provider setting as text; the engine sends what is no string as JSON.

    Args:
        value: the setting as it came; absent is None.

    Returns:
        The text, empty for none; never unknown.
    """
    value = plain(value)
    if value is None or is_unknown(value):
        return ""
    return value if isinstance(value, str) else json.dumps(value)
