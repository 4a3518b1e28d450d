"""Resource Manager: routes requests to the resource types, and answers as Azure does."""

import asyncio
import copy
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from itertools import pairwise
from typing import Any, cast

from aiohttp import web

from lab.cloud import authorization, locks, login, operations, resources, roles
from lab.cloud.authorization import Access
from lab.cloud.catalogue import REGIONS, SIZES
from lab.cloud.errors import ArmError, bad_request
from lab.cloud.faults import Faults
from lab.cloud.fields import text
from lab.cloud.inventory import GROUP, LOCK, MACHINE, ROLE_ASSIGNMENT, ROLE_DEFINITION, VAULT_KEY
from lab.cloud.model import Json, Resource
from lab.cloud.operations import Operations
from lab.cloud.resource_id import ResourceId, parse
from lab.cloud.resources.base import Kind, checked_tags
from lab.cloud.resources.virtual_machine.instance_view import instance_view
from lab.cloud.resources.virtual_machine.power import ACTIONS
from lab.cloud.site import Site
from lab.cloud.state import Operation
from lab.cloud.tokens import SUBSCRIPTION, InvalidToken, Principal, Tokens

LOG = logging.getLogger("cloud.requests")
FAULTS = logging.getLogger("cloud.faults")

_QUICK_SECONDS = 2.0
"""How long an answer waits for its operation: one that is done by then needs no polling."""

_LOGGED_QUERY = ("api-version", "$expand", "skipShutdown", "statusOnly", "resource")

_PRINCIPAL: ContextVar[Principal] = ContextVar("principal")
"""Who asks; each request has its own."""

_RETRY_SECONDS = 1
"""How long a client is asked to wait between two polls; Azure's clients wait 30 s where nothing is said."""

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


