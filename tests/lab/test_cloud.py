"""The lab cloud with real guests, driven by Microsoft's own clients: they must not notice that it is none of theirs."""

import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.privatedns import PrivateDnsManagementClient
from azure.mgmt.privatedns.models import (
    ARecord,
    PrivateZone,
    RecordSet,
    RecordSetProperties,
    SubResource,
    VirtualNetworkLink,
    VirtualNetworkLinkProperties,
)

from lab import fabric, preflight
from lab.cloud import client, known_versions, namespace
from lab.cloud.addresses import ARM, OUTSIDE
from lab.paths import LabPaths
from tests.support import cloud_bench
from tests.support.cloud_bench import NETWORK, changed, rule

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

PATHS = LabPaths("tcloud")
BASE = f"https://{ARM}"
GROUP = "rg"
PORT, PROBE = 3306, 61500

# A guest's stand-in for a database: says who asked, then echoes until the client has said all; and the probe's port.
SERVER = """#!/usr/bin/python3
import socketserver, sys
class Say(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(f"{sys.argv[1]} {self.client_address[0]}\\n".encode())
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
Server(("", int(sys.argv[2])), Say).serve_forever()
"""


def inside() -> AbstractContextManager[None]:
    """Let this thread, and the threads that it starts, be in the lab's namespace."""
    return namespace.inside(PATHS.namespace)


