"""A resource's name, and its id in ARM."""

import re
import urllib.parse
from collections.abc import Mapping

from .results import ResourceError
from .schema import ResourceType
from .values import Object, Value

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def identify(kind: ResourceType, subscription_id: str, inputs: Mapping[str, Value]) -> str:
    """Return the ARM id that follows from a resource's inputs.

    Args:
        subscription_id: GUID of the subscription; may be empty for what is in none.

    Raises:
        ResourceError: a part of the id is no string, or there is no subscription.
    """
    values: dict[str, str] = {}
    if "{subscriptionId}" in kind.path:
        if not subscription_id:
            raise ResourceError(
                "no Azure subscription: set ARM_SUBSCRIPTION_ID, or azure-native:subscriptionId in the stack"
            )
        values["subscriptionId"] = subscription_id
    for name in kind.parts:
        value = inputs.get(name)
        if not isinstance(value, str):
            raise ResourceError(f"{name} must be a string")
        values[name] = value.strip("/") if name == "scope" else urllib.parse.quote(value, safe="")
    return _PLACEHOLDER.sub(lambda match: values[match[1]], kind.path)


def names_in(kind: ResourceType, resource_id: str) -> Object:
    """Return the parts of a resource's id as the inputs that they come from.

    Raises:
        ResourceError: the id is not one of that type.
    """
    pattern = re.escape(kind.path)
    for name in _PLACEHOLDER.findall(kind.path):
        pattern = pattern.replace(re.escape("{" + name + "}"), f"(?P<{name}>{'.+' if name == 'scope' else '[^/]+'})")
    match = re.fullmatch(pattern, resource_id, re.IGNORECASE)
    if match is None:
        raise ResourceError(f"{resource_id!r} is no id of the form {kind.path}")
    return {name: urllib.parse.unquote(value) for name, value in match.groupdict().items() if name != "subscriptionId"}
