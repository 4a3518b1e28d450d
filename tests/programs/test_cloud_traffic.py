"""Who may pass, what the resources mean for traffic, and how a connection is passed on."""

import asyncio
import contextlib
import socket
import struct
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from lab.cloud import nsg, plan, synfilter
from lab.cloud.balancer import Balancer, hashed
from lab.cloud.flow import Flow
from lab.cloud.inventory import Inventory
from lab.cloud.plan import Backend, Listener, Probe
from lab.cloud.probes import Prober
from lab.cloud.state import Store
from tests.support import cloud_bench
from tests.support.cloud_bench import NETWORK, Bench, changed, rule, security_group

SPACE = (IPv4Network("10.0.0.0/16"),)
WORLD, NODE, PLATFORM = "198.51.100.10", "10.0.1.11", "168.63.129.16"


def allowed(rules: list[dict[str, Any]], source: str, port: int) -> bool:
    """Tell whether a group with these rules lets a client reach a node."""
    packet = nsg.Packet(IPv4Network(source), IPv4Network(NODE), port)
    return nsg.decide(nsg.rules_of({"securityRules": rules}), packet, SPACE).allow


def test_default_rules() -> None:
    assert not allowed([], WORLD, 22)
    assert allowed([], "10.0.1.12", 22)
    assert allowed([], PLATFORM, 61500)


@pytest.mark.parametrize(
    ("properties", "source", "port", "expected"),
    [
        ({}, WORLD, 22, True),
        ({}, WORLD, 23, False),
        ({"destinationPortRange": "20-25"}, WORLD, 23, True),
        ({"destinationPortRange": None, "destinationPortRanges": ["80", "3306"]}, WORLD, 3306, True),
        ({"destinationPortRange": "*"}, WORLD, 65535, True),
        ({"sourceAddressPrefix": "198.51.100.0/24"}, WORLD, 22, True),
        ({"sourceAddressPrefix": WORLD}, WORLD, 22, True),
        ({"sourceAddressPrefix": "198.51.101.0/24"}, WORLD, 22, False),
        ({"sourceAddressPrefix": None, "sourceAddressPrefixes": ["192.0.2.0/24", f"{WORLD}/32"]}, WORLD, 22, True),
        ({"sourceAddressPrefix": "Internet"}, WORLD, 22, True),
        ({"sourceAddressPrefix": "Internet", "access": "Deny"}, "10.0.1.12", 22, True),
        ({"sourceAddressPrefix": "VirtualNetwork", "access": "Deny"}, "10.0.1.12", 22, False),
        ({"sourceAddressPrefix": "AzureLoadBalancer", "access": "Deny"}, PLATFORM, 22, False),
        ({"sourceAddressPrefix": "AzureLoadBalancer"}, WORLD, 22, False),
        ({"destinationAddressPrefix": "10.0.1.0/24"}, WORLD, 22, True),
        ({"destinationAddressPrefix": "10.0.2.0/24"}, WORLD, 22, False),
        ({"destinationAddressPrefix": "VirtualNetwork"}, WORLD, 22, True),
        ({"protocol": "Udp"}, WORLD, 22, False),
        ({"protocol": "*"}, WORLD, 22, True),
        ({"direction": "Outbound"}, WORLD, 22, False),
        ({"sourcePortRange": "1024-65535"}, WORLD, 22, False),
    ],
)
def test_rules(properties: dict[str, Any], source: str, port: int, expected: bool) -> None:
    assert allowed([rule(**properties)], source, port) is expected


def test_the_lowest_priority_decides() -> None:
    deny = rule("deny", 200, access="Deny", destinationPortRange="*")
    assert allowed([deny, rule("allow", 150)], WORLD, 22)
    assert not allowed([deny, rule("allow", 250)], WORLD, 22)


# --- what the resources mean


