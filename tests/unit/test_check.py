"""What `make check` answers, asked of the lab cloud: a yes for all of it, and each no."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.cloud import registration
from lab.cloud.resources.virtual_machine import quota
from lab.cloud.tokens import SUBSCRIPTION, TENANT, Principal
from operations import arm_client, plan
from operations.arm import Json
from operations.check import check
from operations.check.answer import Answer, Verdict
from operations.check.asked import Asked
from operations.cli import Cli
from operations.plan import Plan
from tests.support import cloud_bench
from tests.support.cloud_bench import GROUP, NETWORK, Bench, network
from tests.support.plans import changed, done, first
from tests.support.questions import Arrange, BenchReader, ask, comes_from, nothing, wrong
from tests.support.recording import WORKSPACE

pytestmark = pytest.mark.xdist_group("recorded apart")

_ROLES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
READER, CONTRIBUTOR = "acdd72a7-3385-48ef-bd42-f606fba81ae7", "b24988ac-6180-42a0-ab88-20f7382dd24c"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine be where prod's file says that administrators are."""
    comes_from(monkeypatch, "203.0.113.7")


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_a_subscription_in_which_all_is_well(stack: str, tmp_path: Path) -> None:
    lines = ask(tmp_path, first(stack, {"endpoint": "public"}))
    assert wrong(lines) == [] and wrong(lines, "unknown") == []
    assert {line.question for line in lines} == set(check.QUESTIONS), "each question has an answer"
    table = check.table(lines)
    assert table.endswith(f"{len(lines)} yes, 0 no, 0 unknown")
    assert len(table.splitlines()) == len(lines) + 2


def facts(**given: Any) -> Arrange:
    """Return what gives the store these facts."""

    async def arrange(bench: Bench) -> None:
        bench.site.store.facts.update(given)

    return arrange


async def unregister(bench: Bench) -> None:
    registration.unregister(bench.site.store, "Microsoft.Network")


async def unregister_insights(bench: Bench) -> None:
    registration.unregister(bench.site.store, "Microsoft.Insights")


