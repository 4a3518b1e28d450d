"""Azure Resource Manager over HTTPS: endpoints, tokens, requests, long-running operations.

Nothing is asked of anybody before the first request. Errors carry ARM's code and message in one line, and no secret.
"""

import asyncio
import email.utils
import json
import os
import re
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import cast

from .values import Object, Value, is_object

PUBLIC_MANAGEMENT = "https://management.azure.com"
PUBLIC_LOGIN = "https://login.microsoftonline.com"
PUBLIC_GRAPH = "https://graph.microsoft.com"
METADATA_API_VERSION = "2022-09-01"  # the one that the real plug-in understands

# A request that got no answer, or one of these, is sent again: PUT and DELETE of ARM may be repeated at will.
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_ATTEMPTS = 4
_LONGEST_RETRY_SECONDS = 30.0
_SOCKET_SECONDS = 120.0
# Between two looks at a long-running operation where ARM names no time. The real plug-in waits 10 s, which would
# be most of the lab's time.
_FIRST_POLL_SECONDS = 0.2
_LONGEST_POLL_SECONDS = 2.0
_LONGEST_ASKED_POLL_SECONDS = 60.0
_TOKEN_MARGIN_SECONDS = 60.0
_SUCCEEDED = frozenset({"succeeded", "ready"})
_FAILED = frozenset({"failed", "canceled", "cancelled"})


class ArmError(Exception):
    """ARM refused, or could not be asked.

    Args:
        message: one line.
        status: HTTP status; 0 where there was no answer.
        accepted: whether ARM had taken the request on, so that something may be there now.
    """

    def __init__(self, message: str, status: int = 0, accepted: bool = False) -> None:
        super().__init__(" ".join(message.split()))
        self.status = status
        self.accepted = accepted


class StoppedError(ArmError):
    """The engine asked to stop."""


@dataclass(frozen=True)
class Account:
    """Whose subscription, and how to log in: the plug-in's configuration.

    Args:
        subscription_id: GUID of the subscription; may be empty where nothing is asked of ARM.
        tenant_id: GUID of the tenant.
        client_id: GUID of the service principal's application.
        client_secret: its password.
        metadata_host: host, and port where it is not 443, that tells the cloud's endpoints; empty for public Azure.
    """

    subscription_id: str = ""
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    metadata_host: str = ""


@dataclass(frozen=True)
class Response:
    """An answer.

    Args:
        status: HTTP status.
        headers: its headers.
        body: the JSON object in it; empty where there was none.
    """

    status: int
    headers: Message
    body: Object


@dataclass(frozen=True)
class _Cloud:
    management: str
    login: str
    audience: str
    graph: str


def one_line(body: Mapping[str, Value], status: int) -> str:
    """Return ARM's error as the real plug-in prints it: status, code, message, and the details' codes and messages."""
    inner = body.get("error", body)
    error = cast(Object, inner) if is_object(inner) else {}
    code = error.get("code") or "Unknown"
    message = error.get("message") or error.get("Message") or "no message"
    text = f'Code="{code}" Message="{message}"' if not status else f'Status={status} Code="{code}" Message="{message}"'
    details = error.get("details")
    for detail in cast("list[Value]", details) if isinstance(details, list) else []:
        if is_object(detail):
            item = cast(Object, detail)
            text += f' Detail: Code="{item.get("code", "")}" Message="{item.get("message", "")}"'
    return " ".join(text.split())


def _retry_after(headers: Message) -> float | None:
    value = headers.get("Retry-After")
    if not value:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


