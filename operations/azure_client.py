"""Azure's Resource Manager, to be read: found and logged in to as Pulumi's provider does it."""

import os
import subprocess
import urllib.parse
from collections.abc import Mapping
from typing import Any, cast

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import ClientSecretCredential, DefaultAzureCredential

from operations.azure import Json, Refusal
from operations.error import OperationError

_HOSTS = {
    "public": "management.azure.com",
    "usgovernment": "management.usgovcloudapi.net",
    "china": "management.chinacloudapi.cn",
}
"""Resource Manager by ARM_ENVIRONMENT."""

_SECONDS = 60


class Azure:
    """The subscription that Pulumi would use.

    Args:
        subscription: its GUID; by default that of the environment, then that of the Azure CLI.

    Raises:
        OperationError: no subscription is named, or Azure is not reached.
    """

    def __init__(self, subscription: str = "") -> None:
        # As Go does for the provider; requests itself reads REQUESTS_CA_BUNDLE only.
        transport: Any = RequestsTransport(  # pyright: ignore[reportUnknownVariableType] - untyped in azure-core
            connection_verify=os.environ.get("SSL_CERT_FILE") or True, read_timeout=_SECONDS
        )
        found = _metadata(transport)
        arm: str = found["resourceManager"].rstrip("/")
        audience: str = found["authentication"]["audiences"][0].rstrip("/")
        credential = _credential(found["authentication"]["loginEndpoint"].rstrip("/"), transport)
        token = BearerTokenCredentialPolicy[Any, Any](credential, f"{audience}/.default")
        self._client: PipelineClient[Any, HttpResponse] = PipelineClient(
            arm, policies=[RetryPolicy[Any, Any](), token], transport=transport
        )
        self._arm = arm
        self.subscription = f"/subscriptions/{subscription or _subscription()}"

    def get(self, path: str, api_version: str, query: Mapping[str, str] | None = None) -> Json:
        """Return what is at a path; a list with all its pages. As of `Reader.get`."""
        parameters = {"api-version": api_version, **(query or {})}
        answer = self._send(HttpRequest("GET", f"{self._arm}{path}", params=parameters))
        page = answer
        while link := page.get("nextLink"):
            page = self._send(HttpRequest("GET", link))
            answer["value"] += page["value"]
        return answer

    def post(self, path: str, api_version: str, body: Json) -> Json:
        """Ask a question that has a body. As of `Reader.post`."""
        url = f"{self._arm}{path}"
        return self._send(HttpRequest("POST", url, params={"api-version": api_version}, json=body))

    def _send(self, request: HttpRequest) -> Json:
        try:
            answer = self._client.send_request(request)
        except AzureError as error:
            raise Refusal(0, str(error).splitlines()[0]) from None
        return _content(answer)


def _content(answer: HttpResponse) -> Json:
    try:
        found: object = answer.json()
    except ValueError:
        found = {}
    # Most lists are objects with a value; those of images are bare.
    content = cast(Json, found if isinstance(found, dict) else {"value": found})
    if answer.status_code >= 400:
        error: Json = content.get("error") or {}
        raise Refusal(answer.status_code, str(error.get("message") or answer.reason))
    return content


def _metadata(transport: Any) -> Json:
    host = os.environ.get("ARM_METADATA_HOSTNAME") or _HOSTS[os.environ.get("ARM_ENVIRONMENT") or "public"]
    client: PipelineClient[Any, HttpResponse] = PipelineClient(
        f"https://{host}", policies=[RetryPolicy[Any, Any](retry_total=2)], transport=transport
    )
    try:
        url = f"https://{host}/metadata/endpoints"
        return _content(client.send_request(HttpRequest("GET", url, params={"api-version": "2022-09-01"})))
    except AzureError as error:
        raise OperationError(f"Azure is not reached at {host}: {str(error).splitlines()[0]}") from None


def _credential(login: str, transport: Any) -> TokenCredential:
    """Return who asks: as of the provider, a service principal that ARM_* names, else what a login is found for.

    That is GitHub's or Kubernetes' token in a file, a machine's own identity, or the Azure CLI.
    """
    env = os.environ
    if secret := env.get("ARM_CLIENT_SECRET"):
        return ClientSecretCredential(
            env["ARM_TENANT_ID"], env["ARM_CLIENT_ID"], secret, authority=login, transport=transport,
            disable_instance_discovery=True,
        )  # fmt: skip
    return DefaultAzureCredential(authority=urllib.parse.urlsplit(login).netloc)


def _subscription() -> str:
    for name in ("ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID"):
        if found := os.environ.get(name):
            return found
    command = ["az", "account", "show", "--query", "id", "--output", "tsv"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        raise OperationError(
            "no subscription: set ARM_SUBSCRIPTION_ID, or choose one: az login && az account set --subscription …"
        ) from None
