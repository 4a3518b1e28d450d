"""Readers for the raw values of the configuration."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pulumi
from pydantic import BeforeValidator

from components.settings.mistake import Mistake, near

T = TypeVar("T")


@dataclass(frozen=True)
class Given:
    """What stands under one key.

    Args:
        text: as the engine hands it over, lists and objects as JSON; empty where there is nothing. May be a secret.
        encrypted: whether it is encrypted in the stack's file.
    """

    text: str = field(repr=False)
    encrypted: bool


def given(kind: Callable[[Given], Any], *steps: Callable[[Any], Any]) -> BeforeValidator:
    """Return how a field is read.

    Args:
        kind: one of the functions below.
        steps: checks, one after the other; each takes what the one before returns, and raises `Mistake` or returns it,
            parsed perhaps.
    """

    def read(value: Given) -> object:
        result = kind(value)
        for step in steps:
            result = step(result)
        return result

    return BeforeValidator(read)


def text(value: Given) -> str:
    """Return a text, stripped of white space around it."""
    if not (stripped := value.text.strip()):
        raise Mistake("is missing")
    return stripped


def optional(step: Callable[[str], T]) -> Callable[[Given], T | None]:
    """Return what reads a text; None where it is left empty."""

    def read(value: Given) -> T | None:
        return step(stripped) if (stripped := value.text.strip()) else None

    return read


def whole(value: Given) -> int:
    return number(text(value))


def boolean(value: Given) -> bool:
    word = text(value)
    if word.lower() not in ("true", "false"):
        raise Mistake(f"{word!r} is neither true nor false")
    return word.lower() == "true"


def texts(value: Given) -> list[str]:
    return [_scalar(item) for item in cast(list[object], _json(value, list, "a list"))]


def wholes(value: Given) -> list[int]:
    return [number(item) for item in texts(value)]


def mapping(value: Given) -> dict[str, str]:
    """Return names and values, all of them as texts."""
    found = cast(dict[object, object], _json(value, dict, "an object (name: value)"))
    return {str(name): _scalar(item) for name, item in found.items()}


def objects(value: Given) -> dict[str, dict[str, str]]:
    """Return objects by their names, each with names and values, all of those as texts."""
    found: dict[str, dict[str, str]] = {}
    for name, item in cast(dict[str, object], _json(value, dict, "an object (name: value)")).items():
        if not isinstance(item, dict):
            raise Mistake(f"{name} is {json.dumps(item)}, not an object (name: value)")
        found[name] = {str(key): _scalar(inner) for key, inner in cast(dict[object, object], item).items()}
    return found


def secret(value: Given, nothing: str = "") -> str:
    """Return a secret in clear: it must be there, which `nothing` is not, and encrypted in the stack's file."""
    stripped = value.text.strip()
    if stripped in ("", nothing):
        raise Mistake(f"is missing; make stack STACK={pulumi.get_stack()} makes every secret that is missing")
    if not value.encrypted:
        raise Mistake(
            "is in clear text; remove it (whoever read the file knows it) and make a new one:"
            f" make stack STACK={pulumi.get_stack()}"
        )
    return stripped


def optional_secret(step: Callable[[str], T]) -> Callable[[Given], T | None]:
    """Return what reads a secret; None where it is left empty."""

    def read(value: Given) -> T | None:
        return step(secret(value)) if value.text.strip() else None

    return read


def secrets(value: Given) -> list[str]:
    """Return a list of secrets in clear."""
    clear = secret(value, nothing="[]")
    try:
        items: object = json.loads(clear)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        raise Mistake("is not a list")
    return [str(item) for item in cast(list[object], items)]


def secrets_by_name(value: Given) -> dict[str, str]:
    """Return secrets in clear by their names; none where it is left empty."""
    if value.text.strip() in ("", "{}"):
        return {}
    clear = secret(value)
    try:
        items: object = json.loads(clear)
    except ValueError:
        items = None
    if not isinstance(items, dict):
        raise Mistake("is not an object (name: value)")
    return {str(name): str(item) for name, item in cast(dict[object, object], items).items()}


def hidden(value: str) -> pulumi.Output[str]:
    """Return a secret as what Pulumi encrypts and shows to nobody."""
    return pulumi.Output.secret(value)


def choice(*allowed: str) -> Callable[[str], str]:
    """Return the check for one of some texts."""

    def check(value: str) -> str:
        if value not in allowed:
            raise Mistake(f"{value!r} is not one of {', '.join(allowed)}{near(value, allowed)}")
        return value

    return check


def between(least: int, most: int, unit: str = "") -> Callable[[int], int]:
    """Return the check for a number from `least` to `most`, both included."""

    def check(value: int) -> int:
        if not least <= value <= most:
            raise Mistake(f"{value} is not between {least} and {most}{unit and ' ' + unit}")
        return value

    return check


def number_of(values: Sequence[object], what: str, needed: str, *allowed: int) -> None:
    """Check how many values a list has.

    Args:
        what: what it has, and `needed`: what it should have, for the message.
    """
    if len(values) not in allowed:
        raise Mistake(f"has {len(values)} {what}; {needed}")


def _json(value: Given, kind: type, name: str) -> object:
    if not value.text:
        raise Mistake("is missing")
    try:
        found: object = json.loads(value.text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise Mistake(f"{value.text!r} is not {name}")
    return found


def number(value: str) -> int:
    """Return the whole number that a text is."""
    try:
        return int(value)
    except ValueError:
        raise Mistake(f"{value!r} is not a whole number") from None


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise Mistake(f"has {json.dumps(value)} where a text or a number is expected")
