"""A lab cloud without a lab: real resources and checks, machines and network that only remember what they were told."""

import copy
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from lab.cloud import known_versions, registration
from lab.cloud.arm import ResourceManager
from lab.cloud.balancer import Balancer
from lab.cloud.blob_store import BlobStore
from lab.cloud.faults import Faults
from lab.cloud.inventory import Inventory
from lab.cloud.login import ENGINE
from lab.cloud.machines import Definition, UmlDriver
from lab.cloud.network import LabFabric
from lab.cloud.operations import Operations
from lab.cloud.scheduled_events import ScheduledEvents
from lab.cloud.site import Site
from lab.cloud.state import Store
from lab.cloud.tokens import SUBSCRIPTION, Tokens

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
INSIGHTS = f"{GROUP}/providers/Microsoft.Insights"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/stbackup"
CONTAINERS = f"{ACCOUNT}/blobServices/default/containers"
REGION = "westeurope"

SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxhYmxhYmxhYmxhYmxhYmxhYmxhYmxhYmxhYmxhYmxhYmxh a@b"


class RememberedMachines(UmlDriver):
    """A machine driver without machines."""

    def __init__(self) -> None:
        super().__init__(print)
        self.running: dict[str, Definition] = {}
        self.calls: list[tuple[str, str]] = []
        self.refuse_to_start = ""
        self.let_in = True

    async def start(self, machine: Definition) -> None:
        self.calls.append(("start", machine.name))
        if self.refuse_to_start:
            raise RuntimeError(self.refuse_to_start)
        self.running[machine.name] = machine

    def is_running(self, machine: Definition) -> bool:
        return machine.name in self.running

    async def power_off(self, machine: Definition) -> None:
        self.calls.append(("power_off", machine.name))
        self.running.pop(machine.name, None)

    async def shut_down(self, machine: Definition) -> None:
        self.calls.append(("shut_down", machine.name))
        self.running.pop(machine.name, None)

    async def attach(self, machine: Definition, lun: int, path: Path) -> None:
        self.calls.append((f"attach {lun} {path.name.rpartition('-')[0]}", machine.name))

    async def detach(self, machine: Definition, lun: int) -> None:
        self.calls.append((f"detach {lun}", machine.name))

    async def discard(self, directory: Path) -> None:
        self.calls.append(("discard", directory.name))

    async def answers(self, address: str) -> bool:
        return self.let_in


class RememberedFabric(LabFabric):
    """A fabric without a network."""

    def __init__(self) -> None:
        super().__init__("")
        self.bridges: dict[str, list[str]] = {}
        self.taps: dict[str, str] = {}
        self.public: set[str] = set()

    async def ensure_bridge(self, bridge: str, addresses: list[str]) -> None:
        self.bridges[bridge] = addresses

    async def remove_bridge(self, bridge: str) -> None:
        self.bridges.pop(bridge, None)

    async def ensure_tap(self, tap: str, bridge: str) -> None:
        self.taps[tap] = bridge

    async def remove_tap(self, tap: str) -> None:
        self.taps.pop(tap, None)

    async def ensure_public_address(self, address: str) -> None:
        self.public.add(address)

    async def remove_public_address(self, address: str) -> None:
        self.public.discard(address)


class NoTraffic(Balancer):
    """No listeners."""

    def __init__(self) -> None:
        super().__init__(Inventory(Store(None)), lambda _name: False)

    async def rewire(self) -> None:
        """Do nothing."""


class RememberedBlobs(BlobStore):
    """Containers without an emulator."""

    def __init__(self) -> None:
        super().__init__(Path(), Path(), Tokens(b"k" * 32))
        self.containers: set[tuple[int, str]] = set()

    async def make_container(self, slot: int, container: str) -> None:
        self.containers.add((slot, container))

    async def remove_container(self, slot: int, container: str) -> None:
        self.containers.discard((slot, container))


