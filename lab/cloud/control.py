"""The control socket: how the lab's own command line asks the cloud how it is, makes it misbehave, and ends it."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from lab.cloud.blob_store import BlobStore
from lab.cloud.faults import REACHES, Faults, Reach
from lab.cloud.inventory import MACHINE, STORAGE_ACCOUNT, Inventory
from lab.cloud.model import Json
from lab.cloud.resource_id import parse
from lab.cloud.scheduled_events import ScheduledEvents
from lab.cloud.tokens import OBJECT_ID
from lab.cloud.zones import ZONES

Status = Callable[[], dict[str, Any]]

_LONGEST_NOTICE_SECONDS = 86400.0


class _BadRequestError(Exception):
    """A request of the control socket is wrong; the text says how."""


def application(
    status: Status,
    stop: asyncio.Event,
    inventory: Inventory,
    events: ScheduledEvents,
    faults: Faults,
    rewire: Callable[[], Awaitable[None]],
    blobs: BlobStore,
) -> web.Application:
    """Return the control socket's web application.

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
        body = await _body(request)
        if not body or not body.keys() <= {"arm", "storage", "metrics", "zone"}:
            raise _BadRequestError(f"a fault is arm, storage, metrics or zone, not {', '.join(body) or 'nothing'}")
        for name, cut in (("arm", faults.arm), ("storage", faults.storage), ("metrics", faults.metrics)):
            if name in body:
                cut.set(cast(Reach, _word(body, name, REACHES)))
        if "zone" in body:
            faults.set_zone(_word(body, "zone", ("", *ZONES)))
            await rewire()
        return web.json_response(faults.all)

    async def spoil(request: web.Request) -> web.Response:
        body = await _body(request)
        account = next((a for a in inventory.of_type(STORAGE_ACCOUNT) if a.name == body.get("account")), None)
        if account is None:
            raise _BadRequestError(f"there is no storage account {body.get('account')!r}")
        content = body.get("content")
        await blobs.spoil(
            int(account.hidden["slot"]), str(body.get("blob")), None if content is None else content.encode()
        )
        return web.json_response({})

    async def announced(request: web.Request) -> web.Response:
        return web.json_response(events.all())

    async def announce(request: web.Request) -> web.Response:
        body = await _body(request)
        machine = next((m for m in inventory.of_type(MACHINE) if m.name == body.get("vm")), None)
        if machine is None:
            raise _BadRequestError(f"there is no machine {body.get('vm')!r}")
        seconds = body.get("not_before")
        if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST_NOTICE_SECONDS:
            raise _BadRequestError(f"not_before is 0 to {_LONGEST_NOTICE_SECONDS:g} seconds, not {seconds!r}")
        return web.json_response(events.announce(machine, seconds))

    async def withdraw(request: web.Request) -> web.Response:
        if not events.withdraw(request.match_info["event"]):
            raise _BadRequestError(f"there is no event {request.match_info['event']} that has not started")
        return web.json_response({})

    made = web.Application(middlewares=[_refuse])
    made.router.add_get("/status", show)
    made.router.add_post("/stop", end)
    made.router.add_get("/activity", acted)
    made.router.add_post("/faults", fault)
    made.router.add_post("/spoil", spoil)
    made.router.add_get("/scheduled-events", announced)
    made.router.add_post("/scheduled-events", announce)
    made.router.add_delete("/scheduled-events/{event}", withdraw)
    return made


@web.middleware
async def _refuse(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except _BadRequestError as error:
        return web.json_response({"error": str(error)}, status=400)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body: Any = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _BadRequestError("the body is no JSON object")
    return cast(dict[str, Any], body)


def _word(body: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = body.get(name)
    if value not in allowed:
        raise _BadRequestError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
    return str(value)


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
