"""How a resource type is described: what the plug-in needs to know to turn its properties into ARM's, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .values import Value


@dataclass(frozen=True, eq=False)
class Shape:
    """The properties of one kind of object. An object without a shape passes unchanged.

    Args:
        inputs: names that a program may set.
        outputs: names that a response may hold.
        beside: names that ARM keeps beside ``properties``; None for an object that has no ``properties``.
        nested: shape of an object, or of the elements of a list, by property name; in the end it may be this one.
        renamed: ARM's name of a property under ``properties``, where the SDK has another.
        sets: lists of strings that ARM writes as objects with empty values.
    """

    inputs: frozenset[str]
    outputs: frozenset[str]
    beside: frozenset[str] | None
    nested: "Mapping[str, Shape]"
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    sets: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class ResourceType:
    """One resource type.

    Args:
        path: ARM's path, with the SDK's names of its parts in braces.
        api_version: what the SDK's release speaks by default.
        required: inputs that must be there, beside the parts of the path.
        replaced_by: inputs whose change replaces the resource, beside the parts of the path.
        kept: lists that are resources of their own as well: left as they are in Azure where the program is silent.
        beginning: what Azure has of it as soon as it has what it is a part of; None where it has nothing.
    """

    path: str
    api_version: str
    shape: Shape
    required: tuple[str, ...]
    replaced_by: tuple[str, ...]
    kept: tuple[str, ...]
    beginning: Mapping[str, Value] | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The inputs that the resource's id is made of, but for the subscription."""
        pieces = self.path.split("{")[1:]
        return tuple(name for piece in pieces if (name := piece.partition("}")[0]) != "subscriptionId")
