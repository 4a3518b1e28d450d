"""The control socket: how the lab's own command line asks the cloud how it is, and ends it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

Status = Callable[[], dict[str, Any]]


def application(status: Status, stop: asyncio.Event) -> web.Application:
    """Return the control socket's web application.

    Args:
        status: returns what GET /status answers.
        stop: set by POST /stop.
    """

    async def show(request: web.Request) -> web.Response:
        return web.json_response(status())

    async def end(request: web.Request) -> web.Response:
        stop.set()
        return web.json_response({"pid": os.getpid()})

    made = web.Application()
    made.router.add_get("/status", show)
    made.router.add_post("/stop", end)
    return made


async def listen(runner: web.AppRunner, path: Path) -> None:
    """Open the control socket.

    Args:
        runner: of the application, set up.
        path: the socket's; its folder is open, so that a long path does not matter.
    """
    path.unlink(missing_ok=True)
    # A Unix socket's path has at most 107 bytes; one through the folder's descriptor is short.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        site = web.UnixSite(runner, f"/proc/self/fd/{folder}/{path.name}")
        await site.start()
        path.chmod(0o600)
    finally:
        os.close(folder)
