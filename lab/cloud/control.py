"""The control socket: how the lab's own command line asks the cloud how it is, makes it misbehave, and ends it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from lab.cloud.blob_store import BlobStore
from lab.cloud.faults import Faults
from lab.cloud.inventory import MACHINE, STORAGE_ACCOUNT, Inventory
from lab.cloud.model import Json
from lab.cloud.resource_id import parse
from lab.cloud.scheduled_events import ScheduledEvents
from lab.cloud.tokens import OBJECT_ID

Status = Callable[[], dict[str, Any]]


def application(
    status: Status,
    stop: asyncio.Event,
    inventory: Inventory,
    events: ScheduledEvents,
    faults: Faults,
    rewire: Callable[[], Awaitable[None]],
    blobs: BlobStore,
) -> web.Application:
    """Return the control socket's web application. Nobody asks but `client`, so no request is checked.

    Args:
        events: GET /scheduled-events lists, POST announces, DELETE /scheduled-events/ID withdraws.
        faults: POST /faults sets.
        blobs: POST /spoil writes over one, or deletes it.
        rewire: lets listeners follow a fault.
    """

    async def show(request: web.Request) -> web.Response:
        return web.json_response(status())

    async def end(request: web.Request) -> web.Response:
        stop.set()
        return web.json_response({"pid": os.getpid()})

    async def acted(request: web.Request) -> web.Response:
        return web.json_response(power_actions(inventory))

    async def fault(request: web.Request) -> web.Response:
        body = await request.json()
        for name, cut in (("arm", faults.arm), ("storage", faults.storage), ("metrics", faults.metrics)):
            if name in body:
                cut.set(body[name])
        if "zone" in body:
            faults.set_zone(body["zone"])
            await rewire()
        return web.json_response(faults.all)

    async def spoil(request: web.Request) -> web.Response:
        body = await request.json()
        account = next(a for a in inventory.of_type(STORAGE_ACCOUNT) if a.name == body["account"])
        content = body["content"]
        await blobs.spoil(int(account.hidden["slot"]), body["blob"], None if content is None else content.encode())
        return web.json_response({})

    async def announced(request: web.Request) -> web.Response:
        return web.json_response(events.all())

    async def announce(request: web.Request) -> web.Response:
        body = await request.json()
        machine = next(m for m in inventory.of_type(MACHINE) if m.name == body["vm"])
        return web.json_response(events.announce(machine, body["not_before"]))

    async def withdraw(request: web.Request) -> web.Response:
        if not events.withdraw(request.match_info["event"]):
            raise web.HTTPNotFound(text="there is no such event, or it has started")
        return web.json_response({})

    made = web.Application()
    made.router.add_get("/status", show)
    made.router.add_post("/stop", end)
    made.router.add_get("/activity", acted)
    made.router.add_post("/faults", fault)
    made.router.add_post("/spoil", spoil)
    made.router.add_get("/scheduled-events", announced)
    made.router.add_post("/scheduled-events", announce)
    made.router.add_delete("/scheduled-events/{event}", withdraw)
    return made


async def listen(runner: web.AppRunner, path: Path) -> None:
    """Open the control socket.

    Args:
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


_OTHER_VERBS = ("write", "delete")


def power_actions(inventory: Inventory) -> list[Json]:
    """Return the power actions that are remembered, oldest first, in the form of `client.PowerAction`."""
    return [
        {
            "action": operation.verb,
            "machine": parse(operation.resource).name,
            "caller": _name(inventory, operation.caller),
            "began": operation.began_at,
            "ended": operation.ended_at,
            "status": operation.status,
        }
        for operation in inventory.store.operations()
        if operation.verb not in _OTHER_VERBS
    ]


def _name(inventory: Inventory, caller: str) -> str:
    if caller in ("", OBJECT_ID):
        return "engine" if caller else "platform"
    machine = inventory.machine_of_principal(caller)
    return machine.name if machine is not None else caller
