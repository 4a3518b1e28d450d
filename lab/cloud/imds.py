"""The instance metadata service: each machine is told about itself, by the address that it asks from."""

import json
import time
from ipaddress import IPv4Address
from typing import cast

from aiohttp import web

from lab.cloud.errors import ArmError
from lab.cloud.faults import Faults
from lab.cloud.fields import items, section, text
from lab.cloud.middleware import Handler, log_requests
from lab.cloud.model import Json, Resource
from lab.cloud.scheduled_events import ScheduledEvents
from lab.cloud.site import Site
from lab.cloud.tokens import LIFETIME_SECONDS, SUBSCRIPTION, Tokens, identity_of_machine

_CALLER = web.RequestKey("machine", Resource)


def _error(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)


class MetadataService:
    """What answers at 169.254.169.254."""

    def __init__(self, site: Site, tokens: Tokens, events: ScheduledEvents, faults: Faults) -> None:
        self._site = site
        self._tokens = tokens
        self._events = events
        self._faults = faults

    def application(self) -> web.Application:
        application = web.Application(middlewares=[log_requests, self._only_machines])
        application.router.add_get("/metadata/instance", self._instance)
        application.router.add_get("/metadata/instance/compute", self._compute)
        application.router.add_get("/metadata/identity/oauth2/token", self._token)
        application.router.add_get("/metadata/scheduledevents", self._scheduled)
        application.router.add_post("/metadata/scheduledevents", self._approve)
        return application

    @web.middleware
    async def _only_machines(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what the real service refuses: a request without the header, or one that was forwarded."""
        if request.headers.get("Metadata", "").lower() != "true" or "X-Forwarded-For" in request.headers:
            return _error(400, "Bad request. Required metadata header not specified")
        if "api-version" not in request.query:
            return _error(400, "Bad request. api-version was not specified in the request")
        found = self._site.inventory.machine_addresses().get(IPv4Address(request.remote))
        if found is None:
            return _error(404, "Not found: the caller is no machine of the lab cloud")
        request[_CALLER] = found[0]
        return await handler(request)

    async def _instance(self, request: web.Request) -> web.Response:
        return web.json_response({"compute": compute(request[_CALLER])})

    async def _compute(self, request: web.Request) -> web.Response:
        return web.json_response(compute(request[_CALLER]))

    async def _token(self, request: web.Request) -> web.Response:
        """Answer with a token of the calling machine's own identity.

        All values are strings, as the real service writes them.
        """
        await self._faults.arm.hold(request)
        caller = request[_CALLER]
        identity = section(caller.body, "identity")
        if "SystemAssigned" not in text(identity, "type"):
            return _token_error("Identity not found")
        resource = request.query.get("resource", "")
        if not resource:
            return _token_error("Required query variable 'resource' is missing")
        principal = identity_of_machine(text(identity, "principalId"))
        own = {"client_id": principal.client_id, "object_id": principal.object_id}
        # Other identities would be user-assigned ones, which the lab has not.
        if "msi_res_id" in request.query or any(request.query.get(name, value) != value for name, value in own.items()):
            return _token_error("Identity not found")
        now = int(time.time())
        return web.json_response(
            {
                "access_token": self._tokens.issue(principal, resource, caller.id),
                "client_id": principal.client_id,
                "expires_in": str(LIFETIME_SECONDS),
                "expires_on": str(now + LIFETIME_SECONDS),
                "ext_expires_in": str(LIFETIME_SECONDS),
                "not_before": str(now),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    async def _scheduled(self, request: web.Request) -> web.Response:
        """Tell the machine what is about to happen to it, or to those of its availability set."""
        return web.json_response(self._events.document(request[_CALLER]))

    async def _approve(self, request: web.Request) -> web.Response:
        """Start the events that the machine approves; the answer has no body."""
        try:
            body: object = json.loads(await request.text())
            wanted = [text(entry, "EventId") for entry in items(cast(Json, body), "StartRequests")]
        except (ValueError, AttributeError, ArmError):
            return _error(400, "Bad request. The body is no list of StartRequests")
        if not wanted or not self._events.approve(request[_CALLER], wanted):
            return _error(400, "Bad request. No such event")
        return web.Response()


def _token_error(description: str) -> web.Response:
    return web.json_response({"error": "invalid_request", "error_description": description}, status=400)


def compute(machine: Resource) -> Json:
    """Return what a machine is told about itself, as far as anything on the guests reads it.

    configs/pacemaker/look.py reads size, image and disk, azure-events-az the name, and fence_azure_arm group and
    subscription, if it is told neither.
    """
    storage = machine.properties["storageProfile"]
    image = storage["imageReference"]
    return {
        "name": machine.name,
        "resourceGroupName": machine.group,
        "storageProfile": {
            "imageReference": {name: image[name] for name in ("publisher", "offer", "sku", "version")},
            "osDisk": {"managedDisk": storage["osDisk"]["managedDisk"]},
        },
        "subscriptionId": SUBSCRIPTION,
        "vmSize": machine.properties["hardwareProfile"]["vmSize"],
    }
