"""What answers at ENDPOINT.metrics.ingest.monitor.azure.com: checks who writes, and hands the samples to a Prometheus.

Checked here: that endpoint, rule and stream belong together, the token's signature and audience, and that the caller
has at the data collection rule a role that lets it write metrics
(learn.microsoft.com/azure/azure-monitor/containers/prometheus-remote-write-troubleshooting, "HTTP 403 error").
"""

from aiohttp import web

from lab.cloud.authorization import Access
from lab.cloud.errors import ArmError
from lab.cloud.faults import Cut
from lab.cloud.fields import items, texts
from lab.cloud.inventory import COLLECTION_ENDPOINT, COLLECTION_RULE, Inventory
from lab.cloud.metrics_receiver import MetricsReceiver
from lab.cloud.middleware import answer_errors, log_requests
from lab.cloud.model import Resource
from lab.cloud.resource_id import key_of
from lab.cloud.resources.workspace import host_of
from lab.cloud.roles import WRITE_METRICS
from lab.cloud.tokens import MONITOR, InvalidToken, Principal, Tokens

_VERSIONS = ("2021-11-01-preview", "2023-04-24")
_MOST_BYTES = 4 * 1024**2

# What says how the samples are packed; all else is of the connection.
_PASSED = ("content-type", "content-encoding", "x-prometheus-remote-write-version", "user-agent")


class MetricsIngestion:
    """The front of the lab's workspace.

    Args:
        cut: whether the machines reach it.
    """

    def __init__(self, inventory: Inventory, receiver: MetricsReceiver, tokens: Tokens, cut: Cut) -> None:
        self._inventory = inventory
        self._receiver = receiver
        self._tokens = tokens
        self._cut = cut

    def application(self) -> web.Application:
        """Return the web application, to be run without decompressing what comes."""
        application = web.Application(
            middlewares=[log_requests, self._cut.middleware, answer_errors], client_max_size=_MOST_BYTES
        )
        application.router.add_post("/dataCollectionRules/{rule}/streams/{stream}/api/v1/write", self._write)
        return application

    async def _write(self, request: web.Request) -> web.Response:
        principal = self._authenticate(request)
        rule = self._rule(request)
        if not Access(self._inventory).allows_data(principal, WRITE_METRICS, rule.id):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The authentication token provided does not have access to ingest data for the data collection rule "
                f"with immutable Id '{rule.properties['immutableId']}'.",
            )
        headers = {name: value for name, value in request.headers.items() if name.lower() in _PASSED}
        status, text = await self._receiver.write(headers, await request.read())
        return web.Response(status=status, text=text)

    def _authenticate(self, request: web.Request) -> Principal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ArmError(401, "AuthenticationFailed", "The request has no bearer token.")
        try:
            return self._tokens.check(token.strip(), (MONITOR.rstrip("/"),))
        except InvalidToken as error:
            raise ArmError(403, "InvalidToken", str(error)) from None

    def _rule(self, request: web.Request) -> Resource:
        """Return the data collection rule by which somebody writes."""
        host = request.host.partition(":")[0].lower()
        endpoint = next((e for e in self._inventory.of_type(COLLECTION_ENDPOINT) if host_of(e) == host), None)
        wanted, stream = request.match_info["rule"], request.match_info["stream"]
        if endpoint is None:
            raise ArmError(404, "NotFound", f"There is no data collection endpoint {host}.")
        if request.query.get("api-version") not in _VERSIONS:
            raise ArmError(400, "UnsupportedApiVersion", f"The api-version is one of {', '.join(_VERSIONS)}.")
        for rule in self._inventory.of_type(COLLECTION_RULE):
            of_endpoint = key_of(rule.properties["dataCollectionEndpointId"]) == endpoint.key
            flows = items(rule.properties, "dataFlows")
            if rule.properties["immutableId"] == wanted and of_endpoint:
                if any(stream in texts(flow, "streams") for flow in flows):
                    return rule
                raise ArmError(400, "InvalidStream", f"Stream {stream} was not configured in rule {wanted}.")
        raise ArmError(404, "NotFound", f"Data collection rule with immutable Id '{wanted}' not found.")