@dataclass
class Azure:
    """Microsoft's clients, logged in to the lab cloud."""

    compute: Any
    network: Any
    names: Any
    credential: ClientSecretCredential

    def rest(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask for what those two clients do not have."""
        token = self.credential.get_token("https://management.azure.com/.default").token
        request = urllib.request.Request(
            f"{BASE}{path}?api-version={known_versions.of_path(path)}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cafile=client.ca_file(PATHS))
        try:
            with urllib.request.urlopen(request, context=context) as response:
                return response.status, json.loads(response.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "null")


def connect() -> Azure:
    """Log in."""
    settings = client.environment(PATHS)
    ca = settings["SSL_CERT_FILE"]
    credential = ClientSecretCredential(
        settings["ARM_TENANT_ID"],
        settings["ARM_CLIENT_ID"],
        settings["ARM_CLIENT_SECRET"],
        authority=BASE,
        disable_instance_discovery=True,
        connection_verify=ca,
    )
    options: dict[str, Any] = {
        "base_url": BASE,
        "credential_scopes": ["https://management.azure.com/.default"],
        "connection_verify": ca,
        "retry_total": 0,
    }
    subscription = settings["ARM_SUBSCRIPTION_ID"]
    return Azure(
        ComputeManagementClient(credential, subscription, **options),
        NetworkManagementClient(credential, subscription, **options),
        PrivateDnsManagementClient(credential, subscription, **options),
        credential,
    )


def until(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for something to become true, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s; {PATHS.cloud}/cloud.log"
        time.sleep(0.2)
    return found


def machine_body(number: int) -> dict[str, Any]:
    """Return a machine that lets this test in, and has the stand-in for a database."""
    key, public = (PATHS.state / name for name in ("key", "key.pub"))
    custom = {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": key.read_text(), "ed25519_public": public.read_text()},
        "write_files": [{"path": "/usr/local/bin/say", "permissions": "0755", "content": SERVER}],
        "runcmd": [
            ["systemd-run", "--unit=say", "/usr/local/bin/say", f"vm{number}", str(PORT)],
            ["systemd-run", "--unit=probe", "/usr/local/bin/say", f"vm{number}", str(PROBE)],
        ],
    }
    data = base64.b64encode(f"#cloud-config\n{json.dumps(custom)}\n".encode()).decode()
    body = changed(cloud_bench.machine(number), "properties/osProfile/customData", data)
    keys = "properties/osProfile/linuxConfiguration/ssh/publicKeys/0/keyData"
    return changed({**body, "tags": {"number": str(number)}}, keys, public.read_text())


@pytest.fixture(scope="module")
def cloud() -> Iterator[LabPaths]:
    """Run a lab with a cloud in it, and take both away again."""
    if missing := preflight.check(PATHS):
        pytest.fail("\n".join(missing))
    client.stop(PATHS)
    fabric.remove(PATHS.namespace)
    shutil.rmtree(PATHS.state, ignore_errors=True)
    fabric.create(PATHS.namespace)
    client.start(PATHS, loopback_port=0)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(PATHS.state / "key")], check=True)
    yield PATHS
    PATHS.logs.mkdir(parents=True, exist_ok=True)
    for log in [PATHS.cloud / "cloud.log", *PATHS.machines.glob("*/console.log")]:
        shutil.copy(log, PATHS.logs / f"{log.parent.name}-{log.name}")
    client.stop(PATHS)
    fabric.remove(PATHS.namespace)
    shutil.rmtree(PATHS.state, ignore_errors=True)


@pytest.fixture(scope="module")
def azure(cloud: LabPaths) -> Iterator[Azure]:
    """Make everything: group, network, security group, addresses, balancer, two machines with a data disk each."""
    with inside():
        azure = connect()
        assert azure.rest("PUT", cloud_bench.GROUP, {"location": "West Europe"})[0] == 201
        network, compute = azure.network, azure.compute
        rules = [
            rule("ssh", 100, sourceAddressPrefix=f"{OUTSIDE}/32"),
            rule("mysql", 110, sourceAddressPrefix="198.51.100.0/24", destinationPortRange=str(PORT)),
            rule("probe", 120, sourceAddressPrefix="AzureLoadBalancer", destinationPortRange=str(PROBE)),
            rule("inside", 140, sourceAddressPrefix="10.0.1.0/24", destinationPortRange=str(PORT)),
            rule("nothing-else", 4096, access="Deny", protocol="*", destinationPortRange="*"),
        ]
        security = cloud_bench.security_group(*rules)
        network.network_security_groups.begin_create_or_update(GROUP, "nsg", security).result()
        for name in ("pip", "egress"):
            network.public_ip_addresses.begin_create_or_update(GROUP, name, cloud_bench.public_address()).result()
        network.nat_gateways.begin_create_or_update(GROUP, "nat", cloud_bench.nat_gateway()).result()
        body = cloud_bench.network()
        (subnet,) = body["properties"].pop("subnets")
        network.virtual_networks.begin_create_or_update(GROUP, "vnet", body).result()
        subnet["properties"]["defaultOutboundAccess"] = False
        network.subnets.begin_create_or_update(GROUP, "vnet", "snet", subnet).result()
        network.load_balancers.begin_create_or_update(GROUP, "lb", cloud_bench.balancer()).result()
        compute.availability_sets.create_or_update(GROUP, "set", cloud_bench.availability_set())
        for number in (1, 2):
            interface = cloud_bench.interface(number)
            network.network_interfaces.begin_create_or_update(GROUP, f"nic{number}", interface).result()
            compute.disks.begin_create_or_update(GROUP, f"data{number}", cloud_bench.disk()).result()
        makers = [
            compute.virtual_machines.begin_create_or_update(GROUP, f"vm{number}", machine_body(number))
            for number in (1, 2)
        ]
        for maker in makers:
            assert maker.result().provisioning_state == "Succeeded"
    yield azure


def ssh(number: int, command: str) -> str:
    """Run a shell line in a guest, by its NAT rule."""
    options = ["-F", "none", "-i", str(PATHS.state / "key"), "-p", str(21 + number)]
    for option in ("ConnectTimeout=5", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"):
        options += ["-o", option]
    argv = fabric.run_inside(PATHS.namespace, ["ssh", *options, "azureuser@203.0.113.1", command])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout.strip()


def greeting(host: str = "203.0.113.1", port: int = PORT, source: str = OUTSIDE, seconds: float = 3) -> str:
    """Connect as a client, and return what the server says first: its name and the client's address."""
    with socket.create_connection((host, port), timeout=seconds, source_address=(source, 0)) as connection:
        return connection.makefile().readline().strip()


def healthy() -> set[str]:
    """Return the names of the machines that the balancer finds healthy."""
    (balancer,) = client.status(PATHS)["balancers"]
    return {backend["vm"] for backend in balancer["backends"] if backend["healthy"]}


def power(azure: Azure, name: str) -> str:
    """Return a machine's power state as fence agents read it."""
    with inside():
        machine = azure.compute.virtual_machines.get(GROUP, name, expand="instanceView")
    codes = [status.code for status in machine.instance_view.statuses]
    return next(code for code in codes if code.startswith("PowerState/"))


def test_the_gateway_is_the_same_whatever_comes_and_goes() -> None:
    """Machines remember its hardware address: where that changed, they would reach nobody outside for a while."""
    name = LabPaths("tgate").namespace
    fabric.remove(name)
    fabric.create(name)
    try:
        fabric.add_bridge(name, "br0", "10.9.0.1/24")
        taps = [f"tap{number}" for number in range(4)]
        seen: set[str] = set()

        def look() -> None:
            command = ["ip", "-n", name, "-brief", "link", "show", "br0"]
            seen.add(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2])

        for tap in taps:
            fabric.add_tap(name, tap, "br0")
            look()
        for tap in taps:
            fabric.remove_tap(name, tap)
            look()
        assert len(seen) == 1
    finally:
        fabric.remove(name)


