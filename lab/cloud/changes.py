"""Requests that change a resource: they are checked, remembered, and then carried out."""

import copy
from typing import cast

from aiohttp import web

from lab.cloud import known, resources
from lab.cloud.errors import ArmError
from lab.cloud.inventory import MACHINE
from lab.cloud.model import Json
from lab.cloud.operations import Operations
from lab.cloud.polling import Polling
from lab.cloud.reading import Reading
from lab.cloud.request import CALLER, body_of
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind, checked_tags
from lab.cloud.resources.virtual_machine.power import ACTIONS, instance_view
from lab.cloud.site import Site
from lab.cloud.state import Operation

_QUICK_SECONDS = 2.0
"""How long an answer waits for its operation: one that is done by then needs no polling."""


class Changes:
    """Answers PUT, PATCH, DELETE, and what is asked of a machine."""

    def __init__(self, site: Site, operations: Operations, reading: Reading) -> None:
        self._site = site
        self._operations = operations
        self._reading = reading
        self._polling = Polling(site)

    async def put(self, request: web.Request, kind: Kind, target: ResourceId) -> web.Response:
        """Create or replace a resource."""
        body = await body_of(request)
        known.check(kind.type, body)
        return await self._accept(request, kind, target, body)

    async def patch(self, request: web.Request, kind: Kind, target: ResourceId) -> web.Response:
        """Merge a patch into what stands, and take that as a request."""
        body = await body_of(request)
        known.check(kind.type, body)
        existing = self._reading.existing(kind, target)
        merged = copy.deepcopy(existing.body)
        merged["location"] = existing.location
        if body.get("tags") is not None:
            merged["tags"] = checked_tags(body)
        for name in ("sku", "identity", "zones"):
            if name in body:
                merged[name] = body[name]
        merged["properties"] = _merge(merged.get("properties") or {}, body.get("properties") or {})
        return await self._accept(request, kind, target, merged)

    async def delete(self, request: web.Request, kind: Kind, target: ResourceId) -> web.Response:
        """Delete a resource; one that is not there is fine."""
        resource = kind.locate(self._site.store, target)
        if resource is None:
            return web.Response(status=204)
        if not kind.deletable:
            raise ArmError(405, "MethodNotAllowed", f"A resource of type '{kind.type}' goes with what it is a part of.")
        kind.check_etag(resource, request.headers.get("If-Match", ""))
        kind.check_removal(self._site.inventory, resource)
        resource.provisioning = "Deleting"
        operation = self._operations.begin("delete", resource)
        answer = await self._acknowledge(request, target, operation)
        # What is always there is shown as it is without what was deleted.
        left = kind.locate(self._site.store, target) if answer.status == 200 else None
        return web.json_response(self._reading.shown(kind, left)) if left else answer

    async def machine_verb(self, request: web.Request, target: ResourceId, verb: str) -> web.Response:
        """Answer what is asked of a machine: how it is, or a power action."""
        resource = self._reading.existing(resources.MACHINES, target)
        if request.method == "GET" and verb == "instanceview":
            return web.json_response(instance_view(self._site, resource))
        if request.method != "POST" or verb not in ACTIONS:
            raise ArmError(404, "NotFound", f"The lab cloud's machines do not know {request.method} {verb}.")
        if resource.provisioning == "Deleting":
            raise ArmError(409, "OperationNotAllowed", f"VM '{resource.name}' is being deleted.")
        action = ACTIONS[verb]
        if action == "powerOff" and request.query.get("skipShutdown", "").lower() == "true":
            action = "powerOffAbrupt"
        operation = self._operations.begin(action, resource, CALLER.get().object_id)
        return await self._acknowledge(request, target, operation)

    async def _accept(self, request: web.Request, kind: Kind, target: ResourceId, body: Json) -> web.Response:
        store, inventory = self._site.store, self._site.inventory
        # Nothing is awaited from check to commit: what has been checked is what is remembered.
        existing = kind.locate(store, target)
        resource = kind.check(inventory, target, body, existing)
        kind.commit(store, resource)
        operation = self._operations.begin("write", resource)
        finished = await self._operations.wait(operation, _QUICK_SECONDS)
        if finished and operation.error is not None:
            raise ArmError(operation.http_status, operation.error["code"], operation.error["message"])
        current = kind.locate(store, target) or resource
        shown = self._reading.shown(kind, current)
        status = 201 if existing is None else 200
        if kind.compute and kind.type != MACHINE:
            # The clients of compute take these for everything but machines.
            status = 200 if finished else 202
        headers = {} if finished else self._polling.headers(request, target, operation)
        return web.json_response(shown, status=status, headers=headers)

    async def _acknowledge(self, request: web.Request, target: ResourceId, operation: Operation) -> web.Response:
        if await self._operations.wait(operation, _QUICK_SECONDS):
            if operation.error is not None:
                raise ArmError(operation.http_status, operation.error["code"], operation.error["message"])
            return web.Response(status=200)
        return web.Response(status=202, headers=self._polling.headers(request, target, operation, location=True))


def _merge(base: Json, patch: Json) -> Json:
    merged = dict(base)
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            merged[name] = _merge(base[name], cast(Json, value))
        else:
            merged[name] = value
    return merged