class Bench:
    """The cloud and a client of it.

    Args:
        site: what the cloud acts upon.
        operations: what goes on.
        tokens: of this cloud.
        faults: that it may have.
        web: the client, which speaks for the engine.
    """

    def __init__(
        self,
        site: Site,
        operations: Operations,
        tokens: Tokens,
        faults: Faults,
        web: TestClient[Request, Application],
    ) -> None:
        self.site = site
        self.operations = operations
        self.tokens = tokens
        self.faults = faults
        self.web = web
        self.token = tokens.issue(ENGINE)
        self.events = ScheduledEvents(site, operations)
        assert isinstance(site.machines, RememberedMachines)
        assert isinstance(site.fabric, RememberedFabric)
        assert isinstance(site.blobs, RememberedBlobs)
        self.machines = site.machines
        self.fabric = site.fabric
        self.blobs = site.blobs

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        query: str = "",
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Send one request, in the newest api-version if none is named; return status, body and headers."""
        sent = {"Authorization": f"Bearer {self.token if token is None else token}", **(headers or {})}
        spoken = known_versions.of_path(path) if version is None else version
        url = f"{path}?api-version={spoken}{query}"
        async with self.web.request(method, url, json=body, headers=sent) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None, dict(response.headers)

    async def get(self, path: str, query: str = "") -> Any:
        """Return a resource, which must be there."""
        status, body, _ = await self.ask("GET", path, query=query)
        assert status == 200, body
        return body

    async def put(self, path: str, body: Any) -> Any:
        """Make a resource, which must succeed at once."""
        status, answer, headers = await self.ask("PUT", path, body)
        assert status in (200, 201), answer
        assert "Azure-AsyncOperation" not in headers
        assert answer["properties"]["provisioningState"] == "Succeeded"
        return answer

    async def refused(self, method: str, path: str, body: Any = None) -> str:
        """Send a request that must be refused; return status and code."""
        status, answer, _ = await self.ask(method, path, body)
        assert status >= 400, answer
        assert answer["error"]["message"]
        return f"{status} {answer['error']['code']}"

    async def furnish(self, **others: Any) -> None:
        """Make everything of the program's diagram; some names with another body, or, where that is None, not."""
        await self.put(GROUP, {"location": REGION})
        for path, usual in everything().items():
            body = others.get(path.rpartition("/")[2], usual)
            if body is not None:
                await self.put(path, body)


@asynccontextmanager
async def running(folder: Path, *, keeps_state: bool = False) -> AsyncGenerator[Bench]:
    """Run a fresh cloud; for most tests the fixture `bench` does it.

    Args:
        folder: for files of disks, and for state.json.
        keeps_state: whether the cloud writes state.json after each change, which takes a third of its time.
    """
    site = Site(
        store=Store(folder / "state.json" if keeps_state else None),
        fabric=RememberedFabric(),
        machines=RememberedMachines(),
        traffic=NoTraffic(),
        blobs=RememberedBlobs(),
        disks=folder / "disks",
        machine_folders=folder / "machines",
    )
    operations = Operations(site)
    tokens = Tokens(b"k" * 32)
    faults = Faults(site.inventory)
    registration.set_up(site.store)
    manager = ResourceManager(site, tokens, operations, faults)
    async with TestClient(TestServer(manager.application())) as web:
        yield Bench(site, operations, tokens, faults, web)
    await operations.close()


def changed(body: Any, path: str, value: Any) -> Any:
    """Return a copy of a body with one value changed.

    Args:
        body: JSON.
        path: names and indices with slashes between them.
        value: the new value; a missing object on the way is made.
    """
    result = copy.deepcopy(body)
    found: Any = result
    *way, last = path.split("/")
    for word in way:
        if word.isdecimal():
            found = found[int(word)]
        else:
            found[word] = found.get(word) or {}
            found = found[word]
    found[int(last) if last.isdecimal() else last] = value
    return result


def network() -> dict[str, Any]:
    """Return a virtual network with a subnet inline."""
    subnet = {
        "addressPrefix": "10.0.1.0/24",
        "networkSecurityGroup": {"id": f"{NETWORK}/networkSecurityGroups/nsg"},
        "natGateway": {"id": f"{NETWORK}/natGateways/nat"},
    }
    return {
        "location": REGION,
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "snet", "properties": subnet}],
        },
    }


def rule(name: str = "ssh", priority: int = 100, **properties: Any) -> dict[str, Any]:
    """Return a security rule; by default one that lets SSH in from everywhere."""
    return {
        "name": name,
        "properties": {
            "priority": priority,
            "direction": "Inbound",
            "access": "Allow",
            "protocol": "Tcp",
            "sourceAddressPrefix": "*",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": "22",
            **properties,
        },
    }


def security_group(*rules: Any) -> dict[str, Any]:
    """Return a security group."""
    return {"location": REGION, "properties": {"securityRules": list(rules)}}


def public_address() -> dict[str, Any]:
    """Return a public address."""
    return {
        "location": REGION,
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Static"},
    }


def nat_gateway() -> dict[str, Any]:
    """Return a NAT gateway."""
    return {
        "location": REGION,
        "sku": {"name": "Standard"},
        "properties": {"publicIpAddresses": [{"id": f"{NETWORK}/publicIPAddresses/egress"}]},
    }


