"""What is asked of a subscription as a whole."""

from aiohttp import web

from lab.cloud import operations, registration, resources
from lab.cloud.errors import ArmError
from lab.cloud.inventory import (
    BLOB_CONTAINER,
    BLOB_SERVICE,
    DNS_RECORD,
    GROUP,
    IMMUTABILITY_POLICY,
    LOCK,
    MANAGEMENT_POLICY,
    ROLE_ASSIGNMENT,
    ROLE_DEFINITION,
    VAULT_KEY,
)
from lab.cloud.model import Json
from lab.cloud.polling import RETRY_SECONDS, Polling
from lab.cloud.reading import Reading
from lab.cloud.resource_id import ResourceId
from lab.cloud.site import Site
from lab.cloud.tokens import SUBSCRIPTION

PARTS = (
    *(GROUP, LOCK, ROLE_ASSIGNMENT, ROLE_DEFINITION, VAULT_KEY, DNS_RECORD),
    *(BLOB_SERVICE, BLOB_CONTAINER, IMMUTABILITY_POLICY, MANAGEMENT_POLICY),
)
"""Extensions, and parts of other resources: no list of resources has them."""


class Subscription:
    """Answers for the subscription: its collections, and operations under way."""

    def __init__(self, site: Site, reading: Reading) -> None:
        self._site = site
        self._reading = reading
        self._polling = Polling(site)

    def answer(self, request: web.Request, target: ResourceId, words: list[str]) -> web.StreamResponse:
        """Answer a request whose path, after the subscription, has these words."""
        match words:
            case []:
                return web.json_response(subscription())
            case ["resourcegroups"]:
                kind = resources.kind_of(GROUP)
                assert kind is not None
                return self._reading.list(kind, target)
            case ["resources"]:
                listed = [r for r in self._site.store if r.type not in PARTS]
                return web.json_response({"value": [self._reading.brief(r) for r in self._reading.visible(listed)]})
            case ["providers"]:
                return web.json_response({"value": [self._provider(name) for name in registration.PROVIDERS]})
            case ["providers", namespace] if request.method == "GET":
                return web.json_response(self._provider(namespace))
            case ["providers", namespace, "register"] if request.method == "POST":
                registration.register(self._site.store, namespace)
                return web.json_response(self._provider(namespace))
            case ["providers", namespace, "unregister"] if request.method == "POST":
                registration.unregister(self._site.store, namespace)
                return web.json_response(self._provider(namespace))
            case ["operationresults", identity] | ["providers", _, "locations", _, "operationresults", identity]:
                return self._polling.result(request, identity)
            case ["providers", _, "locations", _, "operations", identity]:
                operation = self._polling.operation(identity)
                # Azure's clients wait 30 s where the answer says nothing.
                headers = {"Retry-After": str(RETRY_SECONDS)} if operation.status == "InProgress" else {}
                return web.json_response(operations.shown(operation), headers=headers)
            case ["providers", namespace, type_]:
                kind = resources.kind_of(f"{namespace}/{type_}")
                if kind is not None and request.method == "GET":
                    return self._reading.list(kind, target)
            case _:
                pass
        raise ArmError(404, "InvalidResourceType", f"The lab cloud does not know {request.method} {request.path}.")

    def _provider(self, namespace: str) -> Json:
        name = registration.spelled(namespace)
        is_there = name in registration.registered(self._site.store)
        return {
            "id": f"/subscriptions/{SUBSCRIPTION}/providers/{name}",
            "namespace": name,
            "registrationState": "Registered" if is_there else "NotRegistered",
        }


def subscription() -> Json:
    """Return the subscription as a client sees it."""
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}",
        "subscriptionId": SUBSCRIPTION,
        "displayName": "Lab",
        "state": "Enabled",
    }
