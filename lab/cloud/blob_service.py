"""What answers at ACCOUNT.blob.core.windows.net: checks what Azurite does not, and hands the rest to it.

Checked here: that no key or signature is used, the token's signature, what the caller's roles allow, and that nothing
is changed in a container with an immutability policy. Which right an operation needs is Microsoft's list
(learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory, "Permissions for blob service
operations"). Old versions, soft deletion and lifecycle rules there are none.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

from lab.cloud.authorization import Access
from lab.cloud.blob_store import BlobStore
from lab.cloud.errors import ArmError
from lab.cloud.faults import Cut
from lab.cloud.inventory import BLOB_CONTAINER, STORAGE_ACCOUNT, Inventory
from lab.cloud.middleware import log_requests
from lab.cloud.model import Resource
from lab.cloud.resources.blob_container import policy_of
from lab.cloud.tokens import STORAGE, InvalidToken, Principal, Tokens

HOST_SUFFIX = ".blob.core.windows.net"

_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
_BLOBS = f"{_CONTAINERS}/blobs"

# Requests that write a blob: to a new one somebody may who may only add.
_WHOLE = ("", "block", "blocklist", "appendblock", "page")
_CHANGES = ("metadata", "properties", "tier", "lease", "snapshot", "tags", "expiry")

# Of one connection, not of what is sent on it; and who has been told that he may.
_HOP_BY_HOP = ("authorization", "connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect", "host")


class BlobError(Exception):
    """A refusal, as the blob service answers it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


_MISMATCH = "This request is not authorized to perform this operation using this permission."


@dataclass(frozen=True)
class _Need:
    """What a request needs.

    Args:
        operations: any of these.
        on_data: whether they are a role's data actions.
        writes: whether a blob is made, changed or deleted.
    """

    operations: tuple[str, ...]
    on_data: bool = True
    writes: bool = False


def _need(request: web.Request, container: str, blob: str) -> _Need:
    method, part, kind = request.method, request.query.get("comp", ""), request.query.get("restype", "")
    match method, kind, part:
        case (("GET" | "HEAD"), "", "list") if not container:
            return _Need((f"{_CONTAINERS}/read",), on_data=False)
        case (("GET" | "HEAD"), "container", "" | "metadata") if container and not blob:
            return _Need((f"{_CONTAINERS}/read",), on_data=False)
        case "GET", "container", "list" if container and not blob:
            return _Need((f"{_BLOBS}/read",))
        case (("GET" | "HEAD"), "", "" | "metadata" | "blocklist") if blob:
            return _Need((f"{_BLOBS}/read",))
        case "PUT", "", _ if blob and "x-ms-copy-source" in request.headers:
            raise _not_in_lab("copies no blobs")
        case "PUT", "", _ if blob and part in _WHOLE:
            return _Need((f"{_BLOBS}/write", f"{_BLOBS}/add/action"), writes=True)
        case "PUT", "", _ if blob and part in _CHANGES:
            return _Need((f"{_BLOBS}/write",), writes=True)
        case "DELETE", "", "" if blob:
            return _Need((f"{_BLOBS}/delete",), writes=True)
        case "PUT", "container", "" if container and not blob:
            return _Need((f"{_CONTAINERS}/write",), on_data=False)
        case "DELETE", "container", "" if container and not blob:
            return _Need((f"{_CONTAINERS}/delete",), on_data=False)
        case _:
            raise _not_in_lab(f"does not know {method} with restype={kind} and comp={part}")


def _not_in_lab(what: str) -> BlobError:
    return BlobError(400, "LabNotSupported", f"The lab's blob service {what}.")