def balancer(nodes: int = 2) -> dict[str, Any]:
    """Return a public load balancer with a rule, a probe and a NAT rule for each node."""
    own = f"{NETWORK}/loadBalancers/lb"
    front = {"id": f"{own}/frontendIPConfigurations/front"}
    return {
        "location": REGION,
        "sku": {"name": "Standard"},
        "properties": {
            "frontendIPConfigurations": [
                {"name": "front", "properties": {"publicIPAddress": {"id": f"{NETWORK}/publicIPAddresses/pip"}}}
            ],
            "backendAddressPools": [{"name": "pool"}],
            "probes": [
                {
                    "name": "probe",
                    "properties": {"protocol": "Tcp", "port": 61500, "intervalInSeconds": 5, "probeThreshold": 2},
                }
            ],
            "loadBalancingRules": [
                {
                    "name": "mysql",
                    "properties": {
                        "frontendIPConfiguration": front,
                        "backendAddressPool": {"id": f"{own}/backendAddressPools/pool"},
                        "probe": {"id": f"{own}/probes/probe"},
                        "protocol": "Tcp",
                        "frontendPort": 3306,
                        "backendPort": 3306,
                        "idleTimeoutInMinutes": 30,
                        "enableTcpReset": True,
                        "disableOutboundSnat": True,
                    },
                }
            ],
            "inboundNatRules": [
                {
                    "name": f"ssh{number}",
                    "properties": {
                        "frontendIPConfiguration": front,
                        "protocol": "Tcp",
                        "frontendPort": 21 + number,
                        "backendPort": 22,
                    },
                }
                for number in range(1, nodes + 1)
            ],
        },
    }


def internal_balancer() -> dict[str, Any]:
    """Return another balancer, `lbi`, at 10.0.1.20 of the subnet, without rules for SSH."""
    body: dict[str, Any] = json.loads(json.dumps(balancer()).replace("loadBalancers/lb/", "loadBalancers/lbi/"))
    properties = {
        "subnet": {"id": f"{NETWORK}/virtualNetworks/vnet/subnets/snet"},
        "privateIPAddress": "10.0.1.20",
        "privateIPAllocationMethod": "Static",
    }
    front = {"name": "front", "properties": properties}
    body["properties"] |= {"frontendIPConfigurations": [front], "inboundNatRules": []}
    return body


def interface(number: int = 1) -> dict[str, Any]:
    """Return a node's network interface."""
    own = f"{NETWORK}/loadBalancers/lb"
    properties = {
        "subnet": {"id": f"{NETWORK}/virtualNetworks/vnet/subnets/snet"},
        "privateIPAddress": f"10.0.1.1{number}",
        "privateIPAllocationMethod": "Static",
        "loadBalancerBackendAddressPools": [{"id": f"{own}/backendAddressPools/pool"}],
        "loadBalancerInboundNatRules": [{"id": f"{own}/inboundNatRules/ssh{number}"}],
    }
    return {"location": REGION, "properties": {"ipConfigurations": [{"name": "primary", "properties": properties}]}}


def private_zone() -> dict[str, Any]:
    """Return a private DNS zone."""
    return {"location": "global"}


def zone_link() -> dict[str, Any]:
    """Return a zone's link to the network of `network`."""
    network_id = {"id": f"{NETWORK}/virtualNetworks/vnet"}
    return {"location": "global", "properties": {"registrationEnabled": False, "virtualNetwork": network_id}}


def dns_record(address: str = "10.0.1.10") -> dict[str, Any]:
    """Return a record set of one address."""
    return {"properties": {"ttl": 300, "aRecords": [{"ipv4Address": address}]}}


def availability_set() -> dict[str, Any]:
    """Return an availability set."""
    return {
        "location": REGION,
        "sku": {"name": "Aligned"},
        "properties": {"platformFaultDomainCount": 2, "platformUpdateDomainCount": 5},
    }


def disk() -> dict[str, Any]:
    """Return a data disk."""
    return {
        "location": REGION,
        "sku": {"name": "Premium_LRS"},
        "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
    }


