"""What is there already is read and checked before anything is made, and all that does not fit is told at once."""

import copy
from typing import Any, cast

import pulumi
import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks

from components.azure.existing import Existing, find
from components.azure.place import ExistingGroup
from components.azure.workspace import Workspace
from components.settings.load import SettingsError, load
from tests.support.recording import EXISTING, WORKSPACE
from tests.support.stack_configuration import besides_clear_text, use_stack

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
ROLE = f"/subscriptions/{SUBSCRIPTION}{EXISTING['existingRoleDefinitionId']}"
PREFIX = "azure-mysql-ha:"
MANAGED = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/MA_metrics_westeurope_managed/providers/Microsoft.Insights"
NAT_GATEWAY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network/natGateways/out"

GOOD: dict[str, Any] = {
    "getClientConfig": {"subscriptionId": SUBSCRIPTION},
    "getResourceGroup": {"id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data"},
    "getVirtualNetwork": {
        "location": "westeurope",
        "subnets": [
            {"name": "other", "addressPrefix": "10.34.1.0/24"},
            {
                "name": "Data",
                "addressPrefix": "10.34.0.0/24",
                "networkSecurityGroup": {"id": "nsg"},
                "natGateway": {"id": NAT_GATEWAY},
            },
        ],
    },
    "getRoleDefinition": {
        "id": ROLE,
        "roleName": "Power",
        "permissions": [{"actions": ["Microsoft.Compute/virtualMachines/*"], "notActions": []}],
        "assignableScopes": ["/"],
    },
    "getNatGateway": {"sku": {"name": "StandardV2"}},
    "getPrivateZone": {"numberOfVirtualNetworkLinks": 2},
    "getKey": {"kty": "RSA"},
    "getStorageAccount": {
        "kind": "StorageV2",
        "allowSharedKeyAccess": False,
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
    },
    "getBlobServiceProperties": {"isVersioningEnabled": True},
    "getVault": {
        "location": "westeurope",
        "properties": {"enablePurgeProtection": True, "enableRbacAuthorization": True},
    },
    "getAzureMonitorWorkspace": {
        "defaultIngestionSettings": {
            "dataCollectionRuleResourceId": f"{MANAGED}/dataCollectionRules/the-rule",
            "dataCollectionEndpointResourceId": f"{MANAGED}/dataCollectionEndpoints/the-endpoint",
        }
    },
    "getDataCollectionRule": {"id": f"{MANAGED}/dataCollectionRules/the-rule", "immutableId": "dcr-0123"},
    "getDataCollectionEndpoint": {
        "metricsIngestion": {"endpoint": "https://m-a1.westeurope-1.metrics.ingest.monitor.azure.com"},
        "networkAcls": {"publicNetworkAccess": "Enabled"},
    },
}

WRITES: dict[str, Any] = {
    "monitoring": True,
    "monitorCidrs": ["10.1.0.0/24"],
    "monitorOnWitness": True,
    "monitorWorkspaceId": WORKSPACE,
}