class ResourceManager:
    """The REST side of the cloud.

    Args:
        site: the resources, and what they act upon.
        tokens: checks who asks.
        work: the long-running operations.
        faults: may cut off the machines.
    """

    def __init__(self, site: Site, tokens: Tokens, work: Operations, faults: Faults) -> None:
        self._site = site
        self._tokens = tokens
        self._operations = work
        self._faults = faults

    def application(self) -> web.Application:
        """Return the web application: Resource Manager, login service and the cloud's metadata."""
        application = web.Application(
            middlewares=[log_requests, self._faults.middleware, self._answer_errors], client_max_size=4 * 1024**2
        )
        login.add_routes(application, self._tokens)
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    @web.middleware
    async def _answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
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

    # --- routing

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        principal = self._authenticate(request)
        if "api-version" not in request.query:
            raise bad_request(
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        _PRINCIPAL.set(principal)
        access = Access(self._site.inventory)
        path = request.path.strip("/")
        words = path.lower().split("/")
        if words == ["subscriptions"]:
            seen = access.sees(principal, f"/subscriptions/{SUBSCRIPTION}")
            return web.json_response({"value": [_subscription()] if seen else []})
        # Roles, their assignments, and locks: extensions of what they are on.
        about_roles = any(pair == ("providers", "microsoft.authorization") for pair in pairwise(words))
        if about_roles and words[0] == "providers":
            # A built-in role is asked for without a scope, too.
            path = f"subscriptions/{SUBSCRIPTION}/{path}"
            words = path.lower().split("/")
        in_group = words[2:3] == ["resourcegroups"] and len(words) > 3
        whole = in_group or (about_roles and len(words) > 4)
        target = parse(path if whole else "/".join(words[:2]))
        if target.subscription.lower() != SUBSCRIPTION:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{target.subscription}' could not be found.")
        if whole:
            need = authorization.in_group(request.method, target)
        else:
            need = authorization.in_subscription(request.method, target, words[2:], self._site.store)
        access.check(principal, need)
        if not whole:
            return self._subscription_level(request, target, words[2:])
        locks.check(self._site.inventory, request.method, target)
        if about_roles:
            return await self._role_level(request, target)
        if not target.namespace:
            return await self._group_level(request, target)
        return await self._resource_level(request, target)

    def _authenticate(self, request: web.Request) -> Principal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ArmError(
                401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing or invalid."
            )
        try:
            return self._tokens.check(token.strip())
        except InvalidToken as error:
            raise ArmError(401, "InvalidAuthenticationToken", str(error)) from None

    def _subscription_level(self, request: web.Request, target: ResourceId, words: list[str]) -> web.StreamResponse:
        match words:
            case []:
                return web.json_response(_subscription())
            case ["resourcegroups"]:
                kind = resources.kind_of(GROUP)
                assert kind is not None
                return self._list(kind, target)
            case ["locations"]:
                return web.json_response({"value": [_location(name) for name in sorted(REGIONS)]})
            case ["resources"]:
                parts = (GROUP, LOCK, ROLE_ASSIGNMENT, ROLE_DEFINITION, VAULT_KEY)
                listed = [r for r in self._site.store if r.type not in parts]
                return web.json_response({"value": [self._brief(r) for r in self._visible(listed)]})
            case ["providers"] | ["providers", _] | ["providers", _, "register"]:
                names = words[1:2] or ["Microsoft.Compute", "Microsoft.Network", "Microsoft.Resources"]
                shown = [_provider(name) for name in names]
                return web.json_response(shown[0] if len(words) > 1 else {"value": shown})
            case ["operationresults", identity] | ["providers", _, "locations", _, "operationresults", identity]:
                return self._operation_result(request, identity)
            case ["providers", _, "locations", _, "operations", identity]:
                operation = self._operation(identity)
                # Azure's clients wait 30 s where the answer says nothing.
                headers = {"Retry-After": str(_RETRY_SECONDS)} if operation.status == "InProgress" else {}
                return web.json_response(operations.shown(operation), headers=headers)
            case ["providers", "microsoft.compute", "locations", _, "vmsizes"]:
                return web.json_response({"value": _sizes()})
            case ["providers", namespace, type_]:
                kind = resources.kind_of(f"{namespace}/{type_}")
                if kind is not None and request.method == "GET":
                    return self._list(kind, target)
            case _:
                pass
        raise ArmError(404, "InvalidResourceType", f"The lab cloud does not know {request.method} {request.path}.")

    async def _group_level(self, request: web.Request, target: ResourceId) -> web.StreamResponse:
        kind = resources.kind_of(GROUP)
        assert kind is not None
        group = kind.locate(self._site.store, target)
        if request.method == "PUT":
            return await self._put(request, kind, target)
        if request.method == "HEAD":
            return web.Response(status=404 if group is None else 204)
        if group is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{target.group}' could not be found.")
        if request.method == "GET":
            return web.json_response(kind.shown(self._site.inventory, group))
        if request.method == "PATCH":
            return await self._patch(request, kind, target)
        if request.method == "DELETE":
            group.provisioning = "Deleting"
            operation = self._operations.begin("delete", group)
            await self._operations.wait(operation, 0.1)
            location = f"{_base(request)}/subscriptions/{target.subscription}/operationresults/{operation.id}"
            return web.Response(
                status=202, headers={"Location": f"{location}?api-version={_version(request)}", "Retry-After": "1"}
            )
        raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")

    async def _resource_level(self, request: web.Request, target: ResourceId) -> web.StreamResponse:
        if self._site.inventory.group(target.subscription, target.group) is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{target.group}' could not be found.")
        if target.is_collection:
            last, owner = target.types[-1].lower(), target.parent
            if owner.types and owner.type.lower() == MACHINE.lower():
                return await self._machine_verb(request, owner, last)
            kind = self._kind(target)
            if request.method != "GET":
                raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")
            return self._list(kind, target, request.query.get("$expand", ""))
        kind = resources.kind_of(target.type)
        if kind is None:
            return self._part(request, target)
        match request.method:
            case "GET" | "HEAD":
                resource = self._existing(kind, target)
                return web.json_response(self._shown(kind, resource, request.query.get("$expand", "")))
            case "PUT":
                return await self._put(request, kind, target)
            case "PATCH":
                return await self._patch(request, kind, target)
            case "DELETE":
                return await self._delete(request, kind, target)
            case _:
                raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")

    async def _role_level(self, request: web.Request, target: ResourceId) -> web.StreamResponse:
        """Answer for roles, their assignments and locks: at once, since only checks of later requests follow."""
        kind, store, inventory = self._kind(target), self._site.store, self._site.inventory
        if target.is_collection:
            self._check_scope(target)
            if request.method != "GET":
                raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")
            found = _filtered(kind.members(store, target), target, request.query.get("$filter", ""))
            return web.json_response({"value": [kind.shown(inventory, resource) for resource in found]})
        existing = kind.locate(store, target)
        match request.method:
            case "GET" | "HEAD":
                if existing is None:
                    raise _no_role(kind, target)
                return web.json_response(kind.shown(inventory, existing))
            case "PUT":
                body = await self._body(request)
                self._check_scope(target)
                existing = kind.locate(store, target)
                resource = kind.check(inventory, target, body, existing)
                if kind.type != LOCK:
                    author = _PRINCIPAL.get().object_id
                    made_by = existing.properties["createdBy"] if existing else author
                    resource.properties.update({"createdBy": made_by, "updatedBy": author})
                kind.commit(store, resource)
                return web.json_response(kind.shown(inventory, resource), status=200 if existing else 201)
            case "DELETE":
                if existing is None:
                    return web.Response(status=204)
                kind.check_removal(inventory, existing)
                kind.discard(store, existing)
                return web.json_response(kind.shown(inventory, existing))
            case _:
                raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")

    def _check_scope(self, target: ResourceId) -> None:
        """Refuse a scope that is not there."""
        if target.group and self._site.inventory.group(target.subscription, target.group) is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{target.group}' could not be found.")
        if target.on:
            holder = parse(target.on)
            self._existing(self._kind(holder), holder)

    def _kind(self, target: ResourceId) -> Kind:
        kind = resources.kind_of(target.type)
        if kind is None:
            raise ArmError(
                404,
                "InvalidResourceType",
                f"The resource type '{'/'.join(target.types)}' could not be found in the namespace "
                f"'{target.namespace}' of the lab cloud.",
            )
        return kind

    def _existing(self, kind: Kind, target: ResourceId) -> Resource:
        resource = kind.locate(self._site.store, target)
        if resource is None:
            names = "/".join(target.names)
            raise ArmError(
                404,
                "ResourceNotFound",
                f"The Resource '{kind.type}/{names}' under resource group '{target.group}' was not found. For more "
                "details please go to https://aka.ms/ARMResourceNotFoundFix",
            )
        return resource

    # --- reading

    def _shown(self, kind: Kind, resource: Resource, expand: str = "") -> Json:
        shown = kind.shown(self._site.inventory, resource)
        if kind.type == MACHINE and "instanceview" in expand.lower():
            shown["properties"]["instanceView"] = instance_view(self._site, resource)
        return shown

    def _brief(self, resource: Resource) -> Json:
        names = ("id", "name", "type", "location")
        shown: Json = {name: getattr(resource, name) for name in names}
        return {**shown, **{name: resource.body[name] for name in ("tags", "sku", "zones") if resource.body.get(name)}}

    def _visible(self, found: list[Resource]) -> list[Resource]:
        return Access(self._site.inventory).visible(_PRINCIPAL.get(), found)

    def _list(self, kind: Kind, target: ResourceId, expand: str = "") -> web.Response:
        found = self._visible(kind.members(self._site.store, target))
        return web.json_response({"value": [self._shown(kind, resource, expand) for resource in found]})

    def _part(self, request: web.Request, target: ResourceId) -> web.Response:
        """Show an entry of a resource's own lists, such as a balancer's backend pool."""
        owner_kind = resources.kind_of(target.parent.type) if target.parent.types else None
        if owner_kind is None:
            self._kind(target)
            raise AssertionError
        if request.method != "GET":
            raise ArmError(
                405, "MethodNotAllowed", f"The lab cloud takes '{target.types[-1]}' inside of their parent only."
            )
        owner = self._existing(owner_kind, target.parent)
        properties: Json = owner_kind.shown(self._site.inventory, owner)["properties"]
        for name, entries in properties.items():
            if name.lower() == target.types[-1].lower() and isinstance(entries, list):
                for entry in cast(list[Json], entries):
                    if str(entry.get("name", "")).lower() == target.name.lower():
                        return web.json_response(entry)
        raise ArmError(404, "NotFound", f"Resource {target} not found.")

    # --- changing

    async def _body(self, request: web.Request) -> Json:
        try:
            body: Any = json.loads(await request.text() or "{}")
        except (ValueError, UnicodeDecodeError):
            raise bad_request(
                "InvalidRequestContent", "The request content was invalid and could not be deserialized."
            ) from None
        if not isinstance(body, dict):
            raise bad_request("InvalidRequestContent", "The request content must be a JSON object.")
        return cast(Json, body)

    async def _put(self, request: web.Request, kind: Kind, target: ResourceId) -> web.Response:
        body = await self._body(request)
        return await self._accept(request, kind, target, body)

    async def _patch(self, request: web.Request, kind: Kind, target: ResourceId) -> web.Response:
        """Merge a patch into what stands, and take that as a request."""
        body = await self._body(request)
        existing = self._existing(kind, target)
        merged = copy.deepcopy(existing.body)
        merged["location"] = existing.location
        if body.get("tags") is not None:
            merged["tags"] = checked_tags(body)
        for name in ("sku", "identity", "zones"):
            if name in body:
                merged[name] = body[name]
        merged["properties"] = _merge(merged.get("properties") or {}, body.get("properties") or {})
        return await self._accept(request, kind, target, merged)

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
        shown = self._shown(kind, current)
        status = 201 if existing is None else 200
        if kind.compute and kind.type != MACHINE:
            # The clients of compute take these for everything but machines.
            status = 200 if finished else 202
        headers = {} if finished else self._polling(request, target, operation)
        return web.json_response(shown, status=status, headers=headers)

    async def _delete(self, request: web.Request, kind: Kind, target: ResourceId) -> web.Response:
        resource = kind.locate(self._site.store, target)
        if resource is None:
            return web.Response(status=204)
        kind.check_removal(self._site.inventory, resource)
        resource.provisioning = "Deleting"
        operation = self._operations.begin("delete", resource)
        return await self._acknowledge(request, target, operation)

    async def _machine_verb(self, request: web.Request, target: ResourceId, verb: str) -> web.Response:
        resource = self._existing(resources.MACHINES, target)
        if request.method == "GET" and verb == "instanceview":
            return web.json_response(instance_view(self._site, resource))
        if request.method != "POST" or verb not in ACTIONS:
            raise ArmError(404, "NotFound", f"The lab cloud's machines do not know {request.method} {verb}.")
        if resource.provisioning == "Deleting":
            raise ArmError(409, "OperationNotAllowed", f"VM '{resource.name}' is being deleted.")
        action = ACTIONS[verb]
        if action == "powerOff" and request.query.get("skipShutdown", "").lower() == "true":
            action = "powerOffAbrupt"
        operation = self._operations.begin(action, resource, _PRINCIPAL.get().object_id)
        return await self._acknowledge(request, target, operation)

    async def _acknowledge(self, request: web.Request, target: ResourceId, operation: Operation) -> web.Response:
        if await self._operations.wait(operation, _QUICK_SECONDS):
            if operation.error is not None:
                raise ArmError(operation.http_status, operation.error["code"], operation.error["message"])
            return web.Response(status=200)
        return web.Response(status=202, headers=self._polling(request, target, operation, location=True))

    # --- polling

    def _polling(
        self, request: web.Request, target: ResourceId, operation: Operation, location: bool = False
    ) -> dict[str, str]:
        group = self._site.inventory.group(target.subscription, target.group)
        region = group.location if group else "global"
        base = f"{_base(request)}/subscriptions/{target.subscription}/providers/{target.namespace}/locations/{region}"
        version = f"?api-version={_version(request)}"
        headers = {
            "Azure-AsyncOperation": f"{base}/operations/{operation.id}{version}",
            "Retry-After": str(_RETRY_SECONDS),
        }
        if location:
            headers["Location"] = f"{base}/operationResults/{operation.id}{version}"
        return headers

    def _operation(self, identity: str) -> Operation:
        operation = self._site.store.operation(identity)
        if operation is None:
            raise ArmError(404, "NotFound", f"The entity '{identity}' was not found.")
        return operation

    def _operation_result(self, request: web.Request, identity: str) -> web.Response:
        operation = self._operation(identity)
        if operation.status == "InProgress":
            return web.Response(status=202, headers={"Location": str(request.url), "Retry-After": "1"})
        if operation.error is not None:
            raise ArmError(operation.http_status, operation.error["code"], operation.error["message"])
        return web.Response(status=200)


def _no_role(kind: Kind, target: ResourceId) -> ArmError:
    if kind.type == LOCK:
        return ArmError(404, "LockNotFound", f"The lock '{target.name}' could not be found.")
    if kind.type == ROLE_ASSIGNMENT:
        return ArmError(404, "RoleAssignmentNotFound", f"The role assignment '{target.name}' is not found.")
    return ArmError(
        404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{target.name}' does not exist."
    )


def _filtered(found: list[Resource], target: ResourceId, condition: str) -> list[Resource]:
    """Apply the filters of role definitions and assignments.

    Args:
        found: what there is.
        target: the collection.
        condition: `atScope()`, `assignedTo('GUID')`, or `principalId`, `roleName` or `type` `eq` something; several
            with `and`; empty for no condition.

    Raises:
        ArmError: another condition.
    """
    for part in re.split(r"\s+and\s+", condition.strip()) if condition.strip() else []:
        equal = re.fullmatch(r"(principalId|roleName|type)\s+eq\s+'([^']*)'|(assignedTo)\('([^']*)'\)", part)
        if part in ("atScope()", "atScopeAndBelow()"):
            if part == "atScope()":
                found = [r for r in found if roles.covers(text(r.properties, "scope"), target.scope)]
        elif equal is not None:
            name, value = equal[1] or "principalId", equal[2] if equal[1] else equal[4]
            found = [r for r in found if text(r.properties, name).lower() == value.lower()]
        else:
            raise bad_request("LabNotSupported", f"The lab cloud does not know the filter '{part}'.")
    return found


def _merge(base: Json, patch: Json) -> Json:
    merged = dict(base)
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            merged[name] = _merge(base[name], cast(Json, value))
        else:
            merged[name] = value
    return merged


def _base(request: web.Request) -> str:
    return f"https://{request.host}"


def _version(request: web.Request) -> str:
    return request.query.get("api-version", "")


def _subscription() -> Json:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}",
        "subscriptionId": SUBSCRIPTION,
        "displayName": "Lab",
        "state": "Enabled",
    }


def _location(name: str) -> Json:
    return {"id": f"/subscriptions/{SUBSCRIPTION}/locations/{name}", "name": name, "displayName": name}


def _provider(name: str) -> Json:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}/providers/{name}",
        "namespace": name,
        "registrationState": "Registered",
    }


def _sizes() -> list[Json]:
    return [
        {"name": name, "numberOfCores": s.cores, "memoryInMB": s.memory_mib, "maxDataDiskCount": s.data_disks}
        for name, s in sorted(SIZES.items())
    ]
