"""The cloud that Pulumi's provider would use, found and logged in to as it does that: for what is read beside it."""

import os
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import RetryPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import ClientSecretCredential, DefaultAzureCredential

_HOSTS = {
    "public": "management.azure.com",
    "usgovernment": "management.usgovcloudapi.net",
    "china": "management.chinacloudapi.cn",
}
"""Resource Manager by ARM_ENVIRONMENT."""

# Azure answers in a second or not at all; its client would wait for a connection for five minutes.
_CONNECTION_SECONDS = 10
_ANSWER_SECONDS = 60


class CloudNotReachedError(Exception):
    """The cloud does not answer; the text says which, and why."""


@dataclass(frozen=True)
class Cloud:
    """A cloud, and who asks it.

    Args:
        arm: address of Resource Manager, without a slash at its end.
        audience: for whom a token for it is.
        storage_suffix: the domain of its storage services, such as "core.windows.net".
        credential: who asks.
        transport: by which all of it is asked.
    """

    arm: str
    audience: str
    storage_suffix: str
    credential: TokenCredential = field(repr=False)
    transport: Any = field(repr=False)


def find() -> Cloud:
    """Ask the cloud that the environment names (ARM_METADATA_HOSTNAME, ARM_ENVIRONMENT) how it is used.

    Raises:
        CloudNotReachedError: it does not answer.
    """
    # As Go does for the provider; requests itself reads REQUESTS_CA_BUNDLE only.
    transport: Any = RequestsTransport(  # pyright: ignore[reportUnknownVariableType] - untyped in azure-core
        connection_verify=os.environ.get("SSL_CERT_FILE") or True,
        connection_timeout=_CONNECTION_SECONDS,
        read_timeout=_ANSWER_SECONDS,
    )
    host = os.environ.get("ARM_METADATA_HOSTNAME") or _HOSTS[os.environ.get("ARM_ENVIRONMENT") or "public"]
    client: PipelineClient[Any, HttpResponse] = PipelineClient(
        f"https://{host}", policies=[RetryPolicy[Any, Any](retry_total=2)], transport=transport
    )
    try:
        url = f"https://{host}/metadata/endpoints"
        answer = client.send_request(HttpRequest("GET", url, params={"api-version": "2022-09-01"}))
        answer.raise_for_status()
        found = answer.json()
    except (AzureError, ValueError) as error:
        raise CloudNotReachedError(f"Azure cannot be reached at {host}: {str(error).splitlines()[0]}") from None
    return Cloud(
        arm=found["resourceManager"].rstrip("/"),
        audience=found["authentication"]["audiences"][0].rstrip("/"),
        storage_suffix=found["suffixes"]["storage"],
        credential=_credential(found["authentication"]["loginEndpoint"].rstrip("/"), transport),
        transport=transport,
    )


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