async def take_group(bench: Bench) -> None:
    await bench.put(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-mysql-prod", {"location": "westeurope"})


async def take_label(bench: Bench) -> None:
    await bench.put(GROUP, {"location": "westeurope"})
    address = cloud_bench.changed(cloud_bench.public_address(), "properties/dnsSettings/domainNameLabel", "shop")
    await bench.put(f"{NETWORK}/publicIPAddresses/pip", address)


async def existing_network(bench: Bench, *, zone: str = "corp.example", links: tuple[str, ...] = ("vnet",)) -> None:
    """Make a network of somebody else's, and a private zone of somebody else's that is linked to some networks."""
    await bench.put(GROUP, {"location": "westeurope"})
    await bench.put(f"{NETWORK}/virtualNetworks/vnet", network() | {"properties": _SPACE})
    await bench.put(f"{NETWORK}/virtualNetworks/hub", network() | {"properties": _OTHER_SPACE})
    await bench.put(f"{NETWORK}/privateDnsZones/{zone}", cloud_bench.private_zone())
    for name in links:
        link = cloud_bench.changed(
            cloud_bench.zone_link(), "properties/virtualNetwork/id", f"{NETWORK}/virtualNetworks/{name}"
        )
        await bench.put(f"{NETWORK}/privateDnsZones/{zone}/virtualNetworkLinks/{name}", link)


_SPACE = {"addressSpace": {"addressPrefixes": ["10.34.0.0/16"]}}
_OTHER_SPACE = {"addressSpace": {"addressPrefixes": ["10.99.0.0/16"]}}


async def overlap(bench: Bench) -> None:
    await bench.put(GROUP, {"location": "westeurope"})
    wide = cloud_bench.changed(network(), "properties/addressSpace/addressPrefixes", ["10.0.0.0/8"])
    wide["properties"]["subnets"] = []
    await bench.put(f"{NETWORK}/virtualNetworks/hub", wide)


def prod() -> Plan:
    return first("prod")


Planned = Callable[[], Plan]
"""What is recorded of the program only when it is asked for, which takes a while."""

ALERTS = {"alertEmails": ["night@example.com"]}
VM = "mysql-prod-1"


def planned(stack: str, changes: dict[str, Any] | None = None) -> Planned:
    return lambda: first(stack, changes)


def altered(name: str, path: str, value: Any) -> Planned:
    """Return prod's plan in which a value of some resources is another: `changed`."""
    return lambda: changed(prod(), name, path, value)


def sized(size: str) -> Planned:
    """Return prod's plan with another size of machine."""
    return altered(VM, "hardwareProfile.vmSize", size)


def imaged(**parts: str) -> Planned:
    """Return prod's plan with another image of one machine."""
    image = {"publisher": "Canonical", "offer": "ubuntu-26_04-lts", "sku": "server", "version": "latest"}
    return altered(VM, "storageProfile.imageReference", image | parts)


@pytest.mark.parametrize(
    ("plan", "arrange", "told"),
    [
        (prod, unregister, ["providers: Microsoft.Network: NotRegistered: az provider register --wait --namespace M"]),
        (planned("dev", ALERTS), unregister_insights, ["providers: Microsoft.Insights: NotRegistered: az provider"]),
        (imaged(sku="servre"), nothing, ["images: Canonical:ubuntu-26_04-lts:servre:latest: not in westeurope"]),
        (imaged(version="1.2.3"), nothing, ["images: Canonical:ubuntu-26_04-lts:server:1.2.3: not in westeurope"]),
        (sized("Standard_Z4s"), nothing, [f"sizes: {VM}: Standard_Z4s: is not offered in westeurope"]),
        (sized("Standard_A2_v2"), nothing, ["has no generation 2 machines, which its image needs; does not support "
                                           "Premium_LRS disks; does not support accelerated networking"]),
        (sized("Standard_D4s_v6"), nothing, ["supports only NVME disks, but SCSI is asked for"]),
        (sized("Standard_M64s"), nothing, [f"sizes: {VM}: Standard_M64s: does not support Trusted Launch"]),
        (altered(VM, "storageProfile.dataDisks", [{}] * 9), nothing, ["takes 8 data disks, but 9 are asked for"]),
        (prod, facts(restricted={"Standard_D4s_v5": ["2"]}), [
            "sizes: mysql-prod-2: Standard_D4s_v5: zone 2: NotAvailableForSubscription; zone 2 is asked for, but it "
            "is offered in zones 1, 3"]),
        (planned("dev"), facts(restricted={"Standard_B2s_v2": []}), [
            "sizes: mysql-dev-1: Standard_B2s_v2: not in westeurope for this subscription: NotAvailableForSubscription",
            "sizes: mysql-dev-2: Standard_B2s_v2: not in westeurope for this subscription: NotAvailableForSubscr"]),
        (altered("mysql-prod-1-data", "sku.name", "Premium_XYZ"), nothing, ["disks: mysql-prod-1-data: Premium"]),
        (prod, facts(limits={"cores": 9}), ["quota: cores: 10 needed, 9 of 9 left: ask Azure for more of cores"]),
        (prod, facts(limits={"standardDSv5Family": 7}), ["quota: standardDSv5Family: 8 needed, 7 of 7 left"]),
        (prod, facts(limits={"PremiumDiskCount": 4}), ["quota: PremiumDiskCount: 5 needed, 4 of 4 left"]),
        (prod, facts(limits={"StandardSkuLoadBalancers": 0}), ["quota: StandardSkuLoadBalancers: 2 needed, 0 of 0"]),
        (prod, take_group, ["names: rg-mysql-prod: a group of that name exists, but not in this stack"]),
        (lambda: changed(first("dev"), "network:PublicIPAddress", "dnsSettings.domainNameLabel", "shop"), take_label,
            ["names: shop.westeurope.cloudapp.azure.com: taken"]),
        (prod, overlap, ["addresses: 10.34.0.0/16: overlaps 10.0.0.0/8 of hub: the two could never be peered"]),
        (planned("prod", {"existingResourceGroup": "rg"}), nothing, ["names: rg: does not exist"]),
    ],
)  # fmt: skip
def test_each_no(plan: Planned, arrange: Arrange, told: list[str], tmp_path: Path) -> None:
    found = wrong(ask(tmp_path, plan(), arrange))
    assert [any(text in line for line in found) for text in told] == [True] * len(told), found


def test_no_zones_in_a_region_without_them(tmp_path: Path) -> None:
    plan = prod()
    for type_ in ("compute:VirtualMachine", "compute:Disk"):
        plan = changed(plan, type_, "location", "ukwest")
    found = wrong(ask(tmp_path, plan))
    assert any(
        "sizes: mysql-prod-1: Standard_D4s_v5: zone 1 is asked for, but it is offered in no zone" in one
        for one in found
    )
    assert any("disks: mysql-prod-1-data: Premium_LRS: zone 1 is asked for" in one for one in found)


def test_a_public_endpoint_may_overlap(tmp_path: Path) -> None:
    """Nobody has to be peered with it."""
    lines = ask(tmp_path, first("dev"), overlap)
    assert wrong(lines) == []
    assert "overlaps 10.0.0.0/8 of hub" in check.table(lines)


@pytest.mark.parametrize(
    ("controller", "properties", "told"),
    [
        ("SCSI", {"plan": {"name": "paid"}}, "has terms: az vm image terms accept --urn "),
        (
            "SCSI",
            {"features": []},
            "does not support Trusted Launch: choose another operatingSystem or version",
        ),
        (
            "NVMe",
            {"features": [{"name": "SecurityType", "value": "TrustedLaunchSupported"}]},
            "supports only SCSI disks, but NVMe is needed: choose another vmSize",
        ),
    ],
)
def test_an_image_that_does_not_fit(
    controller: str, properties: Json, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def image(self: Asked, machine: object) -> Json:
        return {"name": "1", "properties": {"hyperVGeneration": "V2", "architecture": "x64", **properties}}

    monkeypatch.setattr(Asked, "image", image)
    plan = changed(prod(), "compute:VirtualMachine", "storageProfile.diskControllerType", controller)
    found = [line for line in wrong(ask(tmp_path, plan)) if line.startswith("images")]
    assert [line.startswith(f"images: Canonical:ubuntu-26_04-lts:server:latest: {told}") for line in found] == [True]


async def granted(bench: Bench, role: str) -> None:
    """Give the role, on the subscription, to the machine vm1's identity, which is the only other principal here."""
    await bench.furnish()
    principal = (await bench.get(f"{cloud_bench.COMPUTE}/virtualMachines/vm1"))["identity"]["principalId"]
    grant = {"roleDefinitionId": f"{_ROLES}/{role}", "principalId": principal}
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments"
    status, answer, _ = await bench.ask("PUT", f"{path}/{role}", {"properties": grant})
    assert status == 201, answer
    bench.token = bench.tokens.issue(Principal(principal, "somebody"))


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        (CONTRIBUTOR, ["Microsoft.Authorization/locks/write", "Microsoft.Authorization/roleDefinitions/write"]),
        (READER, ["Microsoft.Compute/virtualMachines/write", "Microsoft.Resources/subscriptions/resourceGroups/write"]),
    ],
)
def test_who_asks_lacks_rights(role: str, missing: list[str], tmp_path: Path) -> None:
    found = wrong(ask(tmp_path, prod(), lambda bench: granted(bench, role)))
    rights = next(line for line in found if line.startswith("rights: the subscription: your roles do not allow "))
    assert all(operation in rights for operation in missing)
    assert ("virtualMachines/write" in rights) == (role == READER)


