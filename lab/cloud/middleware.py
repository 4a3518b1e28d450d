"""What is done with every request: a line in the log, and errors in Azure's form."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable

from aiohttp import web

from lab.cloud.errors import ArmError

LOG = logging.getLogger("cloud.requests")
FAULTS = logging.getLogger("cloud.faults")

_LOGGED_QUERY = ("api-version", "$expand", "skipShutdown", "statusOnly", "resource")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def log_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log a line for each request: never a body, never a header."""
    begin = time.monotonic()
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        query = "&".join(f"{name}={request.query[name]}" for name in _LOGGED_QUERY if name in request.query)
        LOG.info(
            "%s %s %s%s %d %.3f s", request.remote, request.method, request.path, f"?{query}" if query else "", status,
            time.monotonic() - begin,
        )  # fmt: skip


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what is refused, and a fault of the lab's own, as Azure does."""
    try:
        response = await handler(request)
    except ArmError as error:
        response = web.json_response(error.body(), status=error.status)
        if error.status == 401:
            response.headers["WWW-Authenticate"] = (
                f'Bearer authorization_uri="{request.scheme}://{request.host}/common", error="invalid_token"'
            )
    except web.HTTPException as answer:
        error = ArmError(answer.status, answer.reason.replace(" ", ""), answer.reason)
        response = web.json_response(error.body(), status=answer.status)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:
        FAULTS.exception("%s %s", request.method, request.path)
        error = ArmError(500, "InternalServerError", "The lab cloud has a fault; its log has the traceback.")
        response = web.json_response(error.body(), status=500)
    response.headers["x-ms-request-id"] = str(uuid.uuid4())
    return response
