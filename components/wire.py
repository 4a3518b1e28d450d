"""Values as Pulumi's engine and programs send them to each other, made readable."""

from typing import Any, cast

_SECRET_MARK = "4dabf18193072939515e22adb298388d"  # how Pulumi's wire format marks a secret


def readable(value: Any) -> Any:
    """Return a decoded value with each secret as {"secret": value}, and whole numbers as such."""
    if isinstance(value, dict):
        properties = cast(dict[str, Any], value)
        if _SECRET_MARK in properties:
            return {"secret": readable(properties.get("value"))}
        return {key: readable(inner) for key, inner in properties.items()}
    if isinstance(value, list):
        return [readable(inner) for inner in cast(list[Any], value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value
