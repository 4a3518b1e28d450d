"""The command provider that the lab uses, real or stand-in: what the program has to cope with is there with either.

It needs the tool chain, and no machine.
"""

import queue
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from lab import toolchain
from operations.stack_secrets import make_ssh_key

pytestmark = [pytest.mark.timeout(600)]

LOCAL, REMOTE = "command:local:Command", "command:remote:Command"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for what is not known yet; of Pulumi's sdk/go/common/resource/plugin/rpc.go."""


class Engine(engine_pb2_grpc.EngineServicer):
    """Of the engine, what a provider tells."""

    def __init__(self) -> None:
        self.said: queue.Queue[Any] = queue.Queue()

    def Log(self, request: Any, context: Any) -> empty_pb2.Empty:
        self.said.put(request)
        return empty_pb2.Empty()


@dataclass
class Provider:
    """A provider that runs."""

    rpc: Any
    engine: Engine = field(default_factory=Engine)

    def create(self, kind: str, **inputs: Any) -> Any:
        """Begin to make a resource."""
        urn = f"urn:pulumi:lab::test::{kind}::one"
        request = provider_pb2.CreateRequest(urn=urn, name="one", type=kind, properties=properties(inputs))
        return self.rpc.Create.future(request)


def properties(inputs: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(inputs, struct_pb2.Struct())


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    plugin = toolchain.ensure(print).command_plugin
    engine = Engine()
    server = grpc.server(futures.ThreadPoolExecutor())
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with subprocess.Popen([plugin, f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        channel = grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}")
        rpc: Any = provider_pb2_grpc.ResourceProviderStub(channel)
        rpc.Configure(provider_pb2.ConfigureRequest(acceptSecrets=True))
        try:
            yield Provider(rpc, engine)
        finally:
            process.kill()
            channel.close()
    server.stop(None)


@pytest.mark.long
def test_a_line_of_64_kib_hangs_it(provider: Provider) -> None:
    short = provider.create(LOCAL, create="head -c 60000 /dev/zero | tr '\\0' x; echo; echo next").result(60)
    assert len(json_format.MessageToDict(short.properties)["stdout"]) == 60000 + len("\nnext")
    hung = provider.create(LOCAL, create="head -c 70000 /dev/zero | tr '\\0' x; echo; echo next")
    with pytest.raises(grpc.FutureTimeoutError):
        hung.result(10)
    hung.cancel()


def test_what_a_command_prints_is_a_status_of_its_resource(provider: Provider) -> None:
    provider.create(LOCAL, create="echo hello").result(60)
    said = provider.engine.said.get(timeout=10)
    assert (said.message, said.ephemeral, said.urn.endswith("::one")) == ("hello", True, True)


def test_the_first_ctrl_c_kills_a_local_command(provider: Provider) -> None:
    command = provider.create(LOCAL, create="echo begun; exec sleep 100")
    assert provider.engine.said.get(timeout=10).message == "begun"
    provider.rpc.Cancel(empty_pb2.Empty())
    assert "signal: killed" in str(command.exception(20))


def connection(port: int, **more: Any) -> dict[str, Any]:
    """Return a connection to a port of this machine, by a key of no use."""
    return {"host": "127.0.0.1", "port": port, "user": "nobody", "privateKey": make_ssh_key(), **more}


@pytest.mark.long
def test_a_server_that_says_nothing_is_waited_for_without_end(provider: Provider) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        to = connection(server.getsockname()[1], perDialTimeout=1, dialErrorLimit=0)
        command = provider.create(REMOTE, connection=to, create="true")
        with pytest.raises(grpc.FutureTimeoutError):
            command.result(10)
        command.cancel()


def test_dials_give_their_reason_at_the_end(provider: Provider) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        command = provider.create(REMOTE, connection=connection(held.getsockname()[1], dialErrorLimit=2), create="true")
        error = str(command.exception(30))
    assert "after 2 failed attempts" in error and "connection refused" in error
    said = [provider.engine.said.get(timeout=10) for _ in range(2)]
    assert [each.message for each in said] == [f"Dial {number}/2 failed: retrying" for number in (1, 2)]
    assert all(each.ephemeral for each in said)


def test_an_agent_that_has_gone_is_an_error(provider: Provider) -> None:
    """Here by the connection's own property; SSH_AUTH_SOCK is the same to it."""
    command = provider.create(REMOTE, connection=connection(1, agentSocketPath="/nowhere"), create="true")
    assert "/nowhere" in str(command.exception(30))


def test_a_connection_is_unknown_as_a_whole(provider: Provider) -> None:
    """In the preview of a new stack."""
    inputs = properties({"create": "true", "connection": connection(22, host=UNKNOWN)})
    request = provider_pb2.CheckRequest(
        urn=f"urn:pulumi:lab::test::{REMOTE}::one", type=REMOTE, name="one", news=inputs
    )
    checked = json_format.MessageToDict(provider.rpc.Check(request).inputs)
    assert checked["connection"] == UNKNOWN


def test_it_outlives_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lab/engine.py then ends."""
    plugin = toolchain.ensure(print).command_plugin
    starts = f"{plugin} 127.0.0.1:1 & echo $!; exec sleep 100"
    with subprocess.Popen(["sh", "-c", starts], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
        time.sleep(5)
        subprocess.run(["kill", str(pid)], check=True)