class Azure(Mocks):
    """Answers the functions that read; one without an answer finds nothing."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        raise AssertionError(f"{args.name}: nothing is made before all that is there has been checked")

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        answer = self.answers[args.token.rpartition(":")[2]]
        if answer is None:
            raise RuntimeError("ResourceNotFound")
        return answer, []


def look(changes: dict[str, Any], answers: dict[str, Any], settings: dict[str, Any] | None = None) -> Existing:
    """Look for what stack prod names, in an Azure whose good answers are changed."""
    config = use_stack("prod", (EXISTING if settings is None else settings) | changes)
    pulumi.runtime.set_mocks(Azure(GOOD | answers), project="azure-mysql-ha", stack="prod", preview=True)
    return find(load(config))


def network(**changes: Any) -> dict[str, Any]:
    """Return the answer about the virtual network, with other properties of the subnet."""
    answer = copy.deepcopy(GOOD["getVirtualNetwork"])
    cast(dict[str, Any], answer["subnets"][1]).update(changes)
    return {"getVirtualNetwork": answer}


def role(actions: list[str], not_actions: list[str], *scopes: str) -> dict[str, Any]:
    """Return the answer about a role."""
    permissions = [{"actions": actions, "notActions": not_actions}]
    answer = {"id": ROLE, "roleName": "Power", "permissions": permissions, "assignableScopes": scopes or ("/",)}
    return {"getRoleDefinition": answer}


def vault(**properties: Any) -> dict[str, Any]:
    """Return the answer about the vault, with other properties."""
    answer = GOOD["getVault"]
    return {"getVault": answer | {"properties": answer["properties"] | properties}}


def account(**properties: Any) -> dict[str, Any]:
    """Return the answer about the storage account, with other properties."""
    return {"getStorageAccount": GOOD["getStorageAccount"] | properties}


def test_what_fits_is_used() -> None:
    found = look({}, {})
    group = ExistingGroup("data", f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data")
    assert found == Existing(group, str(EXISTING["existingSubnetId"]), ROLE)


def test_azure_is_not_asked_where_nothing_is_named() -> None:
    assert look({}, dict.fromkeys(GOOD), {}) == Existing(None, None, None)


def test_how_a_workspace_takes_samples() -> None:
    url = (
        "https://m-a1.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0123/streams"
        "/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24"
    )
    assert look(WRITES, {}, {}).workspace == Workspace(url, f"{MANAGED}/dataCollectionRules/the-rule")


def test_a_role_is_not_looked_at_while_fencing_is_off() -> None:
    assert look({"fencing": "off"}, {"getRoleDefinition": None}).role_id is None


GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data"

BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"getResourceGroup": None}, "existingResourceGroup: resource group data cannot be read: "),
    ({}, {"getVirtualNetwork": None}, "existingSubnetId: virtual network hub cannot be read: "),
    (
        {},
        {"getVirtualNetwork": GOOD["getVirtualNetwork"] | {"location": "northeurope"}},
        "existingSubnetId: is in region northeurope, but location is westeurope; both must be the same",
    ),
    (
        {},
        {"getVirtualNetwork": GOOD["getVirtualNetwork"] | {"subnets": []}},
        "existingSubnetId: virtual network hub has no subnet data",
    ),
    (
        {},
        network(addressPrefix="10.9.0.0/24"),
        "existingSubnetId: has the network 10.9.0.0/24, but subnet is 10.34.0.0/24",
    ),
    (
        {"existingSubnetId": str(EXISTING["existingSubnetId"]).replace("00000000-", "11111111-", 1)},
        {},
        "existingSubnetId: is in subscription 11111111-0000-0000-0000-000000000000; machines of subscription",
    ),
    ({}, {"getRoleDefinition": None}, "existingRoleDefinitionId: role 9980e02c-c2be-4d73-94e8-173b1dc7cf3c cannot be"),
    (
        {},
        role(["Microsoft.Compute/*/read"], []),
        "existingRoleDefinitionId: role Power does not allow Microsoft.Compute/virtualMachines/powerOff/action,"
        " Microsoft.Compute/virtualMachines/start/action",
    ),
    (
        {},
        role(["*"], ["microsoft.compute/virtualmachines/start/action"]),
        "existingRoleDefinitionId: role Power does not allow Microsoft.Compute/virtualMachines/start/action",
    ),
    (
        {},
        role(["Microsoft.Compute/*"], [], "/subscriptions/other", f"{GROUP}2"),
        "existingRoleDefinitionId: role Power can be assigned only in /subscriptions/other, "
        f"{GROUP}2, and not in {GROUP}",
    ),
    (
        {},
        network(delegations=[{"serviceName": "Microsoft.DBforMySQL/flexibleServers"}]),
        "existingSubnetId: subnet data is delegated to Microsoft.DBforMySQL/flexibleServers, so no machine",
    ),
    ({}, {"getNatGateway": None}, "existingSubnetId: NAT gateway out cannot be read: "),
    (
        {},
        vault(networkAcls={"defaultAction": "Deny", "bypass": "None"}),
        "diskEncryptionKeyVaultId: vault keys is closed to Azure's own services, so disks could not be encrypted",
    ),
    (
        {},
        vault(publicNetworkAccess="Disabled"),
        "diskEncryptionKeyVaultId: vault keys is closed to Azure's own services",
    ),
    ({}, {"getKey": {"kty": "EC"}}, "diskEncryptionKeyVaultId: key disks is of type EC; Azure encrypts disks with RSA"),
    ({}, {"getVault": None}, "diskEncryptionKeyVaultId: vault keys cannot be read: "),
    (
        {},
        {"getVault": GOOD["getVault"] | {"location": "northeurope"}},
        "diskEncryptionKeyVaultId: is in region northeurope, but location is westeurope",
    ),
    (
        {},
        {"getVault": {"location": "westeurope", "properties": {"enableRbacAuthorization": True}}},
        "diskEncryptionKeyVaultId: vault keys has no purge protection",
    ),
    (
        {},
        {"getPrivateZone": None},
        "existingPrivateDnsZoneId: private DNS zone corp.example cannot be read: ",
    ),
    (
        {
            "existingPrivateDnsZoneId": str(EXISTING["existingPrivateDnsZoneId"]).replace("00000000-", "11111111-", 1),
        },
        {},
        "existingPrivateDnsZoneId: is in subscription 11111111-0000-0000-0000-000000000000; this stack makes its name",
    ),
    ({}, {"getStorageAccount": None}, "existingBackupStorageAccountId: storage account starchive cannot be read: "),
    ({}, {"getBlobServiceProperties": None}, "existingBackupStorageAccountId: the blob service of storage account "),
    (
        {},
        account(kind="FileStorage"),
        "existingBackupStorageAccountId: storage account starchive is of kind FileStorage; backups need StorageV2 or",
    ),
    (
        {},
        account(isHnsEnabled=True),
        "existingBackupStorageAccountId: storage account starchive has a hierarchical namespace, which keeps no",
    ),
    (
        {},
        account(publicNetworkAccess="Disabled"),
        "existingBackupStorageAccountId: storage account starchive is closed to public networks",
    ),
    (
        {
            "existingBackupStorageAccountId": str(EXISTING["existingBackupStorageAccountId"]).replace(
                "00000000-", "11111111-", 1
            )
        },
        {},
        "existingBackupStorageAccountId: is in subscription 11111111-0000-0000-0000-000000000000; this stack makes its",
    ),
    (
        {},
        {"getVault": {"location": "westeurope", "properties": {"enablePurgeProtection": True}}},
        "diskEncryptionKeyVaultId: vault keys uses access policies",
    ),
    (
        WRITES | {"monitorWorkspaceId": WORKSPACE.replace("00000000-", "11111111-", 1)},
        {},
        "monitorWorkspaceId: is in subscription 11111111-0000-0000-0000-000000000000; this stack looks it up in",
    ),
    (WRITES, {"getAzureMonitorWorkspace": None}, "monitorWorkspaceId: Azure Monitor workspace metrics cannot be read:"),
    (WRITES, {"getDataCollectionRule": None}, "monitorWorkspaceId: data collection rule the-rule cannot be read: "),
    (
        WRITES,
        {"getDataCollectionEndpoint": None},
        "monitorWorkspaceId: data collection endpoint the-endpoint cannot be read: ",
    ),
    (
        WRITES,
        {"getDataCollectionEndpoint": {}},
        "monitorWorkspaceId: data collection endpoint the-endpoint of workspace metrics takes no metrics",
    ),
]


@pytest.mark.parametrize(("changes", "answers", "line"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_does_not_fit_is_told(changes: dict[str, Any], answers: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingsError) as raised:
        look(changes, answers)
    assert [told.removeprefix(PREFIX)[: len(line)] for told in raised.value.mistakes] == [line]


def test_all_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        look({}, {name: None for name in GOOD if name != "getClientConfig"})
    assert [told.removeprefix(PREFIX).partition(":")[0] for told in raised.value.mistakes] == [
        "existingResourceGroup",
        "existingSubnetId",
        "existingPrivateDnsZoneId",
        "existingRoleDefinitionId",
        "diskEncryptionKeyVaultId",
        "existingBackupStorageAccountId",
    ]


def test_a_storage_account_is_not_looked_at_while_backup_is_off() -> None:
    look({"backup": False}, {"getStorageAccount": None})


@pytest.mark.parametrize(
    ("answers", "warning"),
    [
        ({}, ""),
        (account(allowSharedKeyAccess=None), "anyone who has a key of storage account starchive can read its backups"),
        (account(minimumTlsVersion="TLS1_0"), "storage account starchive accepts connections without TLS 1.2"),
        ({"getBlobServiceProperties": {}}, "storage account starchive keeps no versions of blobs"),
        (
            account(networkRuleSet={"defaultAction": "Deny"}),
            "storage account starchive lets in selected networks only; the nodes' subnet, or the address by which they"
            " leave, must be among them",
        ),
    ],
)
def test_what_the_owner_of_a_storage_account_may_repair_is_a_warning(
    answers: dict[str, Any], warning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    look({}, answers)
    assert besides_clear_text(warnings) == ([warning] if warning else [])


@pytest.mark.parametrize(
    ("changes", "links", "warning"),
    [
        ({}, 0, "private DNS zone corp.example is linked to no virtual network, so nobody finds a name in it"),
        ({}, 1, ""),
        ({"existingSubnetId": ""}, 0, ""),  # the stack links its own network
    ],
)
def test_a_zone_that_nobody_asks_is_a_warning(
    changes: dict[str, Any], links: int, warning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    look(changes, {"getPrivateZone": {"numberOfVirtualNetworkLinks": links}})
    assert besides_clear_text(warnings) == ([warning] if warning else [])


@pytest.mark.parametrize(
    ("access", "warning"),
    [
        ("Enabled", ""),
        ("Disabled", "data collection endpoint the-endpoint of workspace metrics is closed to public networks"),
    ],
)
def test_a_closed_workspace_is_a_warning(access: str, warning: str, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    look(
        WRITES,
        {
            "getDataCollectionEndpoint": GOOD["getDataCollectionEndpoint"]
            | {"networkAcls": {"publicNetworkAccess": access}}
        },
        {},
    )
    assert [told[: len(warning)] for told in besides_clear_text(warnings)] == ([warning] if warning else [])


def test_a_vault_of_another_subscription_is_not_read() -> None:
    elsewhere = str(EXISTING["diskEncryptionKeyVaultId"]).replace("00000000-", "11111111-", 1)
    look({"diskEncryptionKeyVaultId": elsewhere}, {"getVault": None})


@pytest.mark.parametrize(
    "answers",
    [
        {"getVirtualNetwork": GOOD["getVirtualNetwork"] | {"location": "West Europe"}},
        {"getVault": GOOD["getVault"] | {"location": "West Europe"}},
        vault(networkAcls={"defaultAction": "Deny", "bypass": "AzureServices"}, publicNetworkAccess="Disabled"),
        vault(networkAcls={"defaultAction": "Allow", "bypass": "None"}),
        {"getKey": {"kty": "RSA-HSM"}},
        role(["*"], [], "/providers/Microsoft.Management/managementGroups/all"),
        role(["*"], [], GROUP.upper()),
        role(["*"], [], f"/subscriptions/{SUBSCRIPTION}"),
    ],
)
def test_what_azure_takes_is_taken(answers: dict[str, Any]) -> None:
    look({}, answers)


@pytest.mark.parametrize(
    ("changes", "gateway", "warning"),
    [
        ({}, {"sku": {"name": "Standard"}}, "NAT gateway out is in one zone (Azure does not say which), but the nodes"),
        ({}, {"sku": {"name": "Standard"}, "zones": ["1"]}, "NAT gateway out is in zone 1, but the nodes are in two"),
        ({}, {"sku": {"name": "StandardV2"}}, ""),
        ({"zones": ["1"]}, {"sku": {"name": "Standard"}, "zones": ["1"]}, ""),
    ],
)
def test_a_way_out_of_one_zone_is_told(
    changes: dict[str, Any], gateway: dict[str, Any], warning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    look(changes, {"getNatGateway": gateway})
    told = besides_clear_text(warnings)
    assert [each[: len(warning)] for each in told] == ([warning] if warning else [])


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"networkSecurityGroup": None}, "subnet data has no security group"),
        ({"natGateway": None}, "subnet data has no NAT gateway and no route"),
        ({"natGateway": None, "routeTable": {"id": "rt"}}, ""),
        ({}, ""),
    ],
)
def test_what_may_be_arranged_otherwise_is_a_warning(
    changes: dict[str, Any], warning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    look({}, network(**changes))
    told = besides_clear_text(warnings)
    assert [each[: len(warning)] for each in told] == ([warning] if warning else [])