def test_who_may_read_nothing_is_told_so(tmp_path: Path) -> None:
    def stranger(bench: Bench) -> BenchReader:
        return BenchReader(bench, bench.tokens.issue(Principal("99999999-9999-4999-8999-999999999999", "stranger")))

    lines = ask(tmp_path, prod(), reader=stranger)
    assert {line.question for line in lines if line.answer.verdict == "unknown"} >= {"providers", "quota", "sizes"}
    assert any("does not have authorization" in line for line in wrong(lines, "unknown"))


def locked(level: str, on: str) -> Arrange:
    """Return what furnishes the cloud, and locks a part of it."""

    async def arrange(bench: Bench) -> None:
        await bench.furnish()
        lock = {"properties": {"level": level}}
        assert (await bench.ask("PUT", f"{on}/providers/Microsoft.Authorization/locks/keep", lock))[0] == 201

    return arrange


def test_a_lock_in_the_way(tmp_path: Path) -> None:
    there = first("prod", {"existingResourceGroup": "rg"})
    found = wrong(ask(tmp_path, there, locked("ReadOnly", GROUP)))
    assert any(line.startswith(f"locks: keep: ReadOnly at {GROUP.lower()} blocks the change of ") for line in found)
    assert not any(
        line.startswith("locks") for line in wrong(ask(tmp_path / "2", there, locked("CanNotDelete", GROUP)))
    )
    disk = f"{cloud_bench.COMPUTE}/disks/data1"
    standing = done(there, GROUP)
    gone = [
        replace(change, new=None, id=disk) if change.name == "mysql-prod-1-data" else change
        for change in standing.changes
    ]
    found = wrong(ask(tmp_path / "3", Plan(tuple(gone)), locked("CanNotDelete", disk)))
    assert any("CanNotDelete at" in line and "blocks the change of mysql-prod-1-data" in line for line in found)