def test_a_guest_has_what_its_resources_say(azure: Azure) -> None:
    """Host name, user, host key, data disk, names, metadata; and it trusts Resource Manager's certificate."""
    assert ssh(1, "hostname; id --user --name; sudo id --user") == "node1\nazureuser\n0"
    assert ssh(1, "sudo blockdev --getsize64 /dev/disk/azure/scsi1/lun0") == str(4 * 1024**3)
    assert ssh(1, "ip -4 -brief address show vec0").split()[2] == "10.0.1.11/24"
    until("end of cloud-init", lambda: "done" in ssh(1, "cloud-init status || true"))
    assert ssh(1, "systemctl list-units --failed --plain --no-legend") == ""
    assert ssh(1, "cd /etc/ssh; ls ssh_host_*") == "ssh_host_ed25519_key\nssh_host_ed25519_key.pub"
    assert ssh(1, "cloud-init schema --system --annotate 2>&1 || sudo cloud-init schema --system").count("Invalid") == 0
    assert ssh(1, "getent ahostsv4 node2 | head -1").split()[0] == "10.0.1.12"
    begin = time.monotonic()
    assert ssh(1, "getent hosts example.org || echo none") == "none"
    assert time.monotonic() - begin < 5
    url = "http://169.254.169.254/metadata/instance?api-version=2021-02-01"
    instance = json.loads(ssh(2, f"curl -s -H Metadata:true '{url}'"))
    assert instance["compute"]["name"] == "vm2"
    assert instance["compute"]["resourceGroupName"] == GROUP
    assert "Required metadata header" in ssh(2, f"curl -s '{url}'")
    trusted = ssh(1, "curl -sS https://management.azure.com/metadata/endpoints?api-version=2022-09-01")
    assert json.loads(trusted)["resourceManager"] == "https://management.azure.com/"
    assert "200" in ssh(
        1, "python3 -c 'import urllib.request as u; print(u.urlopen(\"https://login.microsoftonline.com"
        "/metadata/endpoints?api-version=1\").status)'",
    )  # fmt: skip


