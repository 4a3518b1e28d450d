"""Reading a request's body: a wrong form is a clear 400, never a traceback."""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import Any, TypeVar, cast

from lab.cloud.errors import bad_request
from lab.cloud.model import Json

T = TypeVar("T")


def _invalid(path: str, expected: str) -> Exception:
    return bad_request("InvalidRequestContent", f"The value of '{path}' is not valid: expected {expected}.", path)


def _of_kind(body: Json, name: str, kind: type[T], default: T, expected: str) -> T:
    """Return a value; the default where it is absent or null."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise _invalid(name, expected)
    return value


def section(body: Json, name: str) -> Json:
    """Return an object; an empty one where it is absent or null."""
    return cast(Json, _of_kind(body, name, dict, {}, "an object"))


def _list(body: Json, name: str, kind: type[T], expected: str) -> list[T]:
    values: list[Any] = _of_kind(body, name, list, [], expected)
    if not all(isinstance(item, kind) for item in values):
        raise _invalid(name, expected)
    return values


def items(body: Json, name: str) -> list[Json]:
    """Return a list of objects; an empty one where it is absent or null."""
    return cast(list[Json], _list(body, name, dict, "a list of objects"))


def texts(body: Json, name: str) -> list[str]:
    """Return a list of strings; an empty one where it is absent or null."""
    return _list(body, name, str, "a list of strings")


def text(body: Json, name: str, default: str = "") -> str:
    """Return a string, or the default where it is absent or null."""
    return _of_kind(body, name, str, default, "a string")


def flag(body: Json, name: str, default: bool = False) -> bool:
    """Return a truth value, or the default where it is absent or null."""
    return _of_kind(body, name, bool, default, "true or false")


def integer(body: Json, name: str, default: int | None = None) -> int:
    """Return a whole number, or the default where it is absent or null.

    Raises:
        ArmError: not a whole number, or absent where there is no default.
    """
    value = body.get(name)
    if value is None:
        if default is None:
            raise bad_request("MissingRequiredParameter", f"Required parameter '{name}' is missing (null).", name)
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(name, "a whole number")
    return value


def choice(body: Json, name: str, allowed: Iterable[str], default: str | None = None) -> str:
    """Return one of the allowed words in its own spelling; letter case does not matter.

    Raises:
        ArmError: another word, or absent where there is no default.
    """
    value = text(body, name)
    if not value:
        if default is None:
            raise bad_request("MissingRequiredParameter", f"Required parameter '{name}' is missing (null).", name)
        return default
    words = list(allowed)
    for word in words:
        if word.lower() == value.lower():
            return word
    raise bad_request(
        "InvalidRequestContent", f"The value '{value}' of '{name}' is not one of {', '.join(words)}.", name
    )


def reference(body: Json, name: str) -> str:
    """Return the `id` of a sub-object such as `subnet: {id: …}`; empty where there is none."""
    return text(section(body, name), "id")


def references(body: Json, name: str) -> list[str]:
    """Return the `id`s of a list of such sub-objects."""
    return [text(item, "id") for item in items(body, name)]


def address(value: str, what: str) -> IPv4Address:
    """Parse an IPv4 address.

    Raises:
        ArmError: it is none (400, InvalidIPAddressFormat).
    """
    try:
        return IPv4Address(value)
    except AddressValueError:
        raise bad_request("InvalidIPAddressFormat", f"'{value}' of {what} is not an IPv4 address.") from None


def network(value: str, what: str) -> IPv4Network:
    """Parse an address prefix.

    Raises:
        ArmError: not of the form a.b.c.d/n (InvalidAddressPrefixFormat), or with host bits set (InvalidCIDRNotation).
    """
    try:
        loose = IPv4Network(value, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise bad_request(
            "InvalidAddressPrefixFormat",
            f"Address prefix {value} of resource {what} has invalid format. It should follow CIDR notation, "
            "for example 10.0.0.0/24.",
        ) from None
    if "/" not in value:
        raise bad_request(
            "InvalidAddressPrefixFormat",
            f"Address prefix {value} of resource {what} has invalid format. It should follow CIDR notation.",
        )
    if str(loose.network_address) != value.split("/")[0]:
        raise bad_request(
            "InvalidCIDRNotation",
            f"The address prefix {value} in resource {what} has an invalid CIDR notation. For the given prefix "
            f"length, the address prefix should be {loose}.",
        )
    return loose


def unique_names(entries: list[Json], what: str, pattern: re.Pattern[str]) -> list[str]:
    """Return the names of a list's entries.

    Raises:
        ArmError: an entry without a legal name (InvalidResourceName), or two of one name (InvalidRequestFormat).
    """
    names: list[str] = []
    for entry in entries:
        name = text(entry, "name")
        if not pattern.fullmatch(name):
            raise bad_request("InvalidResourceName", f"Resource name '{name}' in {what} is invalid.")
        if name.lower() in names:
            raise bad_request("InvalidRequestFormat", f"Two entries of {what} are named '{name}'.")
        names.append(name.lower())
    return names
