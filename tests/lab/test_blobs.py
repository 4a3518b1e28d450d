"""Blobs of the lab's storage accounts: what Azurite does, and what is checked before it is asked."""

import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from components.azure import backup
from configs.backup.blobs import CONTAINER, STATE_CONTAINER
from lab import azurite
from lab.cloud import authorization, certificates, roles
from lab.cloud.blob_service import BlobService
from lab.cloud.blob_store import BlobStore
from lab.cloud.inventory import BLOB_CONTAINER
from lab.cloud.login import ENGINE
from lab.cloud.tokens import STORAGE, SUBSCRIPTION, Tokens, identity_of_machine
from tests.support import cloud_bench
from tests.support.cloud_bench import COMPUTE, CONTAINERS, GROUP, Bench

pytestmark = pytest.mark.skipif(
    azurite.installed() is None or shutil.which("setpriv") is None, reason="Azurite is not installed: lab set-up"
)

HOST = "stbackup.blob.core.windows.net"
ROLE = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
BACKUP_ROLE = "3140c31c-c8f6-5133-b97c-34c4947b818d"
WRITE = {"x-ms-blob-type": "BlockBlob"}


class Service:
    """The blob service, and a client of it.

    Args:
        node, other: tokens of two machines.
    """

    def __init__(self, web: TestClient[Request, Application], node: str, other: str) -> None:
        self.node = node
        self.other = other
        self._web = web

    async def ask(
        self, method: str, path: str, token: str | None = None, data: bytes | None = None, **headers: str
    ) -> tuple[int, str, bytes]:
        """Send one request; return status, Azure's code and the body.

        Args:
            token: who asks; by default the node; empty for nobody.
            headers: further ones, with _ for -.
        """
        token = self.node if token is None else token
        sent = {"Host": HOST, "x-ms-version": "2025-05-05"} | ({"Authorization": f"Bearer {token}"} if token else {})
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        is_whole = data is not None and "comp=" not in path
        async with self._web.request(method, path, data=data, headers=sent | (WRITE if is_whole else {})) as got:
            return got.status, got.headers.get("x-ms-error-code", ""), await got.read()

    async def code(self, method: str, path: str, token: str | None = None, **more: Any) -> str:
        status, code, _ = await self.ask(method, path, token, **more)
        return f"{status} {code}".strip()


@asynccontextmanager
async def serving(bench: Bench, folder: Path) -> AsyncGenerator[Service]:
    """Run a storage account, its containers, and a node that has the program's role."""
    await bench.furnish()
    await bench.put(f"{CONTAINERS}/state", {})
    await bench.put(f"{CONTAINERS}/backup/immutabilityPolicies/default", cloud_bench.immutability())
    permissions = [{"actions": list(backup.ACTIONS), "dataActions": list(backup.DATA_ACTIONS)}]
    role = {"roleName": "Backup", "permissions": permissions, "assignableScopes": [GROUP]}
    path = f"{GROUP}/providers/Microsoft.Authorization/roleDefinitions/{BACKUP_ROLE}"
    assert (await bench.ask("PUT", path, {"properties": role}))[0] == 201
    principals = [(await bench.get(f"{COMPUTE}/virtualMachines/vm{n}"))["identity"]["principalId"] for n in (1, 2)]
    for container in (CONTAINER, STATE_CONTAINER):
        await grant(bench, principals[0], BACKUP_ROLE, f"{CONTAINERS}/{container}")
    node, other = (bench.tokens.issue(identity_of_machine(principal), STORAGE) for principal in principals)
    certificates.ensure(folder / "certificates")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store = BlobStore(folder / "blobs", folder / "certificates", bench.tokens, port)
    try:
        for container in (CONTAINER, STATE_CONTAINER):
            await store.make_container(0, container)
        service = BlobService(bench.site.inventory, store, bench.tokens, bench.faults.storage)
        server = TestServer(service.application())
        async with TestClient(server, auto_decompress=False) as web:
            yield Service(web, node, other)
    finally:
        await store.close()