def test_a_disk_comes_and_goes_while_its_machine_runs(azure: Azure) -> None:
    """With Azure's name, and those of its partitions."""
    disks, machines = azure.compute.disks, azure.compute.virtual_machines
    with inside():
        more = disks.begin_create_or_update(GROUP, "more", cloud_bench.disk()).result()
        body = machine_body(1)
        plugged = {"lun": 3, "createOption": "Attach", "managedDisk": {"id": more.id}}
        attached = [*body["properties"]["storageProfile"]["dataDisks"], plugged]
        with_more = changed(body, "properties/storageProfile/dataDisks", attached)
        machines.begin_create_or_update(GROUP, "vm1", with_more).result()
    ssh(1, "echo , | sudo sfdisk -q /dev/disk/azure/scsi1/lun3 && sudo udevadm settle")
    device = ssh(1, "readlink -f /dev/disk/azure/scsi1/lun3")
    assert ssh(1, "readlink -f /dev/disk/azure/scsi1/lun3-part1") == f"{device}1"
    with inside():
        machines.begin_create_or_update(GROUP, "vm1", body).result()
        disks.begin_delete(GROUP, "more").result()
    ssh(1, "sudo udevadm settle; test ! -e /dev/disk/azure/scsi1/lun3")


def test_two_ports_can_be_parted(azure: Azure) -> None:
    """Then the machines reach the gateway, and not each other."""

    def reaches(address: str) -> bool:
        return ssh(1, f"sudo ping -c 1 -W 2 {address} >/dev/null && echo yes || echo no") == "yes"

    taps = [*_machine("vm1")["taps"], *_machine("vm2")["taps"]]
    assert reaches("10.0.1.12")
    for tap in taps:
        fabric.isolate(PATHS.namespace, tap)
    assert not reaches("10.0.1.12")
    assert reaches("10.0.1.1")
    for tap in taps:
        fabric.unisolate(PATHS.namespace, tap)
    until("the other machine", lambda: reaches("10.0.1.12"), 30)


def test_clients_see_what_azure_shows(azure: Azure) -> None:
    """What follows from references is shown: who uses what."""
    with inside():
        compute, network = azure.compute, azure.network
        machine = compute.virtual_machines.get(GROUP, "vm1")
        assert machine.os_profile.custom_data is None
        assert machine.identity.principal_id
        assert {m.name for m in compute.virtual_machines.list(GROUP)} == {"vm1", "vm2"}
        disk = compute.disks.get(GROUP, "data1")
        assert disk.managed_by == machine.id
        assert disk.disk_state == "Attached"
        interface = network.network_interfaces.get(GROUP, "nic1")
        assert interface.virtual_machine.id == machine.id
        pool = network.load_balancer_backend_address_pools.get(GROUP, "lb", "pool")
        assert len(pool.backend_ip_configurations) == 2
        assert len(compute.availability_sets.get(GROUP, "set").virtual_machines) == 2
        assert network.public_ip_addresses.get(GROUP, "pip").ip_configuration.id.endswith(
            "frontendIPConfigurations/front"
        )
        assert len(network.subnets.get(GROUP, "vnet", "snet").ip_configurations) == 2
        with pytest.raises(ResourceNotFoundError):
            compute.virtual_machines.get(GROUP, "vm9")


