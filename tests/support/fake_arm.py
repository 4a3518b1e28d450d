"""An ARM for the stand-in's own tests: keeps what it is sent, and answers in each of ARM's ways. It checks nothing.

The lab cloud is the one that behaves as Azure; this one is there so that the stand-in can be tested without it, and
with answers that the lab cloud never gives.
"""

import copy
import json
import threading
import time
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from lab.cloud import certificates

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TENANT = "22222222-2222-2222-2222-222222222222"
CLIENT = "33333333-3333-3333-3333-333333333333"
OBJECT = "44444444-4444-4444-4444-444444444444"
SECRET = "not-for-logs"  # a password that guards nothing
_TOKEN = "token"

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: str
    body: Json


@dataclass(frozen=True)
class Canned:
    """An answer to give instead of the right one."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class FakeArm:
    """The server's state, which tests may look at and change.

    Attributes:
        resources: every resource by its path in lower case.
        style: how a PUT or DELETE ends: "at-once", "operation" (Azure-AsyncOperation), "location", "state".
        work_seconds: how long the last three take.
        canned: next answers by method and last part of the path, in order.
        failing: error by last part of the path, which the work on it ends with.
        most_at_once: how many operations were under way at the same time at most.
    """

    def __init__(self, host: str, certificate: Path) -> None:
        self.host = host
        self.certificate = certificate
        self.resources: dict[str, Json] = {}
        self.calls: list[Call] = []
        self.tokens = 0
        self.style = "at-once"
        self.work_seconds = 0.05
        self.canned: dict[tuple[str, str], list[Canned]] = {}
        self.failing: dict[str, Json] = {}
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.operations: dict[str, tuple[float, Json | None]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What the plug-in needs in its environment to use this server."""
        return {
            "ARM_METADATA_HOSTNAME": self.host,
            "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
            "ARM_TENANT_ID": TENANT,
            "ARM_CLIENT_ID": CLIENT,
            "ARM_CLIENT_SECRET": SECRET,
            "SSL_CERT_FILE": str(self.certificate),
        }

    def made(self, method: str = "PUT") -> list[str]:
        """Return the last parts of the paths that a method was used on, in order."""
        return [call.path.rsplit("/", 1)[-1] for call in self.calls if call.method == method]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go together: one after the other, each answer would wait 40 ms for the client's acknowledgement.
    wbufsize = -1

    @property
    def arm(self) -> FakeArm:
        return cast(_Server, self.server).arm

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _send(self, status: int, body: Json | None = None, headers: Mapping[str, str] | None = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _receive(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_POST(self) -> None:
        form = self._receive().decode()
        if not urlsplit(self.path).path.endswith("/oauth2/v2.0/token"):
            self._send(404, {})
        elif f"client_secret={SECRET}" not in form:
            self._send(401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."})
        else:
            self.arm.tokens += 1
            self._send(200, {"token_type": "Bearer", "access_token": _TOKEN, "expires_in": 3600})

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/metadata/endpoints":
            base = f"https://{self.arm.host}"
            authentication = {"loginEndpoint": base, "audiences": [base]}
            self._send(200, {"resourceManager": base, "authentication": authentication})
        elif path.endswith("/.well-known/openid-configuration"):
            base = f"https://{self.arm.host}/{TENANT}"
            endpoints = {f"{name}_endpoint": f"{base}/oauth2/v2.0/{name}" for name in ("authorization", "token")}
            self._send(200, {"issuer": f"{base}/v2.0", **endpoints})
        elif path.startswith("/operations/"):
            self._operation(path.rsplit("/", 1)[-1])
        elif self._ordinary(path, {}):
            found = self.arm.resources.get(path.lower())
            if found is None:
                self._send(404, {"error": {"code": "ResourceNotFound", "message": f"{path} was not found."}})
            else:
                self._send(200, self._settled(found))

    def _settled(self, resource: Json) -> Json:
        shown = copy.deepcopy(resource)
        until = shown.pop("-until", 0.0)
        failure = shown.pop("-failure", None)
        if "properties" in shown:
            state = "Updating" if time.monotonic() < until else "Failed" if failure else "Succeeded"
            shown["properties"]["provisioningState"] = state
        return shown

    def _operation(self, name: str) -> None:
        until, failure = self.arm.operations[name]
        by_location = name.startswith("l")
        if time.monotonic() < until:
            self._send(202 if by_location else 200, {} if by_location else {"status": "InProgress"})
        elif failure is not None:
            self._send(*((409, {"error": failure}) if by_location else (200, {"status": "Failed", "error": failure})))
        else:
            self._send(*((204, None) if by_location else (200, {"status": "Succeeded"})))

    def _ordinary(self, path: str, body: Json) -> bool:
        """Note the request; send a canned answer if there is one."""
        arm = self.arm
        if self.headers.get("Authorization") != f"Bearer {_TOKEN}":
            self._send(401, {"error": {"code": "AuthenticationFailed", "message": "no token"}})
            return False
        with arm.lock:
            arm.calls.append(Call(self.command, path, urlsplit(self.path).query, body))
            waiting = arm.canned.get((self.command, path.rsplit("/", 1)[-1]))
            answer = waiting.pop(0) if waiting else None
        if answer is not None:
            self._send(answer.status, answer.body, answer.headers)
        return answer is None

    def do_PUT(self) -> None:
        path = urlsplit(self.path).path
        body = cast(Json, json.loads(self._receive() or b"{}"))
        if not self._ordinary(path, body):
            return
        arm = self.arm
        with arm.lock:
            old = arm.resources.get(path.lower(), {})
            resource = _completed(path, body, old)
            arm.resources[path.lower()] = resource
        self._begin(path, 200 if old else 201, resource)

    def do_DELETE(self) -> None:
        path = urlsplit(self.path).path
        if not self._ordinary(path, {}):
            return
        with self.arm.lock:
            found = self.arm.resources.pop(path.lower(), None)
            if path.lower().count("/") == 4:  # a resource group takes along what is in it
                inside = [key for key in self.arm.resources if key.startswith(path.lower() + "/")]
                for key in inside:
                    del self.arm.resources[key]
        if found is None:
            self._send(404, {"error": {"code": "ResourceNotFound", "message": "gone"}})
        else:
            self._begin(path, 200, None)

    def _begin(self, path: str, status: int, resource: Json | None) -> None:
        arm, base = self.arm, f"https://{self.arm.host}"
        failure = arm.failing.get(path.rsplit("/", 1)[-1])
        until = time.monotonic() + arm.work_seconds
        name = ("l" if arm.style == "location" else "o") + uuid.uuid4().hex
        with arm.lock:
            arm.operations[name] = (until, failure)
            running = sum(end > time.monotonic() for end, _ in arm.operations.values())
            arm.most_at_once = max(arm.most_at_once, running)
        if arm.style == "operation":
            headers = {"Azure-AsyncOperation": f"{base}/operations/{name}?api-version=1"}
            self._send(202 if resource is None else status, resource or {}, headers)
        elif arm.style == "location":
            self._send(202, {}, {"Location": f"{base}/operations/{name}?api-version=1"})
        elif arm.style == "state" and resource is not None:
            resource["-until"] = until
            resource["-failure"] = failure
            self._send(status, self._settled(resource))
        elif failure is not None:
            self._send(400, {"error": failure})
        else:
            self._send(status, None if resource is None else self._settled(resource))


def _completed(path: str, body: Json, old: Json) -> Json:
    """Return a body with what ARM adds: only what the tests look at."""
    parts = path.split("/")
    resource = copy.deepcopy(body)
    kind = "/".join(parts[6:8]) if len(parts) > 8 else "Microsoft.Resources/resourceGroups"
    resource |= {"id": path, "name": parts[-1], "type": kind, "etag": f'W/"{uuid.uuid4()}"'}
    properties = cast(Json, resource.setdefault("properties", {}))
    properties["provisioningState"] = "Succeeded"
    before = cast(Json, old.get("properties") or {})
    if kind.endswith("/virtualMachines"):
        properties["vmId"] = before.get("vmId") or str(uuid.uuid4())
        for hidden in ("customData", "adminPassword"):
            cast(Json, properties.get("osProfile") or {}).pop(hidden, None)
        if "identity" in resource:
            resource["identity"] |= {"principalId": OBJECT, "tenantId": TENANT}
    if kind.endswith("/publicIPAddresses"):
        properties.setdefault("ipAddress", "203.0.113.10")
    if kind.startswith("Microsoft.Network/"):
        properties.setdefault("resourceGuid", before.get("resourceGuid") or str(uuid.uuid4()))
        for key, value in list(properties.items()):
            for item in cast("list[Json]", value) if isinstance(value, list) else []:
                if "name" in item:
                    item["id"] = f"{path}/{key}/{item['name']}"
                    cast(Json, item.setdefault("properties", {}))["provisioningState"] = "Succeeded"
    return resource


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    arm: FakeArm


@contextmanager
def running(directory: Path) -> Generator[FakeArm]:
    """Run a server on a free port of the loopback while the context lasts."""
    certificates.ensure(directory)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.socket = certificates.context(directory).wrap_socket(server.socket, server_side=True)
    server.arm = FakeArm(f"localhost:{server.server_address[1]}", directory / "ca.pem")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.arm
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