class Arm:
    """A client of ARM for one account, for many requests at a time.

    Args:
        account: who asks.
        user_agent: how it names itself.
        threads: how many requests may be under way at once.
    """

    def __init__(self, account: Account, user_agent: str, threads: int = 32) -> None:
        self._account = account
        self._user_agent = user_agent
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="arm")
        self._lock = threading.Lock()
        self._opener: urllib.request.OpenerDirector | None = None
        self._cloud: _Cloud | None = None
        self._tokens: dict[str, tuple[str, float]] = {}
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Give up everything that is under way."""
        self._cancelled.set()

    async def get(self, path: str, api_version: str) -> Object:
        """Return a resource.

        Raises:
            ArmError: there is none (status 404), or ARM refused.
        """
        response = await self._request("GET", self._address(path, api_version))
        if response.status != 200:
            raise ArmError(one_line(response.body, response.status), response.status)
        return response.body

    async def put(self, path: str, api_version: str, body: Object, seconds: float) -> Object:
        """Create or change a resource, and wait until ARM is done with it.

        Args:
            path: ARM id of the resource.
            api_version: the api-version to speak.
            body: the whole resource.
            seconds: how long to wait at most.

        Returns:
            The resource as it is then.

        Raises:
            ArmError: ARM refused; `accepted` if only after it had begun.
        """
        deadline = time.monotonic() + seconds
        response = await self._request("PUT", self._address(path, api_version), body)
        if response.status not in (200, 201, 202):
            raise ArmError(one_line(response.body, response.status), response.status)
        try:
            return await self._finish_put(path, api_version, response, deadline)
        except ArmError as error:
            error.accepted = True
            raise

    async def _finish_put(self, path: str, api_version: str, response: Response, deadline: float) -> Object:
        if response.headers.get("Azure-AsyncOperation"):
            await self._await_operation(response, deadline)
            return await self.get(path, api_version)
        if response.status == 202:
            await self._await_location(response, deadline)
            return await self.get(path, api_version)
        body = response.body
        wait = _Wait(self, deadline, f"PUT {path}")
        while not self._settled(body):
            await wait.pause(response.headers)
            body = await self.get(path, api_version)
        return body

    @staticmethod
    def _settled(body: Object) -> bool:
        properties = body.get("properties")
        state = str(cast(Object, properties).get("provisioningState") or "") if is_object(properties) else ""
        if state.lower() in _FAILED:
            raise ArmError(f'Code="{state}" Message="provisioning ended in state {state}"')
        return not state or state.lower() in _SUCCEEDED

    async def delete(self, path: str, api_version: str, seconds: float) -> None:
        """Delete a resource and wait until it is gone; one that is not there is fine.

        Args:
            path: ARM id of the resource.
            api_version: the api-version to speak.
            seconds: how long to wait at most.

        Raises:
            ArmError: ARM refused, or failed on the way.
        """
        deadline = time.monotonic() + seconds
        response = await self._request("DELETE", self._address(path, api_version))
        if response.status == 404:
            return
        if response.status not in (200, 202, 204):
            raise ArmError(one_line(response.body, response.status), response.status)
        if response.headers.get("Azure-AsyncOperation"):
            await self._await_operation(response, deadline)
        elif response.status == 202:
            await self._await_location(response, deadline)

    async def _await_operation(self, response: Response, deadline: float) -> None:
        url = self._absolute(str(response.headers["Azure-AsyncOperation"]))
        wait = _Wait(self, deadline, "the operation")
        while True:
            await wait.pause(response.headers)
            response = await self._request("GET", url)
            if response.status not in (200, 201, 202):
                raise ArmError(one_line(response.body, response.status), response.status)
            state = str(response.body.get("status") or "").lower()
            if state in _SUCCEEDED:
                return
            if state in _FAILED:
                raise ArmError(one_line(response.body, 0) if "error" in response.body else f"operation {state}")

    async def _await_location(self, response: Response, deadline: float) -> None:
        location = response.headers.get("Location")
        wait = _Wait(self, deadline, "the operation")
        while location:
            await wait.pause(response.headers)
            response = await self._request("GET", self._absolute(location))
            if response.status == 404:
                return
            if response.status not in (200, 201, 202, 204):
                raise ArmError(one_line(response.body, response.status), response.status)
            if response.status != 202:
                return
            location = response.headers.get("Location") or location

    async def claims(self) -> Object:
        """Return the claims of a token for Microsoft Graph: who the service principal is.

        Raises:
            ArmError: no token is to be had.
        """
        token = await self._in_thread(lambda: self._token(self._discover().graph))
        parts = token.split(".")
        if len(parts) != 3:
            return {}
        import base64
        import binascii

        try:
            decoded: Value = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (ValueError, binascii.Error):
            return {}
        return cast(Object, decoded) if is_object(decoded) else {}

    def _address(self, path: str, api_version: str) -> str:
        return f"{path}?{urllib.parse.urlencode({'api-version': api_version})}"

    def _absolute(self, url: str) -> str:
        # An absolute address must be ARM's own: a token goes with the request.
        if not url.startswith("/"):
            management = urllib.parse.urlsplit(self._discover().management)
            parts = urllib.parse.urlsplit(url)
            if (parts.scheme, parts.netloc) != (management.scheme, management.netloc):
                raise ArmError(f"ARM refers to another host, {parts.netloc!r}, for the rest of an operation")
            return parts._replace(scheme="", netloc="").geturl()
        return url

    async def _in_thread(self, call: Callable[[], Value]) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def _request(self, method: str, path: str, body: Object | None = None) -> Response:
        return cast(Response, await self._in_thread(lambda: self._send(method, path, body)))

    def _send(self, method: str, path: str, body: Object | None) -> Response:
        data = None if body is None else json.dumps(body).encode()
        renewed = False
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            cloud = self._discover()
            headers = {"Authorization": f"Bearer {self._token(cloud.audience)}", "Accept": "application/json"}
            if data is not None:
                headers["Content-Type"] = "application/json; charset=utf-8"
            response = self._open(method, cloud.management + path, headers, data, "ARM", quiet=not last)
            if response is None:
                self._rest(2.0 ** (attempt - 1))
                continue
            if response.status == 401 and not renewed:
                renewed = True
                with self._lock:
                    self._tokens.clear()
                continue
            if last or not (response.status in _RETRIED or _in_progress(response)):
                return response
            asked = _retry_after(response.headers)
            self._rest(min(2.0 ** (attempt - 1) if asked is None else asked, _LONGEST_RETRY_SECONDS))
        raise ArmError(f"{method} {path}: no answer")

    def _rest(self, seconds: float) -> None:
        if self._cancelled.wait(seconds):
            raise StoppedError("cancelled")

    def _open(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None, who: str, quiet: bool = False
    ) -> Response | None:
        """Send one request; None, where quiet, if there was no answer."""
        if self._cancelled.is_set():
            raise StoppedError("cancelled")
        request = urllib.request.Request(url, data, {"User-Agent": self._user_agent, **headers}, method=method)
        try:
            try:
                answer = self._connection().open(request, timeout=_SOCKET_SECONDS)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                return Response(answer.status or 0, answer.headers, _json(answer.read()))
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            # A certificate that is not trusted will not be so in a second.
            if quiet and not isinstance(reason, ssl.SSLCertVerificationError):
                return None
            host = urllib.parse.urlsplit(url).netloc
            raise ArmError(f"cannot reach {who} at https://{host}: {reason}") from None

    def _connection(self) -> urllib.request.OpenerDirector:
        with self._lock:
            if self._opener is None:
                # OpenSSL reads SSL_CERT_FILE and SSL_CERT_DIR by itself, as Go does for the real plug-in.
                bundle = None if os.environ.get("SSL_CERT_FILE") else os.environ.get("REQUESTS_CA_BUNDLE")
                context = ssl.create_default_context(cafile=bundle or None)
                self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
            return self._opener

    def _discover(self) -> _Cloud:
        with self._lock:
            known = self._cloud
        if known is not None:
            return known
        host = self._account.metadata_host
        if not host:
            cloud = _Cloud(PUBLIC_MANAGEMENT, PUBLIC_LOGIN, PUBLIC_MANAGEMENT, PUBLIC_GRAPH)
        else:
            url = f"https://{host}/metadata/endpoints?api-version={METADATA_API_VERSION}"
            response = self._open_patiently("GET", url, {"Accept": "application/json"}, None, "the metadata host")
            if response.status != 200:
                raise ArmError(f"{url}: {one_line(response.body, response.status)}", response.status)
            cloud = _endpoints(response.body, url)
        with self._lock:
            self._cloud = cloud
        return cloud

    def _open_patiently(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None, who: str
    ) -> Response:
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            response = self._open(method, url, headers, data, who, quiet=not last)
            if response is not None and (last or response.status not in _RETRIED):
                return response
            asked = None if response is None else _retry_after(response.headers)
            self._rest(min(2.0 ** (attempt - 1) if asked is None else asked, _LONGEST_RETRY_SECONDS))
        raise ArmError(f"{method} {url}: no answer")

    def _token(self, audience: str) -> str:
        with self._lock:
            token, expiry = self._tokens.get(audience, ("", 0.0))
        if token and time.monotonic() < expiry:
            return token
        account = self._account
        missing = [
            name
            for name, value in (
                ("ARM_TENANT_ID", account.tenant_id),
                ("ARM_CLIENT_ID", account.client_id),
                ("ARM_CLIENT_SECRET", account.client_secret),
            )
            if not value
        ]
        if missing:
            raise ArmError(f"no credentials for Azure: {', '.join(missing)} not set, nor in the provider's settings")
        form = {
            "grant_type": "client_credentials",
            "client_id": account.client_id,
            "client_secret": account.client_secret,
            "scope": audience.rstrip("/") + "/.default",
        }
        url = f"{self._discover().login}/{urllib.parse.quote(account.tenant_id)}/oauth2/v2.0/token"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        data = urllib.parse.urlencode(form).encode()
        response = self._open_patiently("POST", url, headers, data, "the login endpoint")
        token = response.body.get("access_token")
        if response.status != 200 or not isinstance(token, str):
            told = str(response.body.get("error_description") or response.body.get("error") or "no token")
            told = told.replace(account.client_secret, "[secret]")
            raise ArmError(f"log-in as {account.client_id} failed: Status={response.status} {told}", response.status)
        lifetime = float(response.body.get("expires_in") or 0)
        with self._lock:
            self._tokens[audience] = (token, time.monotonic() + lifetime - _TOKEN_MARGIN_SECONDS)
        return token

    async def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._cancelled.is_set() and (rest := end - time.monotonic()) > 0:
            await asyncio.sleep(min(rest, 0.2))
        if self._cancelled.is_set():
            raise StoppedError("cancelled while ARM was still at work")


class _Wait:
    """The pauses between two looks at something that takes its time."""

    def __init__(self, arm: Arm, deadline: float, what: str) -> None:
        self._pause: Callable[[float], Awaitable[None]] = arm._pause  # pyright: ignore[reportPrivateUsage]
        self._deadline = deadline
        self._what = what
        self._seconds = _FIRST_POLL_SECONDS

    async def pause(self, headers: Message) -> None:
        rest = self._deadline - time.monotonic()
        if rest <= 0:
            raise ArmError(f"{self._what} did not end in time")
        asked = _retry_after(headers)
        seconds = self._seconds if asked is None else min(asked, _LONGEST_ASKED_POLL_SECONDS)
        self._seconds = min(self._seconds * 1.5, _LONGEST_POLL_SECONDS)
        await self._pause(min(seconds, rest))


def _in_progress(response: Response) -> bool:
    error = response.body.get("error")
    return (
        response.status == 409 and is_object(error) and cast(Object, error).get("code") == "AnotherOperationInProgress"
    )


def _json(text: bytes) -> Object:
    try:
        decoded: Value = json.loads(text) if text.strip() else {}
    except ValueError:
        decoded = {"error": {"code": "NoJson", "message": text[:200].decode(errors="replace")}}
    return cast(Object, decoded) if is_object(decoded) else {}


def _endpoints(body: Object, url: str) -> _Cloud:
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
    graph = body.get("microsoftGraphResourceId") or body.get("graphAudience") or PUBLIC_GRAPH
    return _Cloud(management.rstrip("/"), login.rstrip("/"), audience, str(graph))