def test_the_balancer_passes_on_and_keeps_the_client(azure: Azure) -> None:
    """Clients keep their address; half-closed connections work; large data too; machines leave by the NAT gateway."""
    until("both healthy", lambda: healthy() == {"vm1", "vm2"}, 120)
    with inside():
        seen = {greeting() for _ in range(30)}
        assert seen == {f"vm1 {OUTSIDE}", f"vm2 {OUTSIDE}"}
        with socket.create_connection(("203.0.113.1", PORT), timeout=20, source_address=(OUTSIDE, 0)) as connection:
            file = connection.makefile("rb")
            file.readline()
            sent = b"x" * 1023 + b"\n"
            writer = ThreadPoolExecutor(1)
            writing = writer.submit(lambda: (connection.sendall(sent * 4096), connection.shutdown(socket.SHUT_WR)))
            assert file.read() == sent * 4096
            writing.result()
            writer.shutdown()
    loopback = client.status(PATHS)["loopback"]
    with socket.create_connection((loopback["host"], loopback["port"]), timeout=5) as connection:
        assert connection.makefile().readline().endswith(f"{OUTSIDE}\n")
    ask = 'import socket; print(socket.create_connection(("203.0.113.1", 3306), 3).makefile().readline())'
    with pytest.raises(AssertionError, match="timed out"):
        ssh(1, f"python3 -c '{ask}'")
    with inside():
        security = azure.network.network_security_groups.get(GROUP, "nsg").as_dict()
        security["properties"]["securityRules"].append(
            rule("egress", 130, sourceAddressPrefix="203.0.113.2/32", destinationPortRange=str(PORT))
        )
        azure.network.network_security_groups.begin_create_or_update(GROUP, "nsg", security).result()
    assert ssh(1, f"python3 -c '{ask}'").endswith(" 203.0.113.2")


def test_what_the_security_group_refuses_is_dropped(azure: Azure) -> None:
    """A client that no rule names waits in vain, as on Azure; it is not refused."""
    subprocess.run(["ip", "-n", PATHS.namespace, "address", "replace", "192.0.2.7/32", "dev", "lo"], check=True)
    with inside():
        with pytest.raises(TimeoutError):
            greeting(source="192.0.2.7", seconds=1.5)
        with pytest.raises(TimeoutError):
            greeting(port=22, source="192.0.2.7", seconds=1.5)


def test_a_probe_that_fails_moves_new_flows_only(azure: Azure) -> None:
    """Flows that stand go on; new ones go to the healthy machine; with none, the client waits until there is one."""
    until("both healthy", lambda: healthy() == {"vm1", "vm2"}, 120)
    with inside():
        connections: dict[str, socket.socket] = {}
        while len(connections) < 2:
            connection = socket.create_connection(("203.0.113.1", PORT), timeout=5, source_address=(OUTSIDE, 0))
            connections[connection.makefile().readline().split()[0]] = connection
        ssh(1, "sudo systemctl kill --signal=STOP probe; sudo systemctl stop probe")
        until("vm1 out", lambda: healthy() == {"vm2"}, 30)
        assert {greeting() for _ in range(10)} == {f"vm2 {OUTSIDE}"}
        connections["vm1"].sendall(b"still here\n")
        assert connections["vm1"].recv(100) == b"still here\n"
        ssh(2, "sudo systemctl stop probe")
        until("none", lambda: healthy() == set(), 30)
        with pytest.raises(TimeoutError):
            greeting(seconds=1.5)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(greeting, seconds=40)
            ssh(2, f"sudo systemd-run --unit=probe2 /usr/local/bin/say vm2 {PROBE}")
            assert waiting.result() == f"vm2 {OUTSIDE}"
        ssh(1, f"sudo systemd-run --unit=probe2 /usr/local/bin/say vm1 {PROBE}")
        for connection in connections.values():
            connection.close()


