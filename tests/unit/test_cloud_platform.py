"""The lab cloud's smaller parts: paths, state, certificates, tokens, names, metadata, what a guest is told."""

import asyncio
import json
import ssl
import struct
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from lab.cloud import certificates, client, dns
from lab.cloud.errors import ArmError
from lab.cloud.guest import GuestInterface, seed
from lab.cloud.imds import MetadataService, compute
from lab.cloud.inventory import MACHINE
from lab.cloud.model import Resource
from lab.cloud.resource_id import parse
from lab.cloud.state import Operation, Store, write_private
from lab.cloud.tokens import InvalidToken, Principal, Tokens
from lab.paths import LabPaths
from tests.support import cloud_bench
from tests.support.cloud_bench import GROUP, NETWORK, Bench

SUBSCRIPTION = "00000000-0000-0000-0000-00000000000b"
ONE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"


def test_paths() -> None:
    found = parse(f"{ONE}/subnets/s")
    assert (found.group, found.type, found.name) == ("rg", "Microsoft.Network/virtualNetworks/subnets", "s")
    assert str(found) == f"{ONE}/subnets/s"
    assert str(found.parent) == ONE
    assert found.parent.child("subnets", "s") == found
    assert parse(f"{ONE}/subnets").is_collection
    assert parse(ONE.replace("resourceGroups", "RESOURCEGROUPS")).key == ONE.lower()
    assert parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/a%28b%29").group == "a(b)"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/elsewhere", "InvalidResourceId"),
        ("/subscriptions/x", "InvalidSubscriptionId"),
        (f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers", "InvalidResourceId"),
        (f"{ONE}//subnets", "InvalidResourceId"),
    ],
)
def test_wrong_paths(path: str, code: str) -> None:
    with pytest.raises(ArmError) as refused:
        parse(path)
    assert refused.value.code == code