async def test_listeners(bench: Bench) -> None:
    await bench.furnish()
    inventory = bench.site.inventory
    found = plan.listeners(inventory)
    assert [(str(one.address), one.port) for one in found] == [("203.0.113.1", port) for port in (22, 23, 3306)]
    mysql = found[2]
    assert [(b.machine, str(b.address), b.port) for b in mysql.backends] == [
        ("vm1", "10.0.1.11", 3306),
        ("vm2", "10.0.1.12", 3306),
    ]
    assert mysql.idle_seconds == 1800
    assert mysql.reset
    assert mysql.backends[0].probe is not None
    assert (mysql.backends[0].probe.interval, mysql.backends[0].probe.threshold) == (5, 2)
    assert [b.machine for b in found[0].backends] == ["vm1"]
    # An address of a machine's own is listened on where its groups name ports.
    nic = f"{NETWORK}/networkInterfaces/nic1"
    await bench.put(f"{NETWORK}/publicIPAddresses/own", cloud_bench.public_address())
    own = {"id": f"{NETWORK}/publicIPAddresses/own"}
    await bench.put(
        nic, changed(cloud_bench.interface(), "properties/ipConfigurations/0/properties/publicIPAddress", own)
    )
    more = security_group(rule(), rule("more", 110, destinationPortRange="8080-8081"))
    await bench.put(f"{NETWORK}/networkSecurityGroups/nsg", more)
    ports = [one.port for one in plan.listeners(inventory) if str(one.address) == "203.0.113.3"]
    assert ports == [22, 3306, 8080, 8081]


async def test_who_is_seen_as_whom(bench: Bench) -> None:
    await bench.furnish()
    inventory = bench.site.inventory
    mysql = plan.listeners(inventory)[2]
    nat = IPv4Address("203.0.113.2")
    assert plan.translated(inventory, mysql, IPv4Address(WORLD)) == IPv4Address(WORLD)
    assert plan.translated(inventory, mysql, IPv4Address(NODE)) == nat
    # Without the gateway there is no way out: the rule says disableOutboundSnat.
    subnet = f"{NETWORK}/virtualNetworks/vnet/subnets/snet"
    await bench.put(subnet, {"properties": {"addressPrefix": "10.0.1.0/24", "defaultOutboundAccess": False}})
    assert plan.translated(inventory, mysql, IPv4Address(NODE)) is None


async def test_verdicts_agree_with_the_rules_for_every_client(bench: Bench) -> None:
    await bench.furnish()
    inventory = bench.site.inventory
    rules = [
        rule("ssh", 100, destinationPortRange="22"),
        rule("few", 110, sourceAddressPrefix="198.51.100.0/24", destinationPortRange="3306"),
        rule("not", 105, sourceAddressPrefix="198.51.100.128/25", destinationPortRange="3306", access="Deny"),
        rule("own", 120, sourceAddressPrefix="203.0.113.2/32", destinationPortRange="3306"),
    ]
    await bench.put(f"{NETWORK}/networkSecurityGroups/nsg", security_group(*rules))
    for listener in plan.listeners(inventory):
        usable = list(listener.backends)
        program = synfilter.assemble(*plan.verdicts(inventory, listener, usable))
        for text in (
            WORLD,
            "198.51.100.127",
            "198.51.100.128",
            "192.0.2.1",
            NODE,
            "10.0.1.99",
            "203.0.113.2",
            PLATFORM,
        ):
            source = IPv4Address(text)
            seen = plan.translated(inventory, listener, source)
            direct = seen is not None and any(
                plan.admits(inventory, listener, backend, IPv4Network(seen)) for backend in usable
            )
            assert synfilter.run(program, source) is direct, (listener.name, text)
    nobody = synfilter.assemble(*plan.verdicts(inventory, plan.listeners(inventory)[0], []))
    assert not synfilter.run(nobody, IPv4Address(WORLD))


async def test_without_a_group_only_the_network_comes_in(bench: Bench) -> None:
    """A Standard address is closed until a group opens it."""
    await bench.furnish()
    inventory = bench.site.inventory
    await bench.put(f"{NETWORK}/virtualNetworks/vnet/subnets/snet", {"properties": {"addressPrefix": "10.0.1.0/24"}})
    mysql = plan.listeners(inventory)[2]
    probe = mysql.backends[0].probe
    assert not plan.admits(inventory, mysql, mysql.backends[0], IPv4Network(WORLD))
    assert probe is not None
    assert plan.probe_admitted(inventory, probe)


async def test_an_internal_balancer_does_not_lead_a_machine_to_itself(bench: Bench) -> None:
    await bench.furnish()
    inventory = bench.site.inventory
    lb = f"{NETWORK}/loadBalancers/lbi"
    await bench.put(lb, cloud_bench.internal_balancer())
    for number in (1, 2):
        await bench.put(
            f"{NETWORK}/networkInterfaces/nic{number}",
            changed(
                cloud_bench.interface(number),
                "properties/ipConfigurations/0/properties/loadBalancerBackendAddressPools",
                [
                    {"id": f"{NETWORK}/loadBalancers/lb/backendAddressPools/pool"},
                    {"id": f"{lb}/backendAddressPools/pool"},
                ],
            ),
        )
    assert list(bench.fabric.bridges.values()) == [["10.0.1.1/24", "10.0.1.20/32"]]
    (internal,) = [one for one in plan.listeners(inventory) if not one.public]
    first, second = internal.backends

    def reaches(source: str, usable: list[Backend]) -> bool:
        return synfilter.run(synfilter.assemble(*plan.verdicts(inventory, internal, usable)), IPv4Address(source))

    assert not reaches(str(first.address), [first])
    assert reaches(str(first.address), [second])
    assert reaches("10.0.1.77", [first])
    assert not reaches(WORLD, [first])


