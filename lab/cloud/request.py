"""What the parts of Resource Manager ask of a request."""

import json
import re
from contextvars import ContextVar
from datetime import date
from typing import Any, cast

from aiohttp import web

from lab.cloud.errors import bad_request
from lab.cloud.model import Json
from lab.cloud.tokens import Principal

CALLER: ContextVar[Principal] = ContextVar("caller")
"""Who asks; each request has its own."""


VERSION: ContextVar[str] = ContextVar("version", default="9999-12-31")
"""The api-version that a request speaks; where the platform itself acts, the newest."""

_VERSION = re.compile(r"(?P<date>20\d\d-\d\d-\d\d)(-[a-z]*preview)?")


def checked_version(request: web.Request) -> str:
    """Return the api-version that a request speaks.

    Raises:
        ArmError: it is none, is no date, or has not been published yet.
    """
    given = version(request)
    if not given:
        raise bad_request(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    match = _VERSION.fullmatch(given)
    if match is None or match["date"] > date.today().isoformat():
        raise bad_request(
            "InvalidApiVersionParameter",
            f"The api-version '{given}' is invalid: it is a date of the past, with -preview perhaps.",
        )
    return given


async def body_of(request: web.Request) -> Json:
    try:
        body: Any = json.loads(await request.text() or "{}")
    except (ValueError, UnicodeDecodeError):
        raise bad_request(
            "InvalidRequestContent", "The request content was invalid and could not be deserialized."
        ) from None
    if not isinstance(body, dict):
        raise bad_request("InvalidRequestContent", "The request content must be a JSON object.")
    return cast(Json, body)


def base(request: web.Request) -> str:
    """Return the address that the request was sent to."""
    return f"https://{request.host}"


def version(request: web.Request) -> str:
    """Return the api-version that the request speaks."""
    return request.query.get("api-version", "")