async def grant(bench: Bench, principal: str, role: str, scope: str) -> None:
    """Give somebody a role at a scope."""
    name = f"{len(list(bench.site.store)):08x}-0000-4000-8000-000000000000"
    properties = {"roleDefinitionId": f"{ROLE}/{role}", "principalId": principal}
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
    status, answer, _ = await bench.ask("PUT", path, {"properties": properties})
    assert status == 201, answer


async def test_a_node_adds_and_reads_and_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    async with serving(bench, tmp_path) as service:
        log = "/backup/log/20261129T000000Z/000001_a_b_c.zst"
        content = bytes(range(256)) * 5000
        assert await service.code("PUT", log, data=content) == "201"
        assert await service.ask("GET", log) == (200, "", content)
        assert (await service.ask("GET", log, x_ms_range="bytes=256-511"))[::2] == (206, bytes(range(256)))
        assert (
            log.removeprefix("/backup/").encode()
            in ((await service.ask("GET", "/backup?restype=container&comp=list&prefix=log/"))[2])
        )
        # What is there stays: written over by nobody, deleted by no node.
        assert await service.code("PUT", log, data=b"other") == "409 BlobImmutableDueToPolicy"
        assert (
            await service.code("PUT", f"{log}?comp=blocklist", data=b"<BlockList/>") == "409 BlobImmutableDueToPolicy"
        )
        assert await service.code("PUT", f"{log}?comp=metadata") == "409 BlobImmutableDueToPolicy"
        assert await service.code("DELETE", log) == "403 AuthorizationPermissionMismatch"
        assert await service.code("DELETE", "/backup?restype=container") == "403 AuthorizationPermissionMismatch"
        assert (await service.ask("GET", log))[2] == content
        assert await service.code("PUT", "/backup?restype=container") == "403 AuthorizationPermissionMismatch"
        # The state is written over, and not deleted.
        for text in (b"1", b"2"):
            assert await service.code("PUT", "/state/seen.json", data=text) == "201"
            assert (await service.ask("GET", "/state/seen.json"))[2] == text
        assert await service.code("DELETE", "/state/seen.json") == "403 AuthorizationPermissionMismatch"
        # In blocks, as all that is large.
        base = "/backup/base/a/data.zst"
        for block in ("QQ==", "Qg=="):
            assert await service.code("PUT", f"{base}?comp=block&blockid={block}", data=content) == "201"
        assert await service.code("GET", base) == "404 BlobNotFound"
        blocks = b"<BlockList><Latest>QQ==</Latest><Latest>Qg==</Latest></BlockList>"
        assert await service.code("PUT", f"{base}?comp=blocklist", data=blocks) == "201"
        assert (await service.ask("GET", base))[2] == content * 2


async def test_who_has_no_role_gets_nothing(bench: Bench, tmp_path: Path) -> None:
    async with serving(bench, tmp_path) as service:
        assert await service.code("PUT", "/state/a", data=b"1") == "201"
        for method, path, data in (
            ("GET", "/state/a", None),
            ("HEAD", "/state/a", None),
            ("PUT", "/state/b", b"2"),
            ("GET", "/state?restype=container&comp=list", None),
            ("GET", "/?comp=list", None),
        ):
            assert await service.code(method, path, service.other, data=data) == "403 AuthorizationPermissionMismatch"
        # An owner of the subscription may do all with the account, and nothing with what is in it.
        owner = bench.tokens.issue(ENGINE, STORAGE)
        assert await service.code("GET", "/?comp=list", owner) == "200"
        assert await service.code("GET", "/state/a", owner) == "403 AuthorizationPermissionMismatch"
        authorization.set_up(bench.site.store)
        assert await service.code("GET", "/state/a", owner) == "200"
        assert await service.code("PUT", "/state/a", owner, data=b"3") == "403 AuthorizationPermissionMismatch"
        # A role at one container is none at another.
        other = (await bench.get(f"{COMPUTE}/virtualMachines/vm2"))["identity"]["principalId"]
        await grant(bench, other, roles.BLOB_READER, f"{CONTAINERS}/state")
        assert await service.code("GET", "/state/a", service.other) == "200"
        assert await service.code("GET", "/backup?restype=container&comp=list", service.other) == (
            "403 AuthorizationPermissionMismatch"
        )


