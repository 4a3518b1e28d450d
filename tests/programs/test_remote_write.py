"""A Prometheus with the witness's own lines for remote write, at the door of the lab's workspace: by the token's file.

The file is read before each request: what is seen while there is none is written once there is one, and another token
needs no new start. tests/lab/test_monitoring.py has the witness itself.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from lab.cloud import certificates
from lab.cloud.inventory import COLLECTION_ENDPOINT, COLLECTION_RULE
from lab.cloud.metrics_ingestion import MetricsIngestion
from lab.cloud.metrics_receiver import MetricsReceiver
from lab.cloud.tokens import MONITOR, STORAGE
from tests.programs.test_metrics_ingestion import PUBLISHER, WITNESS, WORKSPACE, grant, only
from tests.support import cloud_bench, recording
from tests.support.cloud_bench import Bench

SENDER, RECEIVER = "127.0.0.1:39092", "127.0.0.1:39093"
SETTINGS: dict[str, Any] = {
    "witness": True,
    "monitoring": True,
    "monitorCidrs": ["198.51.100.0/24"],
    "monitorOnWitness": True,
    "monitorWorkspaceId": recording.WORKSPACE,
}


@pytest.fixture
def written() -> dict[str, Any]:
    """What the witness's script says of remote write."""
    made = recording.record("lab", SETTINGS)
    script = next(each.inputs["stdin"] for each in made if each.name == "mysql-lab-witness-prometheus")
    found = re.search(r" \$place/prometheus.yml 0644 <<'FILE'\n(.*?)^FILE$", script, re.DOTALL | re.MULTILINE)
    assert found
    (lines,) = json.loads(found[1])["remote_write"]
    assert lines["authorization"] == {"credentials_file": "/run/azure-mysql-ha-token/token"}
    return lines


async def value(address: str, query: str) -> float:
    """Return the one value of a query; 0 for none, and where nobody answers."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{address}/api/v1/query", params={"query": query}) as answer,
        ):
            found = (await answer.json())["data"]["result"]
    except aiohttp.ClientError:
        return 0
    return float(found[0]["value"][1]) if found else 0


async def until(address: str, query: str) -> None:
    """Wait until a query has a value."""
    for _ in range(120):
        if await value(address, query):
            return
        await asyncio.sleep(0.5)
    raise TimeoutError(query)


async def test_it_writes_by_the_token_of_the_moment(bench: Bench, tmp_path: Path, written: dict[str, Any]) -> None:
    token = tmp_path / "token"
    await bench.put(cloud_bench.GROUP, {"location": cloud_bench.REGION})
    await bench.put(WORKSPACE, {"location": cloud_bench.REGION})
    rule = only(bench, COLLECTION_RULE)
    grant(bench, PUBLISHER, rule.id)
    # No name server here knows the endpoint's own name.
    only(bench, COLLECTION_ENDPOINT).properties["metricsIngestion"]["endpoint"] = "https://localhost"
    certificates.ensure(tmp_path)
    receiver = MetricsReceiver(tmp_path / "metrics", RECEIVER)
    door = MetricsIngestion(bench.site.inventory, receiver, bench.tokens, bench.faults.metrics)
    server = TestServer(door.application(), skip_url_asserts=True)
    await server.start_server(ssl=certificates.context(tmp_path), auto_decompress=False)
    port = server.make_url("/").port
    stream = written["url"].partition("/streams/")[2]
    here = {
        "url": f"https://localhost:{port}/dataCollectionRules/{rule.properties['immutableId']}/streams/{stream}",
        "authorization": {"credentials_file": str(token)},
        "tls_config": {"ca_file": str(tmp_path / "ca.pem")},
    }
    configuration: dict[str, Any] = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "own", "static_configs": [{"targets": [SENDER]}]}],
        "remote_write": [{**written, **here}],
    }
    (tmp_path / "sender.yml").write_text(json.dumps(configuration))
    with (tmp_path / "sender.log").open("wb") as log:
        sender = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "TERM", "--", "prometheus", f"--config.file={tmp_path / 'sender.yml'}"),
            *(f"--storage.tsdb.path={tmp_path / 'sent'}", f"--web.listen-address={SENDER}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        failed, retried = (f"prometheus_remote_storage_samples_{what}_total" for what in ("failed", "retried"))
        await until(SENDER, f"{retried} > 0")
        token.write_text(bench.tokens.issue(WITNESS, MONITOR))
        await until(RECEIVER, "up == 1")
        await until(RECEIVER, f"{retried} > 0")
        assert await value(SENDER, failed) == 0, "what had to wait is not lost"
        behind = (
            "max(prometheus_remote_storage_highest_timestamp_in_seconds)"
            " - min(prometheus_remote_storage_queue_highest_sent_timestamp_seconds)"
        )
        await until(SENDER, f"{behind} < bool 10")
        token.write_text(bench.tokens.issue(WITNESS, STORAGE))
        await until(SENDER, f"rate({failed}[10s]) > 0")
        token.write_text(bench.tokens.issue(WITNESS, MONITOR))
        newest = await value(SENDER, "vector(time())")
        await until(RECEIVER, f"timestamp(up) > {newest}")
    finally:
        sender.terminate()
        await sender.wait()
        await server.close()
        await receiver.close()