class BlobService:
    def __init__(self, inventory: Inventory, store: BlobStore, tokens: Tokens, cut: Cut) -> None:
        self._inventory = inventory
        self._store = store
        self._tokens = tokens
        self._cut = cut
        self._writing: dict[str, tuple[asyncio.Lock, int]] = {}

    def application(self) -> web.Application:
        application = web.Application(middlewares=[log_requests, self._cut.middleware, self._answer_errors])
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    @web.middleware
    async def _answer_errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except BlobError as error:
            text = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
            headers = {"x-ms-error-code": error.code}
            if error.status == 401:
                headers["WWW-Authenticate"] = "Bearer authorization_uri=https://login.microsoftonline.com/common"
            return web.Response(
                status=error.status,
                headers=headers,
                text=f'<?xml version="1.0" encoding="utf-8"?>{text}',
                content_type="application/xml",
            )

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        account = self._account(request.host)
        principal = self._authenticate(request, account)
        raw = request.rel_url.raw_path.lstrip("/")
        container, _, blob = (unquote(part) for part in raw.partition("/"))
        need = _need(request, container, blob)
        there = self._inventory.get(f"{account.id}/blobServices/default/containers/{container}", BLOB_CONTAINER)
        scope = there.id if there else account.id
        slot = int(account.hidden["slot"])
        if not need.writes:
            self._check(principal, need, scope, need.operations)
            if not need.on_data and request.method in ("PUT", "DELETE"):
                raise _not_in_lab("makes and deletes no containers; Resource Manager does")
            return await self._forward(request, slot)
        async with self._alone(f"{account.key}/{container}/{blob}"):
            # Before its existence is told to anybody.
            self._check(principal, need, scope, need.operations)
            found = await self._store.properties(slot, raw)
            if found is not None:
                self._check(principal, need, scope, need.operations[:1])
                self._check_immutability(there, found["x-ms-creation-time"], deletes=request.method == "DELETE")
            answer = await self._forward(request, slot)
            if there is not None and answer.status == 201 and not there.hidden.get("has_blobs"):
                there.hidden["has_blobs"] = True
                self._inventory.store.save()
            return answer

    def _account(self, host: str) -> Resource:
        name = host.partition(":")[0].lower().removesuffix(HOST_SUFFIX)
        for account in self._inventory.of_type(STORAGE_ACCOUNT):
            if account.name == name:
                return account
        raise BlobError(400, "InvalidUri", f"There is no storage account {name}.")

    def _authenticate(self, request: web.Request, account: Resource) -> Principal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if "sig" in request.query or scheme.lower().startswith("sharedkey"):
            if account.properties.get("allowSharedKeyAccess") is False:
                raise BlobError(
                    403,
                    "KeyBasedAuthenticationNotPermitted",
                    "Key based authentication is not permitted on this storage account.",
                )
            raise _not_in_lab("takes no keys and no signatures of them")
        if scheme.lower() != "bearer" or not token:
            raise BlobError(
                401,
                "NoAuthenticationInformation",
                "Server failed to authenticate the request. Please refer to the information in the www-authenticate "
                "header.",
            )
        own = f"https://{account.name}{HOST_SUFFIX}"
        try:
            return self._tokens.check(token.strip(), (STORAGE.rstrip("/"), own))
        except InvalidToken as error:
            raise BlobError(401, "InvalidAuthenticationInfo", str(error)) from None

    def _check(self, principal: Principal, need: _Need, scope: str, operations: tuple[str, ...]) -> None:
        access = Access(self._inventory)
        allows = access.allows_data if need.on_data else access.allows
        if not any(allows(principal, operation, scope) for operation in operations):
            raise BlobError(403, "AuthorizationPermissionMismatch", _MISMATCH)

    def _check_immutability(self, container: Resource | None, created: str, *, deletes: bool) -> None:
        """Refuse to change a blob for ever, and to delete one that is not old enough."""
        policy = policy_of(self._inventory, container) if container else None
        if policy is None:
            return
        days = int(policy.properties["immutabilityPeriodSinceCreationInDays"])
        is_over = datetime.now(UTC) >= parsedate_to_datetime(created) + timedelta(days=days)
        if not (deletes and is_over):
            raise BlobError(
                409,
                "BlobImmutableDueToPolicy",
                "This operation is not permitted as the blob is immutable due to a policy.",
            )

    @contextlib.asynccontextmanager
    async def _alone(self, blob: str) -> AsyncGenerator[None]:
        """Let nobody else write a blob meanwhile: two that make it at once would both find none."""
        lock, users = self._writing.get(blob, (asyncio.Lock(), 0))
        self._writing[blob] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._writing[blob]
            if users == 1:
                del self._writing[blob]
            else:
                self._writing[blob] = lock, users - 1

    async def _forward(self, request: web.Request, slot: int) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        body = request.content if request.can_read_body else None
        try:
            async with self._store.send(
                request.method, slot, request.rel_url.raw_path_qs.lstrip("/"), headers=headers, body=body
            ) as found:
                answer = web.StreamResponse(status=found.status, reason=found.reason)
                for name, value in found.headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        answer.headers[name] = value
                await answer.prepare(request)
                async for piece in found.content.iter_chunked(1 << 16):
                    await answer.write(piece)
                await answer.write_eof()
                return answer
        except ArmError as error:
            raise BlobError(503, "ServerBusy", error.message) from None
