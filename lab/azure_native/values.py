"""Property values as plain Python: what comes over gRPC, and goes back.

None, bool, int, float, str, list and dict mean themselves. Two things more exist: `UNKNOWN`, a value that a preview
cannot know, and `Secret`, around a value that nobody may read.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from google.protobuf import struct_pb2

Value: TypeAlias = Any
"""Any of the above, nested as deep as one likes."""
Object: TypeAlias = dict[str, Value]

# The engine's protocol (sdk/go/common/resource/plugin/rpc.go): a string that stands for an unknown value of each type,
# and a key that says what an object really is.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
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
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


@dataclass(frozen=True)
class Secret:
    """A value that is written nowhere in clear.

    Args:
        value: the value.
    """

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
    return Secret(plain(value)) if any(True for _ in _secrets(source)) else cast(Value, value)


def _secrets(value: Value) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, Value]", value).values():
            yield from _secrets(item)
    elif isinstance(value, list):
        for item in cast("list[Value]", value):
            yield from _secrets(item)


def from_struct(struct: struct_pb2.Struct) -> Object:
    """Return a message's properties as plain Python; null properties are left out."""
    return {key: item for key, value in struct.fields.items() if (item := _from_value(value)) is not None}


def _from_value(value: struct_pb2.Value) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _from_object(value.struct_value)
    return None


def _from_object(struct: struct_pb2.Struct) -> Value:
    fields = struct.fields
    signature = fields[_SIGNATURE].string_value if _SIGNATURE in fields else None
    if signature is None:
        return from_struct(struct)
    if signature == _SECRET:
        return Secret(_from_value(fields["value"]))
    if signature == _OUTPUT:
        inner = _from_value(fields["value"]) if "value" in fields else UNKNOWN
        return Secret(inner) if "secret" in fields and fields["secret"].bool_value else inner
    if signature == _RESOURCE:
        return _from_value(fields["id"]) if "id" in fields else UNKNOWN
    raise ValueError("assets and archives are no properties of the resource types at hand")


def to_struct(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    """Return plain Python as a message's properties."""
    return struct_pb2.Struct(fields={key: _to_value(item) for key, item in properties.items()})


def _to_value(value: Value) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, Secret):
        fields = {_SIGNATURE: struct_pb2.Value(string_value=_SECRET), "value": _to_value(value.value)}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=to_struct(cast("Mapping[str, Value]", value)))
    if isinstance(value, Sequence):
        items = [_to_value(item) for item in cast("Sequence[Value]", value)]
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))
    raise TypeError(f"no property can hold a {type(value).__name__}")


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