# --- the filter on a real socket


def test_a_filter_drops_and_lets_in_again() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    address = listener.getsockname()
    synfilter.attach(listener, synfilter.assemble([(IPv4Network("127.0.0.2/32"), True)], otherwise=False))
    with pytest.raises(TimeoutError):
        socket.create_connection(address, timeout=0.3)
    socket.create_connection(address, timeout=3, source_address=("127.0.0.2", 0)).close()
    synfilter.attach(listener, synfilter.assemble([(IPv4Network("127.0.0.2/32"), False)], otherwise=True))
    socket.create_connection(address, timeout=3).close()
    with pytest.raises(TimeoutError):
        socket.create_connection(address, timeout=0.3, source_address=("127.0.0.2", 0))
    synfilter.detach(listener)
    socket.create_connection(address, timeout=3, source_address=("127.0.0.2", 0)).close()
    listener.close()


async def test_a_client_that_was_dropped_comes_in_when_the_filter_changes() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    synfilter.attach(listener, synfilter.assemble([], otherwise=False))
    connecting = asyncio.create_task(asyncio.open_connection(*listener.getsockname()))
    await asyncio.sleep(0.2)
    assert not connecting.done()
    synfilter.attach(listener, synfilter.assemble([], otherwise=True))
    _, writer = await asyncio.wait_for(connecting, 5)  # its SYN is sent again after a second
    writer.close()
    listener.close()


# --- a flow


class Backstage:
    """A flow between two sockets of ours: `client` is the client's end, `server` the machine's."""

    async def __aenter__(self) -> "Backstage":
        loop = asyncio.get_running_loop()
        door, backend = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.3", 0))
        self.client = socket.create_connection(door.getsockname())
        accepted, _ = door.accept()
        accepted.setblocking(False)
        self.flow = Flow("127.0.0.2", backend.getsockname())
        self.task = asyncio.create_task(self.flow.run(accepted))
        backend.setblocking(False)
        self.server, self.seen = await loop.sock_accept(backend)
        for sock in (self.client, self.server):
            sock.setblocking(False)
        door.close()
        backend.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.close()
        self.server.close()
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def read(self, sock: socket.socket, count: int = 1) -> bytes:
        loop, data = asyncio.get_running_loop(), b""
        while len(data) < count and (part := await asyncio.wait_for(loop.sock_recv(sock, 65536), 5)):
            data += part
        return data


async def test_a_flow_keeps_the_source_and_passes_the_machine_s_first_word() -> None:
    async with Backstage() as stage:
        assert stage.seen[0] == "127.0.0.2"
        stage.server.send(b"hello")
        assert await stage.read(stage.client) == b"hello"
        stage.client.send(b"thanks")
        assert await stage.read(stage.server) == b"thanks"


async def test_half_closed_flows_go_on_and_end() -> None:
    async with Backstage() as stage:
        stage.client.send(b"question")
        stage.client.shutdown(socket.SHUT_WR)
        assert await stage.read(stage.server, 8) == b"question"
        assert await stage.read(stage.server) == b""
        stage.server.send(b"late answer")
        assert await stage.read(stage.client, 11) == b"late answer"
        stage.server.close()
        assert await stage.read(stage.client) == b""
        await asyncio.wait_for(stage.task, 5)


@pytest.mark.parametrize("who", ["client", "server"])
async def test_a_reset_is_passed_on_as_one(who: str) -> None:
    async with Backstage() as stage:
        ends = {"client": stage.client, "server": stage.server}
        one, other = ends.pop(who), *ends.values()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
        with pytest.raises(ConnectionResetError):
            await stage.read(other)
        await asyncio.wait_for(stage.task, 5)


async def test_a_slow_reader_holds_the_writer_back() -> None:
    async with Backstage() as stage:
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while sent < 64 * 1024**2:
                    await asyncio.get_running_loop().sock_sendall(stage.client, b"x" * 65536)
                    sent += 65536
        assert sent < 64 * 1024**2
        got = 0
        while got < sent:
            got += len(await stage.read(stage.server))