def test_an_internal_endpoint(azure: Azure) -> None:
    """It answers inside the virtual network (as itself: see `balancer`), and does not lead a machine to itself.

    It has a name in a private DNS zone, made by Microsoft's client, that the network's machines know.
    """
    network = azure.network
    with inside():
        network.load_balancers.begin_create_or_update(GROUP, "lbi", cloud_bench.internal_balancer()).result()
        interface = network.network_interfaces.get(GROUP, "nic1").as_dict()
        pools = interface["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"]
        pools.append({"id": f"{NETWORK}/loadBalancers/lbi/backendAddressPools/pool"})
        network.network_interfaces.begin_create_or_update(GROUP, "nic1", interface).result()
    ask = 'import socket; print(socket.create_connection(("10.0.1.20", 3306), 10).makefile().readline())'
    assert ssh(2, f"python3 -c '{ask}'") == "vm1 10.0.1.20"
    with pytest.raises(AssertionError, match="timed out"):
        ssh(1, f"python3 -c '{ask.replace('10)', '2)')}'")
    names = azure.names
    linked = SubResource(id=f"{NETWORK}/virtualNetworks/vnet")
    properties = VirtualNetworkLinkProperties(registration_enabled=False, virtual_network=linked)
    link = VirtualNetworkLink(location="global", properties=properties)
    with inside():
        names.private_zones.begin_create_or_update(GROUP, "shop.internal", PrivateZone(location="global")).result()
        address = ARecord(ipv4_address="10.0.1.20")
        record = RecordSet(properties=RecordSetProperties(ttl=300, a_records=[address]))
        names.record_sets.create_or_update(GROUP, "shop.internal", "A", "db", record)
    assert ssh(2, "getent ahostsv4 db.shop.internal || echo unknown") == "unknown", "no network is linked to the zone"
    with inside():
        names.virtual_network_links.begin_create_or_update(GROUP, "shop.internal", "link", link).result()
        assert [each.fqdn for each in names.record_sets.list_by_type(GROUP, "shop.internal", "A")] == [
            "db.shop.internal."
        ]
    assert ssh(2, f"python3 -c '{ask.replace('10.0.1.20', 'db.shop.internal')}'") == "vm1 10.0.1.20"
    with inside():
        with pytest.raises(HttpResponseError, match="CannotDeleteResource"):
            names.private_zones.begin_delete(GROUP, "shop.internal").result()
        names.virtual_network_links.begin_delete(GROUP, "shop.internal", "link").result()
        names.private_zones.begin_delete(GROUP, "shop.internal").result()
    assert ssh(2, "getent ahostsv4 db.shop.internal || echo unknown") == "unknown"
    with inside():
        pools.pop()
        network.network_interfaces.begin_create_or_update(GROUP, "nic1", interface).result()
        network.load_balancers.begin_delete(GROUP, "lbi").result()


def test_power(azure: Azure) -> None:
    """Off is off for good before the answer, whoever did it; deallocation is told apart; start brings it back."""
    machines = azure.compute.virtual_machines
    folder = PATHS.machines / "vm2"
    assert power(azure, "vm2") == "PowerState/running"
    ssh(2, "sudo sh -c 'echo kept >/kept; sync'")
    with inside():
        machines.begin_power_off(GROUP, "vm2", skip_shutdown=True).result()
    assert not [p for p in fabric.processes(PATHS.namespace) if str(folder) in _folder_of(p)]
    assert power(azure, "vm2") == "PowerState/stopped"
    with inside():
        machines.begin_start(GROUP, "vm2").result()
    assert power(azure, "vm2") == "PowerState/running"
    until("boot", lambda: _machine("vm2")["boot_seconds"], 120)
    assert ssh(2, "cat /kept") == "kept"
    with suppress(AssertionError):
        ssh(2, "sudo systemctl poweroff")
    until("guest's own power off", lambda: power(azure, "vm2") == "PowerState/stopped", 60)
    with inside():
        machines.begin_deallocate(GROUP, "vm2").result()
        assert power(azure, "vm2") == "PowerState/deallocated"
        machines.begin_start(GROUP, "vm2").result()
    assert power(azure, "vm2") == "PowerState/running"