async def test_who_is_nobody(bench: Bench, tmp_path: Path) -> None:
    async with serving(bench, tmp_path) as service:
        tokens = bench.tokens
        assert await service.code("GET", "/state/a", "") == "401 NoAuthenticationInformation"
        forged = Tokens(b"x" * 32).issue(ENGINE, STORAGE)
        assert await service.code("GET", "/state/a", forged) == "401 InvalidAuthenticationInfo"
        assert await service.code("GET", "/state/a", tokens.issue(ENGINE)) == "401 InvalidAuthenticationInfo"
        for audience in ("https://storage.azure.com", f"https://{HOST}"):
            principal = (await bench.get(f"{COMPUTE}/virtualMachines/vm1"))["identity"]["principalId"]
            token = tokens.issue(identity_of_machine(principal), audience)
            assert await service.code("GET", "/state/a", token) == "404 BlobNotFound", audience
        signed = await service.code("GET", "/state/a?sv=2025-05-05&sig=abc", "")
        assert signed == "403 KeyBasedAuthenticationNotPermitted"
        keyed = await service.code("GET", "/state/a", "", Authorization="SharedKey stbackup:abc")
        assert keyed == "403 KeyBasedAuthenticationNotPermitted"
        assert await service.code("GET", "/state/a", Host="stother.blob.core.windows.net") == "400 InvalidUri"


async def test_what_the_lab_cannot_do_is_refused(bench: Bench, tmp_path: Path) -> None:
    async with serving(bench, tmp_path) as service:
        for method, path in (("POST", "/?comp=batch"), ("PUT", "/state/a?comp=undelete"), ("GET", "/?comp=properties")):
            assert await service.code(method, path) == "400 LabNotSupported"
        assert await service.code("PUT", "/state/a", x_ms_copy_source="https://x/y") == "400 LabNotSupported"


async def test_a_container_with_blobs_and_a_policy_is_not_deleted(bench: Bench, tmp_path: Path) -> None:
    async with serving(bench, tmp_path) as service:
        container = f"{CONTAINERS}/backup"
        policy = f"{container}/immutabilityPolicies/default"
        assert not bench.site.inventory.get(container, BLOB_CONTAINER).hidden  # pyright: ignore[reportOptionalMemberAccess]
        assert await service.code("PUT", "/backup/a", data=b"1") == "201"
        assert await bench.refused("DELETE", container) == "409 LabContainerImmutable"
        # Azure wants to be told which form of it is meant, and the provider does not tell.
        assert await bench.refused("DELETE", policy) == "412 ContainerImmutabilityPolicyFailure"
        etag = (await bench.get(policy))["etag"]
        status, left, _ = await bench.ask("DELETE", policy, headers={"If-Match": etag})
        assert (status, left["properties"]["immutabilityPeriodSinceCreationInDays"]) == (200, 0)


async def test_what_is_written_outlasts_the_emulator(bench: Bench, tmp_path: Path) -> None:
    certificates.ensure(tmp_path / "certificates")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for attempt in range(2):
        store = BlobStore(tmp_path / "blobs", tmp_path / "certificates", bench.tokens, port)
        try:
            await store.make_container(3, "state")
            path = "state/a"
            if attempt == 0:
                headers = {"x-ms-version": "2025-05-05", "Content-Length": "0", **WRITE}
                async with store.send("PUT", 3, path, headers=headers) as answer:
                    assert answer.status == 201, await answer.text()
            assert await store.properties(3, path)
            assert not await store.properties(4, path)
        finally:
            await store.close()