def test_a_name_in_an_existing_group_is_taken(tmp_path: Path) -> None:
    plan = changed(first("prod", {"existingResourceGroup": "rg"}), VM, "vmName", "vm1")
    found = wrong(ask(tmp_path, plan, Bench.furnish))
    assert [line for line in found if line.startswith("names")] == ["names: vm1: exists in rg, but not in this stack"]


def test_a_stack_that_stands_asks_for_nothing(tmp_path: Path) -> None:
    """Its own names, sizes and share of the quota are no obstacle."""
    plan = Plan(tuple(c for c in done(first("prod"), GROUP).changes if c.type != "network:LoadBalancer"))
    lines = ask(tmp_path, plan, facts(limits={"cores": 0}, restricted={"Standard_D4s_v5": []}))
    assert [line for line in wrong(lines) if not line.startswith("names")] == []
    assert not {"quota", "sizes", "disks", "images"} & {line.question for line in lines}


def test_addresses_in_a_subnet_of_somebody_elses(tmp_path: Path) -> None:
    subnet = f"{NETWORK}/virtualNetworks/vnet/subnets/snet"
    plan = first("dev")
    plan = Plan(
        tuple(change for change in plan.changes if change.type not in ("network:Subnet", "network:VirtualNetwork"))
    )
    for name, address in (("mysql-dev-1-interface", "10.0.1.11"), ("mysql-dev-2-interface", "10.0.1.99")):
        configuration = [{"name": "primary", "privateIPAddress": address, "subnet": {"id": subnet}}]
        plan = changed(plan, name, "ipConfigurations", configuration)
    lines = ask(tmp_path, plan, Bench.furnish)
    found = [line for line in wrong(lines) if line.startswith("addresses")]
    free = "10.0.1.4, 10.0.1.5, 10.0.1.6, 10.0.1.7, 10.0.1.8"
    assert found == [f"addresses: nic-mysql-dev-1: 10.0.1.11: taken in vnet; free are {free}"]
    assert any(line.answer.about == "nic-mysql-dev-2: 10.0.1.99" for line in lines)

    def reader(bench: Bench) -> BenchReader:
        return BenchReader(bench, bench.token)

    async def without_join(bench: Bench) -> None:
        await granted(bench, READER)

    found = wrong(ask(tmp_path / "2", plan, without_join, reader))
    assert any("rights: " in line and "subnets/join/action" in line and "snet" in line for line in found)


def named(name: str, zone: str = "") -> Plan:
    """Return the plan of prod with a name, in a subnet of somebody else's, in a zone of somebody else's perhaps."""
    plan = first(
        "prod", {"privateDnsName": name} | ({"existingPrivateDnsZoneId": f"{RECORDED_ZONES}/{zone}"} if zone else {})
    )
    plan = Plan(tuple(c for c in plan.changes if c.type not in ("network:Subnet", "network:VirtualNetwork")))
    subnet = {"id": f"{NETWORK}/virtualNetworks/vnet/subnets/snet"}
    return changed(plan, "network:NetworkInterface", "ipConfigurations", [{"name": "primary", "subnet": subnet}])


