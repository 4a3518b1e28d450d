"""Paths of Resource Manager: parsing, comparing, composing."""

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from lab.cloud.errors import bad_request

_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class ResourceId:
    """The identity of a resource, or of a collection of resources.

    Args:
        group: the resource group's name; empty for a path of the subscription itself.
        namespace: the provider, such as `Microsoft.Network`; empty for a resource group.
        types: type segments, outermost first, such as `("virtualNetworks", "subnets")`.
        names: one name a type; one fewer than types for a collection, or for an action upon a resource.
        on: path of the resource that an extension resource (a role assignment) is on; empty for all others, and for
            what is on a resource group or on the subscription.
    """

    subscription: str
    group: str = ""
    namespace: str = ""
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    on: str = ""

    @property
    def type(self) -> str:
        """The full type, such as `Microsoft.Network/virtualNetworks/subnets`."""
        return "/".join((self.namespace, *self.types))

    @property
    def name(self) -> str:
        """The innermost name."""
        return self.names[-1]

    @property
    def is_collection(self) -> bool:
        """Whether the path ends with a type, not a name."""
        return len(self.names) < len(self.types)

    @property
    def parent(self) -> "ResourceId":
        """The path without its last type (and name, where it has one)."""
        return replace(self, types=self.types[:-1], names=self.names[: len(self.types) - 1])

    @property
    def scope(self) -> str:
        """What it is in or on: the path before its provider; a resource group's and a subscription's own path."""
        text = f"/subscriptions/{self.subscription}"
        return self.on or (f"{text}/resourceGroups/{self.group}" if self.group else text)

    def child(self, type_: str, name: str) -> "ResourceId":
        return replace(self, types=(*self.types, type_), names=(*self.names, name))

    def __str__(self) -> str:
        text = self.scope
        if self.namespace:
            text += f"/providers/{self.namespace}"
            for index, type_ in enumerate(self.types):
                text += f"/{type_}"
                if index < len(self.names):
                    text += f"/{self.names[index]}"
        return text

    @property
    def key(self) -> str:
        """The form for comparing: Azure's identities do not distinguish case."""
        return str(self).lower()


def parse(path: str) -> ResourceId:
    """Parse the path of a resource, collection or action.

    Args:
        path: such as `/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/disks/d`; letter case of the
            fixed words does not matter.

    Returns:
        the identity; `namespace` and `types` are as written.

    Raises:
        ArmError: the path is not of that form (400, InvalidResourceId), or its subscription is not a GUID.
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if len(parts) < 2 or parts[0].lower() != "subscriptions" or not all(parts):
        raise bad_request("InvalidResourceId", f"'{path}' is not a resource's path.")
    if not _SUBSCRIPTION.fullmatch(parts[1]):
        raise bad_request(
            "InvalidSubscriptionId", f"The provided subscription identifier '{parts[1]}' is malformed or invalid."
        )
    subscription, rest = parts[1], parts[2:]
    group = ""
    if rest and rest[0].lower() == "resourcegroups":
        if len(rest) < 2:
            return ResourceId(subscription)
        group, rest = rest[1], rest[2:]
    if not rest:
        return ResourceId(subscription, group)
    # What follows the last `providers` is the resource itself; an earlier one belongs to what it is on.
    start = max((index for index, part in enumerate(rest) if part.lower() == "providers"), default=0)
    own = rest[start:]
    if rest[0].lower() != "providers" or len(own) < 3:
        raise bad_request("InvalidResourceId", f"'{path}' is not a resource's path.")
    on = ""
    if start:
        holder = parse("/".join(parts[: len(parts) - len(own)]))
        if not holder.names or holder.is_collection:
            raise bad_request("InvalidResourceId", f"'{path}' is not a resource's path.")
        on = str(holder)
    return ResourceId(subscription, group, own[1], tuple(own[2::2]), tuple(own[3::2]), on)


def key_of(identity: str) -> str:
    """Return a resource's identity in the form for comparing."""
    return identity.strip().rstrip("/").lower()
