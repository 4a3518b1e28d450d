"""A cluster among things that are there already, its disks encrypted by a key of the owner's, and locked.

One lab, the tests in the order of the file.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab import application, rest, service
from lab.cloud import client as cloud
from lab.cloud import tokens
from lab.engine import EngineError
from lab.events import EventReader
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from tests.support import trial

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900), pytest.mark.long]

REGION = {"location": "westeurope"}
SUBSCRIPTION = f"/subscriptions/{tokens.SUBSCRIPTION}"
NETWORK = "/resourceGroups/net/providers/Microsoft.Network"
SUBNET = f"{NETWORK}/virtualNetworks/hub/subnets/data"
VAULT = "/resourceGroups/secrets/providers/Microsoft.KeyVault/vaults/lab-keys"
COMPUTE = "/resourceGroups/data/providers/Microsoft.Compute"
ROLE_GUID, WEAK_ROLE_GUID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ROLES = "/providers/Microsoft.Authorization/roleDefinitions"
GROUPS_LOCK = "/resourceGroups/net/providers/Microsoft.Authorization/locks/the-owners"
OUTSIDE = "198.51.100.0/24"


def let_in(name: str, priority: int, sources: str | list[str], ports: list[str], protocol: str = "Tcp") -> Any:
    """Return a rule of the owner's security group: those that docs/operations/existing-things.md asks for."""
    source = {"sourceAddressPrefix": sources} if isinstance(sources, str) else {"sourceAddressPrefixes": sources}
    fixed = {
        "direction": "Inbound",
        "access": "Allow",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "10.40.0.0/24",
    }
    return {
        "name": name,
        "properties": {"priority": priority, "protocol": protocol, "destinationPortRanges": ports, **source, **fixed},
    }


def role(name: str, *actions: str) -> Any:
    """Return a role for machines."""
    permissions = [{"actions": [f"Microsoft.Compute/virtualMachines/{action}" for action in actions]}]
    scopes = [SUBSCRIPTION]
    return {
        "properties": {"roleName": name, "type": "CustomRole", "permissions": permissions, "assignableScopes": scopes}
    }


def make(lab: Lab, path: str, body: object) -> Any:
    """Make something of the owner's."""
    status, answer = rest.ask(lab, "PUT", path, body)
    assert status in (200, 201), answer
    return answer


def azure_resources(lab: Lab) -> list[dict[str, Any]]:
    """Return what of Azure's is in the stack's state."""
    resources: list[dict[str, Any]] = lab.engine().export().get("resources") or []
    return [each for each in resources if each["type"].startswith("azure-native:")]


def is_there(lab: Lab, path: str) -> bool:
    """Tell whether something is there."""
    return rest.ask(lab, "GET", path)[0] == 200


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    yield from trial.own_lab(Lab(LabPaths("existing")))