def test_state_is_whole_private_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "state.json"
    store = Store(path)
    resource = Resource(f"{ONE}", "T", "v", "rg", "westeurope", {"properties": {"a": [1]}}, {"customData": "c2VjcmV0"})
    store.put(resource)
    store.add_operation(Operation("1", "write", ONE))
    store.facts["x"] = 1
    store.save()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]
    again = Store(path)
    assert again.get(ONE.upper()) == resource
    assert [operation.id for operation in again.unfinished()] == ["1"]
    assert again.facts == {"x": 1}
    path.write_text('{"version": 99}')
    with pytest.raises(ValueError, match="not a state file"):
        Store(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_private(path, "old")

    def fail(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_private(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_certificates_hold_against_openssl(tmp_path: Path) -> None:
    certificates.ensure(tmp_path)
    first = (tmp_path / "ca.pem").read_text()
    certificates.ensure(tmp_path)
    assert (tmp_path / "ca.pem").read_text() == first
    for name in ("ca.key", "server.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    server, trusting = certificates.context(tmp_path), ssl.create_default_context(cafile=tmp_path / "ca.pem")
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    for name in (*certificates.NAMES, "198.18.0.1"):
        _handshake(server, trusting, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, trusting, "example.com")


def _handshake(server: ssl.SSLContext, trusting: ssl.SSLContext, name: str) -> None:
    """Shake hands in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        trusting.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens.of_lab(tmp_path / "token.key")
    assert (tmp_path / "token.key").stat().st_mode & 0o777 == 0o600
    token = tokens.issue(Principal("object", "client"))
    assert Tokens.of_lab(tmp_path / "token.key").check(token) == Principal("object", "client")
    head, claims, signature = token.split(".")
    for wrong in (
        "",
        "x",
        f"{head}.{claims}",
        f"{head}.{claims}x.{signature}",
        f"{head}.{claims}.{signature[:-4]}AAAA",
    ):
        with pytest.raises(InvalidToken):
            tokens.check(wrong)
    monkeypatch.setattr("lab.cloud.tokens.time.time", lambda: 1e9)
    with pytest.raises(InvalidToken, match="expiry"):
        tokens.check(tokens.issue(Principal("object", "client")))


# --- names


def query(name: str, kind: int) -> bytes:
    """Return a query as a resolver sends it."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return struct.pack("!HHHHHH", 0xABCD, 0x0100, 1, 0, 0, 0) + question + struct.pack("!HH", kind, 1)


def ask(name: str, kind: int = 1) -> tuple[int, bytes]:
    """Ask; return the answer's code and its record's data."""
    names = {"management.azure.com": IPv4Address("198.18.0.1"), "vm1": IPv4Address("10.0.1.11")}
    reply = dns.answer(
        query(name, kind),
        lambda wanted: names.get(wanted.lower()),
        lambda address: "vm1.internal.cloudapp.net" if address == names["vm1"] else None,
    )
    assert reply is not None
    identity, flags, questions, answers, _, _ = struct.unpack_from("!HHHHHH", reply)
    assert (identity, flags & 0x8180, questions) == (0xABCD, 0x8180, 1)
    record = reply[len(query(name, kind)) :]
    return flags & 0xF, record[12:] if answers else b""


def test_name_server() -> None:
    assert ask("management.azure.com") == (0, bytes([198, 18, 0, 1]))
    assert ask("MANAGEMENT.azure.com") == (0, bytes([198, 18, 0, 1]))
    assert ask("vm1") == (0, bytes([10, 0, 1, 11]))
    assert ask("vm1", 28) == (0, b"")  # AAAA: the name is known, and has none
    assert ask("example.org") == (3, b"")
    code, data = ask("11.1.0.10.in-addr.arpa", 12)
    assert (code, data) == (0, b"\3vm1\10internal\10cloudapp\3net\0")
    assert ask("12.1.0.10.in-addr.arpa", 12) == (3, b"")


async def test_the_name_of_a_public_address(bench: Bench) -> None:
    """It leads there while the address has it."""
    await bench.furnish()
    address = f"{NETWORK}/publicIPAddresses/named"
    body = cloud_bench.changed(cloud_bench.public_address(), "properties/dnsSettings/domainNameLabel", "shop")
    await bench.put(address, body)
    forward, _ = dns.lookup_in(bench.site.inventory)
    anybody = IPv4Address("10.0.1.11")
    found = await bench.get(address)
    assert found["properties"]["dnsSettings"]["fqdn"] == "shop.westeurope.cloudapp.azure.com"
    assert str(forward("Shop.westeurope.cloudapp.azure.com", anybody)) == found["properties"]["ipAddress"]
    await bench.put(address, body)
    await bench.put(address, cloud_bench.public_address())
    assert forward("shop.westeurope.cloudapp.azure.com", anybody) is None


async def test_a_name_in_a_private_zone(bench: Bench) -> None:
    """It is known in the networks that its zone is linked to, where it hides what the world has of that name."""
    await bench.furnish()
    zones, inside = f"{NETWORK}/privateDnsZones", IPv4Address("10.0.1.11")
    forward, _ = dns.lookup_in(bench.site.inventory)
    for name, address in (("corp.internal", "10.0.1.10"), ("db.corp.internal", "10.0.1.20")):
        await bench.put(f"{zones}/{name}", cloud_bench.private_zone())
        await bench.put(f"{zones}/{name}/A/db", cloud_bench.dns_record(address))
    assert forward("db.corp.internal", inside) is None, "no network is linked yet"
    await bench.put(f"{zones}/corp.internal/virtualNetworkLinks/link", cloud_bench.zone_link())
    assert str(forward("DB.Corp.internal", inside)) == "10.0.1.10"
    assert forward("db.corp.internal", IPv4Address("10.9.0.1")) is None, "it is asked from elsewhere"
    assert forward("www.corp.internal", inside) is None
    assert forward("db.db.corp.internal", inside) is None
    await bench.put(f"{zones}/db.corp.internal/virtualNetworkLinks/link", cloud_bench.zone_link())
    assert str(forward("db.db.corp.internal", inside)) == "10.0.1.20", "the zone of the longest name answers"
    assert forward("db.corp.internal", inside) is None
    await bench.put(f"{zones}/db.corp.internal/A/@", cloud_bench.dns_record("10.0.1.30"))
    assert str(forward("db.corp.internal", inside)) == "10.0.1.30"
    shown = await bench.get(f"{zones}/db.corp.internal")
    assert shown["properties"]["numberOfVirtualNetworkLinks"] == 1
    assert shown["properties"]["numberOfRecordSets"] == 3
    assert (await bench.get(f"{zones}/db.corp.internal/A/@"))["properties"]["fqdn"] == "db.corp.internal."


async def test_a_network_goes_with_the_links_to_it(bench: Bench) -> None:
    await bench.put(cloud_bench.GROUP, {"location": "westeurope"})
    bare = {**cloud_bench.network(), "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
    await bench.put(f"{NETWORK}/virtualNetworks/vnet", bare)
    zone = f"{NETWORK}/privateDnsZones/shop.internal"
    await bench.put(zone, cloud_bench.private_zone())
    await bench.put(f"{zone}/virtualNetworkLinks/link", cloud_bench.zone_link())
    assert await bench.refused("DELETE", zone) == "409 CannotDeleteResource"
    assert (await bench.ask("DELETE", f"{NETWORK}/virtualNetworks/vnet"))[0] == 200
    assert (await bench.get(f"{zone}/virtualNetworkLinks"))["value"] == []
    await bench.put(f"{zone}/A/db", cloud_bench.dns_record("10.0.1.10"))
    assert (await bench.ask("DELETE", zone))[0] == 200
    assert (await bench.ask("GET", f"{zone}/A/db"))[0] == 404, "its records go with it"


@pytest.mark.parametrize("packet", [b"", b"x" * 11, query("a", 1)[:-3], b"\xab\xcd\x01\0\0\1\0\0\0\0\0\0\xff"])
def test_name_server_and_nonsense(packet: bytes) -> None:
    reply = dns.answer(packet, lambda name: None, lambda address: None)
    assert reply is None or len(reply) == 12


# --- what a guest is told


def test_seed() -> None:
    own, prefix, gateway = IPv4Address("10.0.1.11"), IPv4Network("10.0.1.0/24"), IPv4Address("10.0.1.1")
    made = seed(
        vm_id="id",
        host_name="node1",
        admin="azureuser",
        ssh_keys=("ssh-ed25519 A",),
        ca_certificate="",
        custom_data=b"#cloud-config\n{}\n",
        interface=GuestInterface("00:0d:3a:00:00:01", own, prefix, gateway),
    )
    assert json.loads(made.meta_data) == {
        "instance-id": "id",
        "local-hostname": "node1",
        "public-keys": ["ssh-ed25519 A"],
    }
    network = json.loads(made.network_config)
    assert network["ethernets"]["vec0"]["routes"] == [{"to": "0.0.0.0/0", "via": "10.0.1.1"}]
    assert network["ethernets"]["vec0"]["addresses"] == ["10.0.1.11/24"]
    parts = json.loads(made.vendor_data.removeprefix("#cloud-config-archive\n"))
    assert [part["type"] for part in parts] == ["text/cloud-config"]
    user = json.loads(parts[0]["content"].removeprefix("#cloud-config\n"))["user"]
    assert (user["name"], user["lock_passwd"]) == ("azureuser", True)


async def test_metadata(bench: Bench) -> None:
    await bench.furnish()
    machine = next(iter(bench.site.inventory.of_type(MACHINE)))
    told = compute(machine)
    assert (told["name"], told["resourceGroupName"]) == ("vm1", machine.group)
    service = MetadataService(bench.site, bench.tokens, bench.events, bench.faults)
    async with TestClient(TestServer(service.application())) as web:
        for path, headers, status in (
            ("/metadata/instance?api-version=2021-02-01", {}, 400),
            ("/metadata/instance", {"Metadata": "true"}, 400),
            # 127.0.0.1 is no machine's address.
            ("/metadata/instance?api-version=2021-02-01", {"Metadata": "true"}, 404),
            ("/metadata/identity/oauth2/token?api-version=2018-02-01&resource=x", {"Metadata": "true"}, 404),
        ):
            async with web.get(path, headers=headers) as response:
                assert response.status == status, path
    seeded = bench.machines.running["vm1"].seed
    assert "customData" not in seeded.meta_data


def test_the_client_says_that_no_cloud_is_there() -> None:
    paths = LabPaths("nolab")
    assert not client.is_running(paths)
    with pytest.raises(client.CloudError, match="does not answer"):
        client.status(paths)


async def test_the_log_has_lines_and_no_secrets(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="cloud")
    await bench.furnish()
    await bench.ask("GET", GROUP, query="&secret=hidden")
    await asyncio.sleep(0)
    requests = [record.getMessage() for record in caplog.records if record.name == "cloud.requests"]
    assert any("PUT" in line and "virtualMachines/vm1" in line and " 201 " in line for line in requests)
    for secret in ("Bearer", "hidden", "I2Nsb3Vk", "ssh-ed25519"):
        assert secret not in caplog.text
