"""The lab's Azure Monitor workspace: who may write to it, and that what is written is there; with a real Prometheus."""

import asyncio
import struct
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from lab.cloud import roles
from lab.cloud.inventory import COLLECTION_ENDPOINT, COLLECTION_RULE, GROUP, ROLE_ASSIGNMENT
from lab.cloud.metrics_ingestion import MetricsIngestion
from lab.cloud.metrics_receiver import MetricsReceiver
from lab.cloud.model import Resource
from lab.cloud.resources.workspace import host_of
from lab.cloud.tokens import MONITOR, STORAGE, SUBSCRIPTION, Tokens, identity_of_machine
from tests.support import cloud_bench
from tests.support.cloud_bench import Bench

WORKSPACE = f"{cloud_bench.GROUP}/providers/Microsoft.Monitor/accounts/metrics"
PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
WITNESS = identity_of_machine(str(uuid.UUID(int=1)))
ADDRESS = "127.0.0.1:39091"
Write = Callable[..., Awaitable[int]]


def of_bytes(number: int, content: bytes) -> bytes:
    """Return a field of Protocol Buffers that is bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def samples(name: str, value: float) -> bytes:
    """Return one sample of now as remote write sends it: a WriteRequest, by Snappy, whose blocks may be literals."""
    milliseconds, varint = int(time.time() * 1000), b""
    while milliseconds > 127:
        varint += bytes([milliseconds & 127 | 128])
        milliseconds >>= 7
    varint += bytes([milliseconds])
    label = of_bytes(1, of_bytes(1, b"__name__") + of_bytes(2, name.encode()))
    plain = of_bytes(1, label + of_bytes(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint))
    assert len(plain) <= 60
    return bytes([len(plain), (len(plain) - 1) << 2]) + plain


def grant(bench: Bench, role: str, scope: str) -> None:
    """Give the witness a role."""
    path = f"{scope}/providers/{ROLE_ASSIGNMENT}/{uuid.uuid4()}"
    properties = {
        "roleDefinitionId": f"/subscriptions/{SUBSCRIPTION}{roles.BUILT_IN[role].id}",
        "principalId": WITNESS.object_id,
        "scope": scope,
    }
    name = path.rpartition("/")[2]
    bench.site.store.put(Resource(path, ROLE_ASSIGNMENT, name, "", "", body={"properties": properties}))


def only(bench: Bench, type_: str) -> Resource:
    (found,) = bench.site.inventory.of_type(type_)
    return found


@asynccontextmanager
async def door(bench: Bench, folder: Path) -> AsyncGenerator[Write]:
    """Make a workspace, and give what writes a sample to it and returns the status of the answer."""
    await bench.put(cloud_bench.GROUP, {"location": cloud_bench.REGION})
    await bench.put(WORKSPACE, {"location": cloud_bench.REGION})
    receiver = MetricsReceiver(folder / "metrics", ADDRESS)
    ingestion = MetricsIngestion(bench.site.inventory, receiver, bench.tokens, bench.faults.metrics)
    server = TestServer(ingestion.application(), skip_url_asserts=True)
    await server.start_server(auto_decompress=False)
    async with TestClient[Request, Application](server) as web:

        async def write(token: str | None, *, host: str = "", rule: str = "", stream: str = "", query: str = "") -> int:
            rule = rule or only(bench, COLLECTION_RULE).properties["immutableId"]
            path = f"/dataCollectionRules/{rule}/streams/{stream or 'Microsoft-PrometheusMetrics'}/api/v1/write"
            headers = {
                "Host": host or host_of(only(bench, COLLECTION_ENDPOINT)),
                "Content-Encoding": "snappy",
                "Content-Type": "application/x-protobuf",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
                **({"Authorization": f"Bearer {token}"} if token else {}),
            }
            url = f"{path}?{query or 'api-version=2023-04-24'}"
            async with web.post(url, data=samples("seen", 42), headers=headers) as answer:
                return answer.status

        yield write
    await receiver.close()


async def test_who_may_not_write(bench: Bench, tmp_path: Path) -> None:
    """Nobody without a token, with that of another audience or cloud, or without the role at the rule."""

    async with door(bench, tmp_path) as write:
        token = bench.tokens.issue(WITNESS, MONITOR)
        assert await write(None) == 401
        assert await write(token) == 403
        rule = only(bench, COLLECTION_RULE)
        grant(bench, READER, rule.id)
        grant(bench, PUBLISHER, WORKSPACE)
        grant(bench, PUBLISHER, only(bench, COLLECTION_ENDPOINT).id)
        assert await write(token) == 403
        grant(bench, PUBLISHER, rule.id)
        assert await write(bench.tokens.issue(WITNESS, STORAGE)) == 403
        assert await write(bench.tokens.issue(WITNESS)) == 403
        assert await write(Tokens(b"x" * 32).issue(WITNESS, MONITOR)) == 403
        assert await write(bench.token) == 403
        assert await write(token, host="other.westeurope-1.metrics.ingest.monitor.azure.com") == 404
        assert await write(token, rule="dcr-0") == 404
        assert await write(token, stream="Custom-Metrics") == 400
        assert await write(token, query="api-version=2020-01-01") == 400


async def test_what_is_written_is_there(bench: Bench, tmp_path: Path) -> None:
    async def found() -> list[Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{ADDRESS}/api/v1/query", params={"query": "seen"}) as answer,
        ):
            return (await answer.json())["data"]["result"]

    async with door(bench, tmp_path) as write:
        grant(bench, PUBLISHER, only(bench, COLLECTION_RULE).id)
        for audience in (MONITOR, MONITOR.rstrip("/")):
            assert await write(bench.tokens.issue(WITNESS, audience)) in (200, 204)
        assert [(one["metric"], one["value"][1]) for one in await found()] == [({"__name__": "seen"}, "42")]


async def test_a_workspace_comes_and_goes_with_its_group(bench: Bench) -> None:
    """By Resource Manager: nobody makes or deletes its rule and endpoint, and there is one workspace."""
    await bench.put(cloud_bench.GROUP, {"location": cloud_bench.REGION})
    made = await bench.put(WORKSPACE, {"location": cloud_bench.REGION})
    assert (await bench.put(WORKSPACE, {"location": cloud_bench.REGION}))["properties"] == made["properties"]
    settings = made["properties"]["defaultIngestionSettings"]
    rule = await bench.get(settings["dataCollectionRuleResourceId"])
    assert rule["properties"]["dataCollectionEndpointId"] == settings["dataCollectionEndpointResourceId"]
    endpoint = await bench.get(settings["dataCollectionEndpointResourceId"])
    assert endpoint["properties"]["metricsIngestion"]["endpoint"].endswith(
        ".westeurope-1.metrics.ingest.monitor.azure.com"
    )
    for path in settings.values():
        assert await bench.refused("DELETE", path) == "409 ResourceInUse"
        assert (await bench.refused("PUT", f"{path}2", {"location": cloud_bench.REGION})).startswith("4")
    assert (await bench.refused("PUT", f"{WORKSPACE}2", {"location": cloud_bench.REGION})).startswith("4")
    assert (await bench.refused("PUT", f"{cloud_bench.GROUP}/providers/Microsoft.Monitor/accounts/x", {})) != ""
    await bench.ask("DELETE", WORKSPACE)
    await asyncio.sleep(0.1)
    for type_ in (COLLECTION_ENDPOINT, COLLECTION_RULE):
        assert not list(bench.site.inventory.of_type(type_))
    assert [group.name for group in bench.site.inventory.of_type(GROUP)] == ["rg"]


@pytest.mark.parametrize("value", [0, 1.5])
def test_the_test_writes_what_prometheus_reads(value: float) -> None:
    """One length is one byte, or all above would be refused for another reason."""
    assert len(samples("seen", value)) < 64