@pytest.fixture(scope="module")
def owned(lab: Lab) -> dict[str, Any]:
    """Make what is there already; return the settings that name it."""
    lab.set_up()
    lab.start()
    for group in ("net", "data", "secrets"):
        make(lab, f"/resourceGroups/{group}", REGION)
    standard = {**REGION, "sku": {"name": "Standard"}}
    static = {"publicIPAllocationMethod": "Static"}
    egress = make(lab, f"{NETWORK}/publicIPAddresses/egress", {**standard, "properties": static})
    gateway = {"publicIpAddresses": [{"id": egress["id"]}]}
    make(lab, f"{NETWORK}/natGateways/out", {**standard, "properties": gateway})
    rules = [
        let_in("ssh", 100, OUTSIDE, ["22"]),
        let_in("mysql", 110, [OUTSIDE, f"{egress['properties']['ipAddress']}/32"], ["3306"]),
        let_in("probe", 120, "AzureLoadBalancer", ["61500"]),
        let_in("cluster-tcp", 130, "10.40.0.0/24", ["22", "3306", "7789"]),
        let_in("cluster-udp", 140, "10.40.0.0/24", ["5405"], "Udp"),
    ]
    make(lab, f"{NETWORK}/networkSecurityGroups/hub", {**REGION, "properties": {"securityRules": rules}})
    subnet = {
        "addressPrefix": "10.40.0.0/24",
        "networkSecurityGroup": {"id": f"{SUBSCRIPTION}{NETWORK}/networkSecurityGroups/hub"},
        "natGateway": {"id": f"{SUBSCRIPTION}{NETWORK}/natGateways/out"},
        "defaultOutboundAccess": False,
    }
    space = {"addressPrefixes": ["10.40.0.0/16"]}
    subnets = [{"name": "data", "properties": subnet}]
    make(lab, f"{NETWORK}/virtualNetworks/hub", {**REGION, "properties": {"addressSpace": space, "subnets": subnets}})
    # Whatever the owner has locked against deletion, a cluster in it must come and go.
    make(lab, GROUPS_LOCK, {"properties": {"level": "CanNotDelete"}})
    power = ("read", "instanceView/read", "powerOff/action", "start/action")
    make(lab, f"{ROLES}/{ROLE_GUID}", role("Power of machines", *power))
    make(lab, f"{ROLES}/{WEAK_ROLE_GUID}", role("Sight of machines", "read", "instanceView/read"))
    vault = {
        "tenantId": tokens.TENANT,
        "sku": {"family": "A", "name": "standard"},
        "enableRbacAuthorization": True,
        "enablePurgeProtection": True,
    }
    make(lab, VAULT, {**REGION, "properties": vault})
    key = make(lab, f"{VAULT}/keys/disks", {"properties": {"kty": "RSA"}})
    return {
        "existingResourceGroup": "data",
        "existingSubnetId": f"{SUBSCRIPTION}{SUBNET}",
        "subnet": "10.40.0.0/24",
        "existingRoleDefinitionId": f"{SUBSCRIPTION}{ROLES}/{ROLE_GUID}",
        "diskEncryptionKeyUrl": key["properties"]["keyUriWithVersion"],
        "diskEncryptionKeyVaultId": f"{SUBSCRIPTION}{VAULT}",
        "acceleratedNetworking": True,
        "protectData": True,
        "deletionLock": True,
    }


def test_what_does_not_fit_is_told_before_anything_is_made(lab: Lab, owned: dict[str, Any]) -> None:
    wrong = {
        "existingResourceGroup": "date",
        "subnet": "10.32.0.0/24",
        "existingRoleDefinitionId": f"{SUBSCRIPTION}{ROLES}/{WEAK_ROLE_GUID}",
        "diskEncryptionKeyVaultId": f"{SUBSCRIPTION}{VAULT}".replace("secrets", "secret"),
    }
    with pytest.raises(EngineError) as refused:
        lab.up(owned | wrong)
    told = str(refused.value)
    assert "4 mistakes in the settings of stack lab; nothing was changed:" in told
    assert "existingResourceGroup: resource group date cannot be read:" in told
    assert "existingSubnetId: has the network 10.40.0.0/24, but subnet is 10.32.0.0/24" in told
    assert (
        "existingRoleDefinitionId: role Sight of machines does not allow Microsoft.Compute/virtualMachines/powerOff/"
        "action, Microsoft.Compute/virtualMachines/start/action" in told
    )
    assert "diskEncryptionKeyVaultId: vault lab-keys cannot be read:" in told
    assert azure_resources(lab) == []


@pytest.fixture(scope="module")
def made(lab: Lab, owned: dict[str, Any]) -> EventReader:
    reader = lab.up(owned)
    print(reader.timings())
    return reader