def _folder_of(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def _machine(name: str) -> client.MachineStatus:
    return next(machine for machine in client.status(PATHS)["machines"] if machine["name"] == name)


def test_refusals(azure: Azure) -> None:
    """A client reads Azure's code where Azure refuses: what is asked for, and a deletion. All codes: test_cloud_arm."""

    def code(call: Callable[[], Any]) -> str:
        with inside(), pytest.raises(HttpResponseError) as refused:
            call().result()
        assert refused.value.error is not None
        return str(refused.value.error.code)

    size = changed(machine_body(1), "properties/hardwareProfile/vmSize", "Standard_Z9")
    machines, interfaces = azure.compute.virtual_machines, azure.network.network_interfaces
    assert code(lambda: machines.begin_create_or_update(GROUP, "vm1", size)) == "InvalidParameter"
    assert code(lambda: interfaces.begin_delete(GROUP, "nic1")) == "NicInUse"


def test_a_killed_cloud_takes_up_where_it_was(azure: Azure) -> None:
    """After kill -9 the machines run on; a new cloud adopts them, and clients reach them as before."""
    until("vm1 healthy", lambda: "vm1" in healthy(), 60)
    before = client.status(PATHS)
    boots = ssh(1, "cat /proc/sys/kernel/random/boot_id")
    os.kill(before["pid"], signal.SIGKILL)
    until("its end", lambda: not client.is_running(PATHS))
    after = client.start(PATHS, loopback_port=0)
    assert after["pid"] != before["pid"]
    assert after["loopback"] == before["loopback"]
    assert [m["power"] for m in after["machines"]] == ["running", "running"]
    assert ssh(1, "cat /proc/sys/kernel/random/boot_id") == boots
    until("vm1 healthy", lambda: "vm1" in healthy(), 30)
    with inside():
        assert greeting().split()[1] == OUTSIDE
        assert azure.compute.disks.get(GROUP, "data1").managed_by


def test_what_ran_runs_again_after_the_host_went_down(azure: Azure) -> None:
    """With the namespace, everything is gone but the files: a new start makes network and machines as they were.

    What is deallocated has shut down in order before: it has what was not on its disk yet.
    """
    ssh(2, "echo written | sudo tee /written >/dev/null")
    with inside():
        azure.compute.virtual_machines.begin_deallocate(GROUP, "vm2").result()
    ssh(1, "sudo sh -c 'echo kept >/kept; sync'")
    fabric.remove(PATHS.namespace)
    assert not client.is_running(PATHS)
    fabric.create(PATHS.namespace)
    client.start(PATHS, loopback_port=0)
    until("boot", lambda: _machine("vm1")["boot_seconds"], 180)
    assert ssh(1, "cat /kept") == "kept"
    assert _machine("vm2")["power"] == "deallocated"
    with inside():
        azure.compute.virtual_machines.begin_start(GROUP, "vm2").result()
    until("boot", lambda: _machine("vm2")["boot_seconds"], 120)
    assert ssh(2, "cat /written") == "written"


def test_secrets_stay_in_the_clouds_folder(azure: Azure) -> None:
    """No token, key or custom data in the log; the files with secrets are their owner's only."""
    log = (PATHS.cloud / "cloud.log").read_text()
    for secret in ("Bearer", "client_secret", "customData", "eyJ", "PRIVATE KEY"):
        assert secret not in log
    assert PATHS.cloud.stat().st_mode & 0o777 == 0o700
    for path in [*PATHS.cloud.glob("*.key"), PATHS.cloud / "state.json", *PATHS.machines.glob("*.seed")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_deletion(azure: Azure) -> None:
    """A machine's system disk goes with it, its data disk stays; a group goes with all that is in it."""
    with inside():
        compute = azure.compute
        compute.virtual_machines.begin_delete(GROUP, "vm1").result()
        assert {disk.name for disk in compute.disks.list_by_resource_group(GROUP)} == {"data1", "data2", "os2"}
        assert compute.disks.get(GROUP, "data1").managed_by is None
        assert not (PATHS.machines / "vm1").exists()
        assert azure.rest("DELETE", cloud_bench.GROUP)[0] == 202
        until("the group's end", lambda: azure.rest("GET", cloud_bench.GROUP)[0] == 404, 60)
    assert client.status(PATHS)["machines"] == []
    assert list((PATHS.state / "disks").iterdir()) == []
    assert not list(PATHS.machines.iterdir())
    links = subprocess.run(["ip", "-n", PATHS.namespace, "-brief", "link"], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in links.stdout.splitlines()] == ["lo"]
