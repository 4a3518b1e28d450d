"""Requests to a lab's Azure, with all rights, as a person sends them with `az rest`."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from lab.cloud import client as cloud
from lab.cloud import known_versions, namespace
from lab.lab import Lab, wait_until


def ask(lab: Lab, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Send a request, and wait until what it asks for is done.

    Args:
        path: below the subscription's, such as "/resourceGroups/GROUP".

    Raises:
        TimeoutError: what it has accepted does not come to an end.
    """
    variables = cloud.environment(lab.paths)
    context = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
    base = f"https://{variables['ARM_METADATA_HOSTNAME']}"

    def send(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any, str | None]:
        request = urllib.request.Request(url, method=method, data=body, headers=headers)
        try:
            with (
                namespace.inside(lab.paths.namespace),
                urllib.request.urlopen(request, context=context, timeout=60) as response,
            ):
                operation = response.headers.get("Azure-AsyncOperation")
                return response.status, json.loads(response.read() or "null"), operation
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read() or "null"), None

    login = urllib.parse.urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": variables["ARM_CLIENT_ID"],
            "client_secret": variables["ARM_CLIENT_SECRET"],
            "scope": "https://management.azure.com/.default",
        }
    )
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    _, token, _ = send("POST", f"{base}/{variables['ARM_TENANT_ID']}/oauth2/v2.0/token", login.encode(), form)
    headers = {"Authorization": f"Bearer {token['access_token']}", "Content-Type": "application/json"}
    status, answer, operation = send(
        method,
        f"{base}/subscriptions/{variables['ARM_SUBSCRIPTION_ID']}{path}?api-version={known_versions.of_path(path)}",
        None if body is None else json.dumps(body).encode(),
        headers,
    )
    if operation:
        done = ("Succeeded", "Failed", "Canceled")
        wait_until(
            f"the end of {method} {path}", lambda: send("GET", operation, None, headers)[1]["status"] in done, 300
        )
    return status, answer


def compute(lab: Lab, machine: str) -> str:
    """Return the path below which Azure has a machine and its disks, for `ask`."""
    group = next(one["group"] for one in cloud.status(lab.paths)["machines"] if one["name"] == machine)
    return f"/resourceGroups/{group}/providers/Microsoft.Compute"