ZONES = f"{NETWORK}/privateDnsZones"
RECORDED_ZONES = ZONES.replace(SUBSCRIPTION, "00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize(
    ("name", "zone", "links", "verdict", "told"),
    [
        ("db.corp.example", "corp.example", ("vnet",), "yes", "names: corp.example: linked to vnet"),
        ("db.corp.example", "corp.example", ("vnet",), "yes", "names: db.corp.example: free"),
        (
            "db.corp.example",
            "corp.example",
            (),
            "no",
            "names: corp.example: linked to no network, so nobody finds the name: az network private-dns link vnet",
        ),
        (
            "db.corp.example",
            "corp.example",
            ("hub",),
            "unknown",
            "names: corp.example: linked to hub, but not to vnet: only clients there find the name",
        ),
        (
            "db.corp.example",
            "",
            ("vnet", "hub"),
            "no",
            "names: corp.example: vnet is linked to a zone of that name already: set existingPrivateDnsZoneId to ",
        ),
        ("db.corp.example", "", ("hub",), "yes", "names: corp.example: vnet is linked to no zone of that name"),
    ],
)
def test_a_name_in_a_private_zone(
    name: str, zone: str, links: tuple[str, ...], verdict: Verdict, told: str, tmp_path: Path
) -> None:
    found = wrong(ask(tmp_path, named(name, zone), lambda bench: existing_network(bench, links=links)), verdict)
    assert any(line.startswith(told) for line in found), found


def test_a_name_in_a_private_zone_beside_another(tmp_path: Path) -> None:
    lines = ask(tmp_path, named("db.corp.example"), lambda bench: existing_network(bench, zone="other.example"))
    assert "names: corp.example: vnet is linked to no zone of that name" in wrong(lines, "yes")


def test_a_name_in_a_private_zone_is_taken(tmp_path: Path) -> None:
    async def arrange(bench: Bench) -> None:
        await existing_network(bench)
        await bench.put(f"{ZONES}/corp.example/A/db", cloud_bench.dns_record())

    plan = named("db.corp.example", "corp.example")
    assert "names: db.corp.example: taken: set privateDnsName to another" in wrong(ask(tmp_path, plan, arrange))
    assert not any("db.corp.example" in line for line in wrong(ask(tmp_path / "2", done(plan, GROUP), arrange)))


def test_rights_to_an_existing_zone(tmp_path: Path) -> None:
    """They are asked for where the zone is; and the network's, where it is to be linked."""

    def arrange(zone: str) -> Arrange:
        async def arranged(bench: Bench) -> None:
            await existing_network(bench, zone=zone)
            await granted(bench, READER)

        return arranged

    found = wrong(ask(tmp_path, named("db.corp.example", "corp.example"), arrange("corp.example")))
    assert any("rights: /resourceGroups/rg: " in line and "privateDnsZones/A/write" in line for line in found), found
    found = wrong(ask(tmp_path / "2", named("db.corp.example"), arrange("other.example")))
    assert any("/virtualNetworks/vnet: " in line and "virtualNetworks/join/action" in line for line in found), found


def test_rights_to_a_workspace(tmp_path: Path) -> None:
    """To look it up, and to assign a role at its rule, in a group that is Azure's."""
    workspace = f"{GROUP}/providers/Microsoft.Monitor/accounts/metrics"
    writes = {"monitoring": True, "monitorCidrs": ["10.1.0.0/24"], "monitorOnWitness": True}
    recorded = first("prod", writes | {"monitorWorkspaceId": WORKSPACE, "endpoint": "public"})
    managed = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/MA_metrics_westeurope_managed"
    rule = f"{managed}/providers/Microsoft.Insights/dataCollectionRules/metrics"
    plan = changed(recorded, "mysql-prod-witness-writes-metrics", "scope", rule)
    plan = Plan(plan.changes, {"azure-mysql-ha:monitorWorkspaceId": workspace})

    def arranged(role: str) -> Arrange:
        async def arrange(bench: Bench) -> None:
            await bench.put(GROUP, {"location": "westeurope"})
            await bench.put(workspace, {"location": "westeurope"})
            if role:
                await granted(bench, role)

        return arrange

    lines = ask(tmp_path, plan, arranged(""))
    assert wrong(lines) == []
    about = {line.answer.about for line in lines if line.question == "rights"}
    assert {path.removeprefix(f"/subscriptions/{SUBSCRIPTION}") for path in (workspace, rule)} < about
    found = wrong(ask(tmp_path / "2", plan, arranged(CONTRIBUTOR)))
    refused = "dataCollectionRules/metrics: your roles do not allow Microsoft.Authorization/roleAssignments/write"
    assert any(refused in line for line in found), found


