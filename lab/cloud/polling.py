"""How a client follows a long-running operation."""

from aiohttp import web

from lab.cloud.errors import ArmError
from lab.cloud.request import base, version
from lab.cloud.resource_id import ResourceId
from lab.cloud.site import Site
from lab.cloud.state import Operation

RETRY_SECONDS = 1
"""How long a client is asked to wait between two polls; Azure's clients wait 30 s where nothing is said."""


class Polling:
    """Says where an operation can be asked for, and how it is."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def headers(
        self, request: web.Request, target: ResourceId, operation: Operation, location: bool = False
    ) -> dict[str, str]:
        """Return the headers of an answer whose operation goes on."""
        group = self._site.inventory.group(target.subscription, target.group)
        region = group.location if group else "global"
        place = f"{base(request)}/subscriptions/{target.subscription}/providers/{target.namespace}/locations/{region}"
        query = f"?api-version={version(request)}"
        headers = {
            "Azure-AsyncOperation": f"{place}/operations/{operation.id}{query}",
            "Retry-After": str(RETRY_SECONDS),
        }
        if location:
            headers["Location"] = f"{place}/operationResults/{operation.id}{query}"
        return headers

    def operation(self, identity: str) -> Operation:
        operation = self._site.store.operation(identity)
        if operation is None:
            raise ArmError(404, "NotFound", f"The entity '{identity}' was not found.")
        return operation

    def result(self, request: web.Request, identity: str) -> web.Response:
        """Answer at the address of an operation's result."""
        operation = self.operation(identity)
        if operation.status == "InProgress":
            return web.Response(status=202, headers={"Location": str(request.url), "Retry-After": "1"})
        if operation.error is not None:
            raise ArmError(operation.http_status, operation.error["code"], operation.error["message"])
        return web.Response(status=200)
