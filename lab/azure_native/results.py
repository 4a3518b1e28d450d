"""What the plug-in answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from .diff import Change
from .values import Object


class ResourceError(Exception):
    """An operation failed; the message is one line without secrets.

    Args:
        resource_id: ARM id of what is there all the same; empty if there is nothing.
    """

    def __init__(self, message: str, resource_id: str = "", state: Object | None = None) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.state = state


@dataclass(frozen=True)
class Failure:
    property: str
    reason: str

    @classmethod
    def missing(cls, name: str) -> "Failure":
        """Return the failure of a property that must be there."""
        reason = f"missing required property '{name}'"
        if name == "location":
            reason += (
                ". Either set it explicitly or configure it with 'pulumi config set azure-native:location <value>'."
            )
        return cls(name, reason)


@dataclass(frozen=True)
class Difference:
    """What an update would mean.

    Args:
        changes: every property that differs, by its path.
        replaces: names of those that replace the resource.
    """

    changes: Mapping[str, Change]
    replaces: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A resource as it is in Azure.

    Args:
        inputs: what a program would have had to set for that.
    """

    outputs: Object
    inputs: Object