def test_a_network_that_is_peered_with_one_of_the_same_addresses(tmp_path: Path) -> None:
    async def arrange(bench: Bench) -> None:
        await bench.furnish()
        stored = bench.site.store.get(f"{NETWORK}/virtualNetworks/vnet")
        assert stored is not None
        remote = {"remoteAddressSpace": {"addressPrefixes": ["10.34.128.0/17"]}}
        stored.properties["virtualNetworkPeerings"] = [{"name": "hub", "properties": remote}]

    plan = Plan(
        tuple(
            replace(change, id=f"{NETWORK}/virtualNetworks/vnet") if change.type == "network:VirtualNetwork" else change
            for change in prod().changes
        )
    )
    assert any(
        "overlaps 10.34.128.0/17, a network that it is peered with" in line
        for line in wrong(ask(tmp_path, plan, arrange))
    )


def test_a_vault_name_is_one_in_all_of_azure(tmp_path: Path) -> None:
    async def arrange(bench: Bench) -> None:
        await bench.furnish()
        properties = {"tenantId": TENANT, "sku": {"family": "A", "name": "standard"}}
        await bench.put(
            f"{GROUP}/providers/Microsoft.KeyVault/vaults/keys", {"location": "westeurope", "properties": properties}
        )

    vault = replace(
        prod().changes[0], type="keyvault:Vault", name="vault", new={"vaultName": "keys", "location": "westeurope"}
    )
    found = wrong(ask(tmp_path, Plan((*prod().changes, vault)), arrange))
    assert "names: keys: The vault name 'keys' is already in use." in found


def test_the_name_of_a_storage_account_is_one_in_all_of_azure(tmp_path: Path) -> None:
    name = next(change.own_name for change in prod().changes if change.type == "storage:StorageAccount")

    async def arrange(bench: Bench) -> None:
        await bench.put(GROUP, {"location": "westeurope"})
        await bench.put(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}", cloud_bench.account())

    assert wrong(ask(tmp_path, first("prod", {"endpoint": "public"}), arrange)) == [
        f"names: {name}: The storage account named {name} is already taken. Set backupStorageAccount to another."
    ]


@pytest.mark.parametrize(("verdicts", "code"), [(["yes", "unknown"], 0), (["yes", "no"], 1)])
def test_the_exit_code(
    verdicts: list[Verdict], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def planned(cli: Cli) -> Plan:
        return prod()

    def lines(asked: Asked) -> list[check.Line]:
        return [check.Line("sizes", Answer(verdict, "a", "b")) for verdict in verdicts]

    monkeypatch.setattr(plan, "of", planned)
    monkeypatch.setattr(arm_client, "Azure", str)  # nobody asks it
    monkeypatch.setattr(check, "ask", lines)
    assert check.main(["--stack", "prod"]) == code
    assert "sizes  yes" in capsys.readouterr().out
    assert check.main(["--stack", "prod", "--json"]) == code
    assert [line["answer"]["verdict"] for line in json.loads(capsys.readouterr().out)] == verdicts


def test_families_are_named_as_azure_names_them() -> None:
    """Names of `az vm list-usage`; letter case does not matter."""
    names = {"Standard_D4s_v5": "standardDSv5Family", "Standard_B2s": "standardBSFamily",
             "Standard_D2ads_v5": "standardDADSv5Family", "Standard_A2_v2": "standardAv2Family",
             "Standard_B2ts_v2": "standardBTSv2Family"}  # fmt: skip
    assert {size: quota.family(size) for size in names} == names


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"limits": {"cores": 3}}, "409 OperationNotAllowed"),
        ({"limits": {"standardBSFamily": 3}}, "409 OperationNotAllowed"),
        ({"restricted": {"Standard_B2s": []}}, "409 SkuNotAvailable"),
    ],
)
async def test_the_cloud_refuses_what_the_check_says_no_to(bench: Bench, given: Any, refused: str) -> None:
    """Two machines of two processors; the one that stands is left in peace."""
    await bench.furnish(vm2=None)
    await facts(**given)(bench)
    path, body = f"{cloud_bench.COMPUTE}/virtualMachines/vm2", cloud_bench.machine(2)
    assert await bench.refused("PUT", path, body) == refused
    await bench.put(f"{cloud_bench.COMPUTE}/virtualMachines/vm1", cloud_bench.machine(1))
    bench.site.store.facts.clear()
    registration.set_up(bench.site.store)
    await bench.put(path, body)
