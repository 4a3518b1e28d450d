"""Whether `make check` finds a way from here to the machines' SSH."""

import socket
import threading
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from operations.check.questions import ssh
from operations.plan import Plan
from tests.support.cloud_bench import NETWORK, Bench
from tests.support.plans import first
from tests.support.questions import ask, comes_from, wrong

pytestmark = pytest.mark.xdist_group("recorded apart")


@pytest.mark.parametrize(
    ("stack", "source", "verdict", "text"),
    [
        ("prod", "203.0.113.9", "no", "in a network that this update makes, which has no peers yet"),
        ("prod", None, "no", "this machine has no route to 10.34.0.10"),
        ("dev", "93.184.216.34", "no", "this machine's address is 93.184.216.34"),
        ("dev", "10.0.0.9", "no", "is an example network (RFC 5737) and lets nobody in"),
        ("dev", "203.0.113.9", "yes", "203.0.113.9, this machine, is allowed"),
    ],
)
def test_the_way_to_ssh_before_there_is_a_machine(
    stack: str, source: str | None, verdict: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_from(monkeypatch, source)
    answers = [line.answer for line in ask(tmp_path, first(stack)) if line.question == "ssh"]
    assert [(one.verdict, text in one.text) for one in answers] == [(verdict, True)], answers


def test_behind_a_gateway_nobody_knows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comes_from(monkeypatch, "10.0.0.9")
    lines = ask(tmp_path, first("dev", {"adminCidrs": ["93.184.216.0/24"]}))
    assert any(
        line.startswith("ssh: 93.184.216.0/24: this machine's address 10.0.0.9 is") for line in wrong(lines, "unknown")
    )


def test_the_source_towards_an_address() -> None:
    assert ssh.source_towards("127.0.0.1") == IPv4Address("127.0.0.1")


def test_ssh_of_machines_that_are_there_is_tried(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as closed:
        port, dead = server.getsockname()[1], closed.getsockname()[1]
        closed.close()

        def greet() -> None:
            connection, _ = server.accept()
            connection.sendall(b"SSH-2.0-x\r\n")
            connection.close()

        thread = threading.Thread(target=greet)
        thread.start()

        async def arrange(bench: Bench) -> None:
            await bench.furnish()
            address = bench.site.store.get(f"{NETWORK}/publicIPAddresses/pip")
            balancer = bench.site.store.get(f"{NETWORK}/loadBalancers/lb")
            assert address is not None and balancer is not None
            address.properties["ipAddress"] = "127.0.0.1"
            for rule, number in zip(balancer.properties["inboundNatRules"], (port, dead), strict=True):
                rule["properties"]["frontendPort"] = number

        plan = Plan(
            tuple(
                replace(change, id=f"{NETWORK}/loadBalancers/lb") if change.type == "network:LoadBalancer" else change
                for change in first("dev").changes
            )
        )
        answers = [line.answer for line in ask(tmp_path, plan, arrange) if line.question == "ssh"]
        thread.join()
    assert [(one.verdict, one.about) for one in answers] == [("yes", f"127.0.0.1:{port}"), ("no", f"127.0.0.1:{dead}")]
    assert "refused" in answers[1].text and "adminCidrs" in answers[1].text
