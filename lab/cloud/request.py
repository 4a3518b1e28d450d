"""What the parts of Resource Manager ask of a request."""

import json
from contextvars import ContextVar
from typing import Any, cast

from aiohttp import web

from lab.cloud.errors import bad_request
from lab.cloud.model import Json
from lab.cloud.tokens import Principal

CALLER: ContextVar[Principal] = ContextVar("caller")
"""Who asks; each request has its own."""


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
