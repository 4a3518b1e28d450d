"""Resource Manager: routes requests to the resource types, and answers as Azure does."""

from itertools import pairwise

from aiohttp import web

from lab.cloud import authorization, known_versions, locks, login, prices, registration, resources
from lab.cloud.authorization import Access
from lab.cloud.changes import Changes
from lab.cloud.errors import ArmError
from lab.cloud.extensions import Extensions
from lab.cloud.faults import Faults
from lab.cloud.inventory import GROUP, MACHINE, NETWORK
from lab.cloud.middleware import answer_errors, log_requests
from lab.cloud.offers import Offers, address_availability
from lab.cloud.operations import Operations
from lab.cloud.reading import Reading, kind_of
from lab.cloud.request import CALLER, VERSION, base, checked_version, version
from lab.cloud.resource_id import ResourceId, parse
from lab.cloud.site import Site
from lab.cloud.subscription import PARTS, Subscription, subscription
from lab.cloud.tokens import SUBSCRIPTION, InvalidToken, Principal, Tokens


class ResourceManager:
    """The REST side of the cloud."""

    def __init__(self, site: Site, tokens: Tokens, work: Operations, faults: Faults) -> None:
        self._site = site
        self._tokens = tokens
        self._operations = work
        self._faults = faults
        self._reading = Reading(site)
        self._changes = Changes(site, work, self._reading)
        self._subscription = Subscription(site, self._reading)
        self._extensions = Extensions(site, self._reading)
        self._offers = Offers(site.inventory)

    def application(self) -> web.Application:
        """Return the web application: Resource Manager, login service, the cloud's metadata and the price list."""
        application = web.Application(
            middlewares=[log_requests, self._faults.arm.middleware, answer_errors], client_max_size=4 * 1024**2
        )
        login.add_routes(application, self._tokens)
        prices.add_routes(application)
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        principal = self._authenticate(request)
        VERSION.set(checked_version(request))
        CALLER.set(principal)
        access = Access(self._site.inventory)
        path = request.path.strip("/")
        words = path.lower().split("/")
        if words == ["subscriptions"]:
            seen = access.sees(principal, f"/subscriptions/{SUBSCRIPTION}")
            return web.json_response({"value": [subscription()] if seen else []})
        # Roles, their assignments, and locks: extensions of what they are on.
        about_roles = any(pair == ("providers", "microsoft.authorization") for pair in pairwise(words))
        if about_roles and words[0] == "providers":
            # A built-in role is asked for without a scope, too.
            path = f"subscriptions/{SUBSCRIPTION}/{path}"
            words = path.lower().split("/")
        in_group = words[2:3] == ["resourcegroups"] and len(words) > 3
        if in_group and words[4:] == ["resources"]:
            return self._members(access, principal, "/".join(path.split("/")[:4]))
        whole = in_group or (about_roles and len(words) > 4)
        target = parse(path if whole else "/".join(words[:2]))
        for type_ in _types(target, words):
            known_versions.check(type_, version(request))
        if target.subscription.lower() != SUBSCRIPTION:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{target.subscription}' could not be found.")
        if whole:
            need = authorization.in_group(request.method, target)
        else:
            need = authorization.in_subscription(request.method, target, words[2:], self._site.store)
        access.check(principal, need)
        if not whole:
            offered = await self._offers.answer(request, words[2:])
            return offered or self._subscription.answer(request, target, words[2:])
        if request.method == "GET" and target.type.lower() == authorization.PERMISSIONS.lower():
            return web.json_response({"value": access.permissions(principal, target.scope)})
        locks.check(self._site.inventory, request.method, target)
        if about_roles:
            return await self._extensions.answer(request, target)
        if not target.namespace:
            return await self._group_level(request, target)
        return await self._resource_level(request, target)

    def _members(self, access: Access, principal: Principal, path: str) -> web.Response:
        """List what is in a group, as far as the caller may read it."""
        group = self._site.inventory.group(parse(path).subscription, parse(path).group)
        if group is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{parse(path).group}' could not be found.")
        members = [one for one in self._site.inventory.members(group) if one.type not in PARTS]
        found = access.visible(principal, members)
        return web.json_response({"value": [self._reading.brief(resource) for resource in found]})

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

    async def _group_level(self, request: web.Request, target: ResourceId) -> web.StreamResponse:
        kind = resources.kind_of(GROUP)
        assert kind is not None
        group = kind.locate(self._site.store, target)
        if request.method == "PUT":
            return await self._changes.put(request, kind, target)
        if request.method == "HEAD":
            return web.Response(status=404 if group is None else 204)
        group = self._site.inventory.require_group(target)
        if request.method == "GET":
            return web.json_response(kind.shown(self._site.inventory, group))
        if request.method == "PATCH":
            return await self._changes.patch(request, kind, target)
        if request.method == "DELETE":
            group.provisioning = "Deleting"
            operation = self._operations.begin("delete", group)
            await self._operations.wait(operation, 0.1)
            location = f"{base(request)}/subscriptions/{target.subscription}/operationresults/{operation.id}"
            return web.Response(
                status=202, headers={"Location": f"{location}?api-version={version(request)}", "Retry-After": "1"}
            )
        raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")

    async def _resource_level(self, request: web.Request, target: ResourceId) -> web.StreamResponse:
        self._site.inventory.require_group(target)
        if target.is_collection:
            last, owner = target.types[-1].lower(), target.parent
            if owner.types and owner.type.lower() == MACHINE.lower():
                return await self._changes.machine_verb(request, owner, last)
            if request.method == "GET" and last == "checkipaddressavailability":
                network = self._site.inventory.get(str(owner), NETWORK)
                if network is None:
                    raise ArmError(404, "ResourceNotFound", f"The Resource '{owner}' was not found.")
                address = request.query.get("ipAddress", "")
                return web.json_response(address_availability(self._site.inventory, network, address))
            kind = kind_of(target)
            if request.method != "GET":
                raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")
            return self._reading.list(kind, target, request.query.get("$expand", ""))
        kind = resources.kind_of(target.type)
        if kind is None:
            return self._reading.part(request, target)
        match request.method:
            case "GET" | "HEAD":
                resource = self._reading.existing(kind, target)
                return web.json_response(self._reading.shown(kind, resource, request.query.get("$expand", "")))
            case "PUT":
                registration.check(self._site.store, target)
                return await self._changes.put(request, kind, target)
            case "PATCH":
                return await self._changes.patch(request, kind, target)
            case "DELETE":
                return await self._changes.delete(request, kind, target)
            case _:
                raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")


def _types(target: ResourceId, words: list[str]) -> tuple[str, ...]:
    """Return the types that a request is about: a resource's or a list's own, and the owner's of what is asked of it.

    Args:
        words: the path's, in small letters.
    """
    if target.namespace:
        return (target.type, *([target.parent.type] if target.is_collection and target.parent.types else []))
    if words[2:3] == ["resourcegroups"] and len(words) <= 4:
        return (GROUP,)
    return (f"{words[3]}/{words[4]}",) if words[2:3] == ["providers"] and len(words) == 5 else ()