async def test_rest_is_counted_by_packets_and_ended_by_a_reset() -> None:
    async with Backstage() as stage:
        await asyncio.sleep(0.1)
        stage.flow.rest(5)
        assert stage.flow.rest(5) == 5
        assert stage.flow.rest(5) == 10
        # A keep-alive is a packet, and no data.
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
            stage.client.setsockopt(socket.IPPROTO_TCP, option, value)
        stage.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.sleep(1.3)
        assert stage.flow.rest(5) == 0
        stage.flow.expire(reset=True)
        with pytest.raises(ConnectionResetError):
            await stage.read(stage.client)
        with pytest.raises(ConnectionResetError):
            await stage.read(stage.server)


async def test_a_machine_that_refuses_resets_its_client() -> None:
    closed = socket.create_server(("127.0.0.3", 0))
    address = closed.getsockname()
    closed.close()
    one, other = socket.socketpair()
    await Flow("127.0.0.2", address).run(one)
    with contextlib.suppress(ConnectionResetError):
        assert other.recv(1) == b""
    other.close()


# --- probes and the balancer


async def test_a_prober_changes_its_mind_after_so_many_in_a_row() -> None:
    changes: list[bool] = []
    probe = Probe("nic", IPv4Address("127.0.0.3"), 1, 3600, 2)
    prober = Prober(probe, lambda _: True, lambda: changes.append(prober.healthy), source="127.0.0.1")
    prober.close()
    for success in (True, False, True, True, False, True, False, False, True, True):
        prober.judge(success)
    assert changes == [True, False, True]


async def test_a_probe_connects_unless_a_group_forbids_it() -> None:
    server = socket.create_server(("127.0.0.3", 0))
    probe = Probe("nic", IPv4Address("127.0.0.3"), server.getsockname()[1], 3600, 1)
    up = asyncio.Event()
    prober = Prober(probe, lambda _: True, up.set, source="127.0.0.1")
    await asyncio.wait_for(up.wait(), 5)
    assert prober.healthy
    prober.close()
    forbidden = Prober(probe, lambda _: False, up.set, source="127.0.0.1")
    await asyncio.sleep(0.1)
    assert not forbidden.healthy
    forbidden.close()
    server.close()


def backend(name: str, port: int) -> Backend:
    """Return a backend on the loopback."""
    return Backend(name, f"nic-{name}", IPv4Address("127.0.0.3"), port, None)


def listener(port: int, *backends: Backend) -> Listener:
    """Return a listener on the loopback."""
    return Listener(IPv4Address("127.0.0.1"), port, "lb/rule", backends, 240, True, True, True)


async def test_the_balancer_serves_and_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listeners come and go with the plan; machines that are off are not led to; flows of a removed one are reset."""
    server = socket.create_server(("127.0.0.3", 0))
    server.setblocking(False)
    chooser = socket.create_server(("127.0.0.1", 0))
    port = chooser.getsockname()[1]
    chooser.close()
    specs = [listener(port, backend("vm1", server.getsockname()[1]))]
    running = {"vm1"}
    monkeypatch.setattr(plan, "listeners", lambda inventory: list(specs))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(plan, "admits", lambda *arguments: True)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    balancer = Balancer(Inventory(Store(None)), lambda name: name in running)
    await balancer.rewire()
    assert balancer.frontend(port) == ("127.0.0.1", port)
    assert balancer.status()[0]["backends"] == [{"vm": "vm1", "address": "127.0.0.3", "healthy": True}]
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 5)
    accepted, _ = await loop.sock_accept(server)
    await loop.sock_sendall(accepted, b"up")
    assert await reader.readexactly(2) == b"up"
    running.clear()
    balancer.refilter()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 0.3)
    await loop.sock_sendall(accepted, b"on")  # the flow that stands goes on
    assert await reader.readexactly(2) == b"on"
    specs[0] = listener(port)
    await balancer.rewire()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 5)
    specs.clear()
    await balancer.rewire()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    accepted.close()
    server.close()
    await balancer.close()


def test_flows_are_spread_and_stay() -> None:
    spec = listener(3306, backend("a", 1), backend("b", 1))
    counts = [0, 0]
    for port in range(1024, 3024):
        chosen = hashed(("198.51.100.10", port), spec, 2)
        assert chosen == hashed(("198.51.100.10", port), spec, 2)
        counts[chosen] += 1
    assert min(counts) > 800
