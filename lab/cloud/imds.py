"""The instance metadata service: each machine is told about itself, by the address that it asks from."""

import json
import time
from ipaddress import AddressValueError, IPv4Address
from typing import cast

from aiohttp import web

from lab.cloud.errors import ArmError
from lab.cloud.faults import Faults
from lab.cloud.fields import items, section, text
from lab.cloud.middleware import log_requests
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import key_of
from lab.cloud.resources.virtual_network import subnet_prefix
from lab.cloud.scheduled_events import ScheduledEvents
from lab.cloud.site import Site
from lab.cloud.tokens import LIFETIME_SECONDS, SUBSCRIPTION, Tokens, identity_of_machine


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
        application = web.Application(middlewares=[log_requests])
        application.router.add_get("/metadata/versions", self._versions)
        application.router.add_get("/metadata/instance", self._instance)
        application.router.add_get("/metadata/instance/{path:.*}", self._instance)
        application.router.add_get("/metadata/identity/oauth2/token", self._token)
        application.router.add_get("/metadata/scheduledevents", self._scheduled)
        application.router.add_post("/metadata/scheduledevents", self._approve)
        return application

    def _caller(self, request: web.Request) -> tuple[Resource, Resource] | None:
        try:
            address = IPv4Address(request.remote or "")
        except AddressValueError:
            return None
        return self._site.inventory.machine_addresses().get(address)

    def _refusal(self, request: web.Request) -> web.Response | None:
        """Refuse what the real service refuses: a request without the header, or one that was forwarded."""
        if request.headers.get("Metadata", "").lower() != "true" or "X-Forwarded-For" in request.headers:
            return _error(400, "Bad request. Required metadata header not specified")
        if "api-version" not in request.query:
            return _error(400, "Bad request. api-version was not specified in the request")
        return None

    async def _versions(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"apiVersions": ["2017-08-01", "2018-02-01", "2019-08-01", "2020-07-01", "2021-02-01", "2021-12-13"]}
        )

    async def _instance(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        caller = self._caller(request)
        if caller is None:
            return _error(404, "Not found: the caller is no machine of the lab cloud")
        found: object = instance(self._site, caller[0])
        for word in request.match_info.get("path", "").strip("/").split("/"):
            if not word:
                continue
            if isinstance(found, dict) and word in found:
                found = found[word]  # pyright: ignore[reportUnknownVariableType]
            elif isinstance(found, list) and word.isdecimal() and int(word) < len(found):  # pyright: ignore[reportUnknownArgumentType]
                found = found[int(word)]  # pyright: ignore[reportUnknownVariableType]
            else:
                return _error(404, "Not found")
        if isinstance(found, dict | list):
            return web.json_response(found)
        # A single value comes as text only.
        if request.query.get("format") != "text":
            return _error(404, "Not found")
        return web.Response(text=str(cast(object, found)))

    async def _token(self, request: web.Request) -> web.Response:
        """Answer with a token of the calling machine's own identity.

        All values are strings, as the real service writes them.
        """
        await self._faults.arm.hold(request)
        if (refusal := self._refusal(request)) is not None:
            return refusal
        caller = self._caller(request)
        identity = section(caller[0].body, "identity") if caller is not None else {}
        if caller is None or "SystemAssigned" not in text(identity, "type"):
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
                "access_token": self._tokens.issue(principal, resource, caller[0].id),
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
        if (refusal := self._refusal(request)) is not None:
            return refusal
        caller = self._caller(request)
        if caller is None:
            return _error(404, "Not found: the caller is no machine of the lab cloud")
        return web.json_response(self._events.document(caller[0]))

    async def _approve(self, request: web.Request) -> web.Response:
        """Start the events that the machine approves; the answer has no body."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        caller = self._caller(request)
        if caller is None:
            return _error(404, "Not found: the caller is no machine of the lab cloud")
        try:
            body: object = json.loads(await request.text())
            wanted = [text(entry, "EventId") for entry in items(cast(Json, body), "StartRequests")]
        except (ValueError, AttributeError, ArmError):
            return _error(400, "Bad request. The body is no list of StartRequests")
        if not wanted or not self._events.approve(caller[0], wanted):
            return _error(400, "Bad request. No such event")
        return web.Response()


def _token_error(description: str) -> web.Response:
    return web.json_response({"error": "invalid_request", "error_description": description}, status=400)


def instance(site: Site, machine: Resource) -> Json:
    """Return what a machine is told about itself."""
    properties = machine.properties
    storage = properties["storageProfile"]
    image = storage["imageReference"]
    tags = section(machine.body, "tags")
    set_id = section(properties, "availabilitySet").get("id", "")
    interfaces: list[Json] = []
    for interface in site.inventory.interfaces_of(machine):
        prefix = subnet_prefix(site.inventory.network_of(interface)[1])
        configuration = section(items(interface.properties, "ipConfigurations")[0], "properties")
        public = site.inventory.public_ip(key_of(section(configuration, "publicIPAddress").get("id", "")))
        interfaces.append(
            {
                "ipv4": {
                    "ipAddress": [
                        {
                            "privateIpAddress": configuration["privateIPAddress"],
                            "publicIpAddress": str(public) if public else "",
                        }
                    ],
                    "subnet": [{"address": str(prefix.network_address), "prefix": str(prefix.prefixlen)}],
                },
                "ipv6": {"ipAddress": []},
                "macAddress": interface.hidden["mac"].upper().replace(":", ""),
            }
        )
    return {
        "compute": {
            "azEnvironment": "AzurePublicCloud",
            "location": machine.location,
            "name": machine.name,
            "offer": image["offer"],
            "osType": "Linux",
            "osProfile": {
                "adminUsername": properties["osProfile"]["adminUsername"],
                "computerName": properties["osProfile"]["computerName"],
                "disablePasswordAuthentication": "true",
            },
            "placementGroupId": "",
            "platformFaultDomain": "0",
            "platformUpdateDomain": "0",
            "provider": "Microsoft.Compute",
            "publisher": image["publisher"],
            "resourceGroupName": machine.group,
            "resourceId": machine.id,
            "sku": image["sku"],
            "storageProfile": {
                "dataDisks": [
                    {
                        "lun": str(disk["lun"]),
                        "name": disk["name"],
                        "createOption": "Attach",
                        "caching": disk["caching"],
                        "diskSizeGB": str(disk["diskSizeGB"]),
                        "managedDisk": disk["managedDisk"],
                    }
                    for disk in storage["dataDisks"]
                ],
                "imageReference": {name: image[name] for name in ("publisher", "offer", "sku", "version")},
                "osDisk": {
                    "name": storage["osDisk"]["name"],
                    "osType": "Linux",
                    "diskSizeGB": str(storage["osDisk"]["diskSizeGB"]),
                    "managedDisk": storage["osDisk"]["managedDisk"],
                },
            },
            "subscriptionId": SUBSCRIPTION,
            "tags": ";".join(f"{name}:{value}" for name, value in tags.items()),
            "tagsList": [{"name": name, "value": value} for name, value in tags.items()],
            "availabilitySetId": set_id,
            "version": image["exactVersion"],
            "vmId": properties["vmId"],
            "vmScaleSetName": "",
            "vmSize": properties["hardwareProfile"]["vmSize"],
            "zone": machine.zones[0] if machine.zones else "",
        },
        "network": {"interface": interfaces},
    }
