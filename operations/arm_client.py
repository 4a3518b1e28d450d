"""Azure's Resource Manager, read and told what to do: found and logged in to as Pulumi's provider does it."""

import os
import subprocess
import time
from collections.abc import Mapping
from typing import Any, cast

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse

from components.azure import cloud
from components.azure.cloud import CloudNotReachedError
from operations.arm import Json, Refusal, section
from operations.error import OperationError

# Azure says itself when to ask again; this is for an answer that does not.
_POLL_SECONDS = 5.0


class Azure:
    """The subscription that Pulumi would use.

    Args:
        subscription: its GUID; by default that of the environment, then that of the Azure CLI.

    Raises:
        OperationError: no subscription is named, or Azure is not reached.
    """

    def __init__(self, subscription: str = "") -> None:
        try:
            found = cloud.find()
        except CloudNotReachedError as error:
            raise OperationError(str(error)) from None
        token = BearerTokenCredentialPolicy[Any, Any](found.credential, f"{found.audience}/.default")
        self._client: PipelineClient[Any, HttpResponse] = PipelineClient(
            found.arm, policies=[RetryPolicy[Any, Any](), token], transport=found.transport
        )
        self._arm = found.arm
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

    def act(self, path: str, api_version: str) -> None:
        """Have an action done, such as `…/virtualMachines/NAME/start`, and return when it is.

        Raises:
            Refusal: Azure refuses it, or has failed to do it.
        """
        answer = self._answer(HttpRequest("POST", f"{self._arm}{path}", params={"api-version": api_version}))
        _content(answer)
        while link := answer.headers.get("Azure-AsyncOperation"):
            time.sleep(float(answer.headers.get("Retry-After") or _POLL_SECONDS))
            operation = self._send(HttpRequest("GET", link))
            if operation["status"] in ("Failed", "Canceled"):
                raise Refusal(0, str(section(operation, "error").get("message") or operation["status"]))
            if operation["status"] == "Succeeded":
                return

    def _send(self, request: HttpRequest) -> Json:
        return _content(self._answer(request))

    def _answer(self, request: HttpRequest) -> HttpResponse:
        try:
            return self._client.send_request(request)
        except AzureError as error:
            raise Refusal(0, str(error).splitlines()[0]) from None


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