def machine(number: int = 1) -> dict[str, Any]:
    """Return a node's virtual machine."""
    return {
        "location": REGION,
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_B2s"},
            "availabilitySet": {"id": f"{COMPUTE}/availabilitySets/set"},
            "osProfile": {
                "computerName": f"node{number}",
                "adminUsername": "azureuser",
                "customData": "I2Nsb3VkLWNvbmZpZwp7fQo=",
                "linuxConfiguration": {
                    "disablePasswordAuthentication": True,
                    "ssh": {
                        "publicKeys": [{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": SSH_KEY}],
                    },
                },
            },
            "storageProfile": {
                "imageReference": {
                    "publisher": "Debian",
                    "offer": "debian-12",
                    "sku": "12-gen2",
                    "version": "latest",
                },
                "osDisk": {
                    "name": f"os{number}",
                    "createOption": "FromImage",
                    "deleteOption": "Delete",
                    "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
                },
                "dataDisks": [
                    {"lun": 0, "createOption": "Attach", "managedDisk": {"id": f"{COMPUTE}/disks/data{number}"}}
                ],
            },
            "networkProfile": {
                "networkInterfaces": [
                    {"id": f"{NETWORK}/networkInterfaces/nic{number}", "properties": {"primary": True}}
                ]
            },
        },
    }


def account() -> dict[str, Any]:
    """Return a storage account."""
    return {
        "location": REGION,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "properties": {"allowSharedKeyAccess": False, "minimumTlsVersion": "TLS1_2"},
    }


def immutability(days: int = 35) -> dict[str, Any]:
    """Return an immutability policy."""
    return {"properties": {"immutabilityPeriodSinceCreationInDays": days}}


def lifecycle() -> dict[str, Any]:
    """Return a management policy."""
    delete = {"delete": {"daysAfterModificationGreaterThan": 42}}
    definition = {
        "filters": {"blobTypes": ["blockBlob"], "prefixMatch": ["backup/"]},
        "actions": {"baseBlob": delete, "version": {"delete": {"daysAfterCreationGreaterThan": 42}}},
    }
    rule = {"name": "end", "enabled": True, "type": "Lifecycle", "definition": definition}
    return {"properties": {"policy": {"rules": [rule]}}}


def action_group() -> dict[str, Any]:
    """Return an action group of two receivers."""
    receivers = {
        "emailReceivers": [{"name": "email", "emailAddress": "night@example.com"}],
        "webhookReceivers": [{"name": "hook", "serviceUri": "https://example.com/hook"}],
    }
    return {"location": "Global", "properties": {"groupShortName": "db", "enabled": True, **receivers}}


def metric_alert() -> dict[str, Any]:
    """Return an alert rule for the balancer's probe."""
    criterion = {
        "criterionType": "StaticThresholdCriterion",
        "name": "probe",
        "metricName": "DipAvailability",
        "metricNamespace": "Microsoft.Network/loadBalancers",
        "operator": "LessThan",
        "threshold": 25,
        "timeAggregation": "Average",
    }
    return {
        "location": "global",
        "properties": {
            "severity": 0,
            "enabled": True,
            "scopes": [f"{NETWORK}/loadBalancers/lb"],
            "evaluationFrequency": "PT1M",
            "windowSize": "PT5M",
            "criteria": {
                "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                "allOf": [criterion],
            },
            "actions": [{"actionGroupId": f"{INSIGHTS}/actionGroups/ag"}],
        },
    }


def everything() -> dict[str, Any]:
    """Return all resources of the program's diagram, in an order in which they can be made."""
    return {
        f"{NETWORK}/networkSecurityGroups/nsg": security_group(rule()),
        f"{NETWORK}/publicIPAddresses/pip": public_address(),
        f"{NETWORK}/publicIPAddresses/egress": public_address(),
        f"{NETWORK}/natGateways/nat": nat_gateway(),
        f"{NETWORK}/virtualNetworks/vnet": network(),
        f"{NETWORK}/loadBalancers/lb": balancer(),
        f"{NETWORK}/networkInterfaces/nic1": interface(1),
        f"{NETWORK}/networkInterfaces/nic2": interface(2),
        f"{NETWORK}/privateDnsZones/shop.internal": private_zone(),
        f"{NETWORK}/privateDnsZones/shop.internal/virtualNetworkLinks/link": zone_link(),
        f"{NETWORK}/privateDnsZones/shop.internal/A/db": dns_record(),
        f"{COMPUTE}/availabilitySets/set": availability_set(),
        f"{INSIGHTS}/actionGroups/ag": action_group(),
        f"{INSIGHTS}/metricAlerts/ar": metric_alert(),
        ACCOUNT: account(),
        f"{CONTAINERS}/backup": {"properties": {"publicAccess": "None"}},
        f"{ACCOUNT}/managementPolicies/default": lifecycle(),
        f"{COMPUTE}/disks/data1": disk(),
        f"{COMPUTE}/disks/data2": disk(),
        f"{COMPUTE}/virtualMachines/vm1": machine(1),
        f"{COMPUTE}/virtualMachines/vm2": machine(2),
    }