def test_up(lab: Lab, made: EventReader) -> None:
    """All that is the cluster's own is in the owner's group, and nothing is made that is there."""
    service.wait_until_well(lab)
    resources = azure_resources(lab)
    types = {r["type"].rpartition(":")[2] for r in resources}
    assert types.isdisjoint(
        {"ResourceGroup", "VirtualNetwork", "Subnet", "NetworkSecurityGroup", "NatGateway", "RoleDefinition", "Vault"}
    )
    extensions = {"RoleAssignment", "ManagementLockByScope"}
    own = [r for r in resources if r["type"].rpartition(":")[2] not in extensions]
    assert all(r["id"].startswith(f"{SUBSCRIPTION}/resourceGroups/data/providers/") for r in own)
    tags = [r for r in own if r["outputs"].get("tags") != {"environment": "lab"}]
    assert [r["urn"] for r in tags] == []

    for disk in ("disk-mysql-lab-1-data", "osdisk-mysql-lab-2"):
        _, shown = rest.ask(lab, "GET", f"{COMPUTE}/disks/{disk}")
        assert shown["properties"]["encryption"] == {
            "type": "EncryptionAtRestWithCustomerKey",
            "diskEncryptionSetId": f"{SUBSCRIPTION}{COMPUTE}/diskEncryptionSets/des-mysql-lab",
        }
    nic = "/resourceGroups/data/providers/Microsoft.Network/networkInterfaces/nic-mysql-lab-1"
    assert rest.ask(lab, "GET", nic)[1]["properties"]["enableAcceleratedNetworking"] is True


def test_again(lab: Lab, made: EventReader) -> None:
    assert set(lab.up().changes) == {"same"}


def test_nobody_deletes_what_is_locked(lab: Lab, made: EventReader) -> None:
    locked = [
        f"{COMPUTE}/disks/disk-mysql-lab-1-data",
        f"{COMPUTE}/disks/disk-mysql-lab-2-data",
        "/resourceGroups/data/providers/Microsoft.Network/publicIPAddresses/pip-mysql-lab",
        "/resourceGroups/data",
    ]
    for path in locked:
        status, answer = rest.ask(lab, "DELETE", path)
        assert (status, answer["error"]["code"]) == (409, "ScopeLocked"), path
        assert is_there(lab, path)
    assert application.answers(lab)


def test_a_node_is_fenced_all_the_same(lab: Lab, made: EventReader) -> None:
    """By the owner's role, with locks on all around; and started again."""
    service.wait_until_well(lab)
    serving = service.serving(lab)
    other = service.peer(lab, serving)
    serving.run(f"stonith_admin --reboot {other.name} --timeout 120", timeout=150)

    def done() -> set[str]:
        """Return what the serving node has done to the other through Azure."""
        mine = [each for each in cloud.power_actions(lab.paths) if each["caller"] == serving.name]
        return {each["action"] for each in mine if each["machine"] == other.name and each["status"] == "Succeeded"}

    assert done() & {"powerOff", "powerOffAbrupt"}
    wait_until(f"{other.name} started again", lambda: "start" in done(), 120)
    service.wait_until_well(lab)


def test_destroy_is_refused(lab: Lab, made: EventReader) -> None:
    before = json.dumps(lab.engine().export()["resources"])
    with pytest.raises(EngineError) as refused:
        # The preview finds it out. Without one the engine would delete what it may before it comes to the disks.
        destroy(lab, preview=True)
    assert "protect" in str(refused.value)
    assert json.dumps(lab.engine().export()["resources"]) == before
    assert application.answers(lab)


def test_destroy(lab: Lab, made: EventReader) -> None:
    """As docs/operations/destroy.md says: the protection off, then all goes, and what was there stays."""
    reader = lab.up({"deletionLock": False, "protectData": False})
    assert reader.changes["delete"] == 3
    destroy(lab)
    assert lab.engine().export().get("resources", []) in ([], None)
    _, groups = rest.ask(lab, "GET", "/resourceGroups")
    assert {group["name"] for group in groups["value"]} == {"net", "data", "secrets"}
    _, left = rest.ask(lab, "GET", "/resources")
    assert {each["name"] for each in left["value"]} == {"egress", "out", "hub", "lab-keys"}
    for path in (SUBNET, f"{ROLES}/{ROLE_GUID}", f"{VAULT}/keys/disks", GROUPS_LOCK):
        assert is_there(lab, path), path
    _, subnet = rest.ask(lab, "GET", SUBNET)
    assert "ipConfigurations" not in subnet["properties"]


def destroy(lab: Lab, *, preview: bool = False) -> None:
    """Run `pulumi destroy`; with a preview before it, as it does by itself."""
    options = ["--yes"] if preview else ["--yes", "--skip-preview"]
    lab.engine().run(["destroy", *options], lab.progress, lab.paths.logs / "engine-destroy.log")
