"""A session with Azure: the cloud's endpoints, a service principal logged in, a client that speaks to ARM."""

import os
import threading
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import requests
from azure.core import PipelineClient
from azure.core.configuration import Configuration
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import RetryPolicy, UserAgentPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import ClientSecretCredential
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from requests.adapters import HTTPAdapter

from .account import Account
from .errors import ArmError, StoppedError, body_of, refusal
from .polling import Polling
from .values import Object, Value, is_object

PUBLIC_MANAGEMENT = "https://management.azure.com"
PUBLIC_LOGIN = "https://login.microsoftonline.com"
METADATA_API_VERSION = "2022-09-01"  # the one that the real plug-in understands

_RETRIES = 3
_LONGEST_RETRY_SECONDS = 30
_READ_SECONDS = 120

Client: TypeAlias = PipelineClient[Any, HttpResponse]
Answer: TypeAlias = PipelineResponse[HttpRequest, HttpResponse]


@dataclass(frozen=True)
class Endpoints:
    """Where a cloud answers.

    Args:
        management: ARM's address, without a slash at its end.
        login: the login service's, the same.
        audience: of tokens for ARM.
    """

    management: str
    login: str
    audience: str


@dataclass(frozen=True)
class Session:
    """Somebody who is logged in."""

    management: str
    client: Client

    def send(self, method: str, path: str, api_version: str, body: Object | None = None) -> Answer:
        """Send a request, and again where that may help."""
        url = self.management + path
        request = HttpRequest(method, url, params={"api-version": api_version}, json=body)
        try:
            return cast(Answer, self.client.send_request(request, _return_pipeline_response=True))
        except AzureError as error:
            raise ArmError(f"cannot reach ARM at {self.management}: {error}") from None

    def finish(self, begun: Answer, deadline: float) -> Object:
        """Wait until ARM has done what it has begun.

        Args:
            begun: its answer to the request.
            deadline: when to give up, of the monotonic clock.

        Raises:
            ArmError: it failed, or is not done in time.
        """
        polling: Any = Polling(self.management, deadline)  # azure-core leaves its types open
        try:
            polling.initialize(self.client, begun, _body_of_answer)
            polling.run()
            return polling.resource() or {}
        except HttpResponseError as error:
            if error.response is None:
                raise ArmError(str(error)) from None
            raise refusal(cast(HttpResponse, error.response)) from None
        except AzureError as error:
            raise ArmError(f"cannot reach ARM at {self.management}: {error}") from None


def _body_of_answer(answer: Answer) -> Object:
    return body_of(answer.http_response)


class _Transport(RequestsTransport):
    """Connections that end, as every wait does, when the engine asks to stop."""

    def __init__(self, cancelled: threading.Event, connections: int) -> None:
        session = requests.Session()
        session.mount("https://", HTTPAdapter(pool_maxsize=connections))
        # As Go does for the real plug-in; requests itself reads REQUESTS_CA_BUNDLE only.
        trusted = os.environ.get("SSL_CERT_FILE") or True
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - untyped in azure-core
            session=session, connection_verify=trusted, read_timeout=_READ_SECONDS
        )
        self._cancelled = cancelled

    def send(self, request: Any, **kwargs: Any) -> Any:
        self.sleep(0)
        return cast(Any, super().send(request, **kwargs))  # pyright: ignore[reportUnknownMemberType] - the same

    def sleep(self, duration: float) -> None:
        if self._cancelled.wait(duration):
            raise StoppedError("cancelled")


class _Retry(RetryPolicy[Any, Any]):
    """Azure's own policy; what is busy is asked again too, and a certificate that is not trusted is not."""

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        return super().is_retry(settings, response) or _is_busy(response.http_response)

    def increment(self, settings: dict[str, Any], response: Any = None, error: Exception | None = None) -> bool:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return False
        return super().increment(settings, response, error)


def _is_busy(response: HttpResponse) -> bool:
    error = body_of(response).get("error") if response.status_code == 409 else None
    return is_object(error) and cast(Object, error).get("code") == "AnotherOperationInProgress"


def connect(account: Account, user_agent: str, cancelled: threading.Event, connections: int) -> Session:
    """Log in.

    Args:
        cancelled: set when whatever is under way is to end.
        connections: how many requests may be under way at once.

    Raises:
        ArmError: the endpoints are not told, or the login service refuses.
    """
    transport = _Transport(cancelled, connections)
    retry = _Retry(retry_total=_RETRIES, retry_backoff_max=_LONGEST_RETRY_SECONDS)
    endpoints = _discover(account.metadata_host, transport, retry)
    names = {"tenant_id": "ARM_TENANT_ID", "client_id": "ARM_CLIENT_ID", "client_secret": "ARM_CLIENT_SECRET"}
    missing = [variable for name, variable in names.items() if not getattr(account, name)]
    if missing:
        raise ArmError(f"no credentials for Azure: {', '.join(missing)} not set, nor in the provider's settings")
    credential = ClientSecretCredential(
        account.tenant_id,
        account.client_id,
        account.client_secret,
        authority=endpoints.login,
        disable_instance_discovery=True,
        transport=transport,
        retry_total=_RETRIES,
    )
    _token(account, credential, endpoints.audience)  # once, before many threads ask for it
    scope = _scope(endpoints.audience)
    configuration: Configuration[Any, Any] = Configuration()
    configuration.user_agent_policy = UserAgentPolicy(user_agent)
    configuration.retry_policy = retry
    configuration.authentication_policy = ARMChallengeAuthenticationPolicy(credential, scope)
    client: Client = ARMPipelineClient(endpoints.management, config=configuration, transport=transport)
    return Session(endpoints.management, client)


def _scope(audience: str) -> str:
    return audience.rstrip("/") + "/.default"


def _token(account: Account, credential: ClientSecretCredential, audience: str) -> str:
    try:
        return credential.get_token(_scope(audience)).token
    except (AzureError, ValueError) as error:
        told = str(error).replace(account.client_secret, "[secret]")
        raise ArmError(f"log-in as {account.client_id} failed: {told}") from None


def _discover(host: str, transport: _Transport, retry: _Retry) -> Endpoints:
    if not host:
        return Endpoints(PUBLIC_MANAGEMENT, PUBLIC_LOGIN, PUBLIC_MANAGEMENT)
    url = f"https://{host}/metadata/endpoints?api-version={METADATA_API_VERSION}"
    client: Client = PipelineClient(f"https://{host}", policies=[retry], transport=transport)
    try:
        response = client.send_request(HttpRequest("GET", url))
    except AzureError as error:
        raise ArmError(f"cannot reach the metadata host at https://{host}: {error}") from None
    if response.status_code != 200:
        raise ArmError(f"{url}: {refusal(response)}", response.status_code)
    body = body_of(response)
    inner = body.get("authentication")
    authentication = cast(Object, inner) if is_object(inner) else {}
    management, login = body.get("resourceManager"), authentication.get("loginEndpoint")
    if not (isinstance(management, str) and isinstance(login, str)):
        raise ArmError(f"{url} names no resourceManager or no loginEndpoint")
    for endpoint in (management, login):
        if not endpoint.startswith("https://"):
            raise ArmError(f"{url} names {endpoint}: only https is spoken")
    audiences = authentication.get("audiences")
    audience = str(cast("list[Value]", audiences)[0]) if isinstance(audiences, list) and audiences else management
    return Endpoints(management.rstrip("/"), login.rstrip("/"), audience)
