"""What is there already and is used, not made: read before anything is made, and never changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

import pulumi
from pulumi_azure_native import authorization, keyvault, monitor, network, privatedns, resources, storage

from components.azure.fencing import ACTIONS
from components.azure.place import ExistingGroup
from components.azure.workspace import Workspace, ingestion_url
from components.settings.azure_id import AzureId, id_of, region
from components.settings.encryption import EncryptionKey
from components.settings.load import SettingsError
from components.settings.mistake import Mistake
from components.settings.network import NetworkSection
from components.settings.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Existing:
    """What the settings name.

    Args:
        group: the resource group; None where the cluster makes its own.
        subnet_id: resource id of the subnet; None where the cluster makes its own network.
        role_id: resource id of the role for fencing; None where the cluster makes its own.
        workspace: where the witness's Prometheus writes to; None where it writes nowhere.
    """

    group: ExistingGroup | None
    subnet_id: str | None
    role_id: str | None
    workspace: Workspace | None = None


def find(settings: Settings) -> Existing:
    """Read all that the settings name, and check that it can be used.

    Raises:
        SettingsError: something is not there, or is not such as the cluster needs; all of it is named.
    """
    mistakes: list[str] = []

    def check(key: str, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except Mistake as mistake:
            mistakes.append(f"azure-mysql-ha:{key}: {mistake}")
            return None

    group = subnet_id = role_id = workspace = None
    location = settings.names.location
    if name := settings.names.existing_resource_group:
        group = check("existingResourceGroup", lambda: _group(name))
    if subnet := settings.network.existing_subnet_id:
        in_zones = len(settings.machines.zones) > 1
        subnet_id = check("existingSubnetId", lambda: _subnet(subnet, settings.network, location, in_zones=in_zones))
    if zone := settings.endpoint.existing_private_dns_zone_id:
        check("existingPrivateDnsZoneId", lambda: _check_zone(zone, is_linked=subnet is None))
    if (role := settings.fencing.existing_role_definition_id) and settings.fencing.fencing:
        role_id = check("existingRoleDefinitionId", lambda: _role(role, settings.names.resource_group))
    if key := settings.encryption.key:
        check("diskEncryptionKeyVaultId", lambda: _check_vault(key, location))
    if (account := settings.backup.existing_backup_storage_account_id) and settings.backup.backup:
        check("existingBackupStorageAccountId", lambda: _check_account(account))
    if workspace_id := settings.monitoring.monitor_workspace_id:
        workspace = check("monitorWorkspaceId", lambda: _workspace(workspace_id))
    if source := settings.begins_with:
        from components.azure import restorable  # Azure's clients take half a second to load

        server = settings.machines.operating_system.database
        backup = check("restoreFrom", lambda: restorable.read(source))
        plan = backup and check("restoreTo", lambda: restorable.plan(backup, settings.backup.restore_to))
        base = backup and plan and check("restoreFrom", lambda: restorable.base(backup, plan, server))
        if base:
            check("dataDiskSizeGb", lambda: restorable.check_size(base, settings.disks.data_disk_size_gb))
    if mistakes:
        raise SettingsError(pulumi.get_stack(), mistakes)
    return Existing(group, subnet_id, role_id, workspace)


def _read(what: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except Exception as error:  # the SDK has no narrower one
        raise Mistake(f"{what} cannot be read: {error}") from None


def _subscription() -> str:
    return authorization.get_client_config().subscription_id


def _group(name: str) -> ExistingGroup:
    found = _read(f"resource group {name}", lambda: resources.get_resource_group(resource_group_name=name))
    return ExistingGroup(name, found.id)


def _subnet(subnet: AzureId, settings: NetworkSection, location: str, *, in_zones: bool) -> str:
    """Return the id of a subnet in which machines of this region can have the addresses that the settings give them."""
    # Azure puts interface and virtual network into one subscription and one region.
    if (here := _read("the subscription", _subscription)).lower() != subnet.subscription.lower():
        raise Mistake(f"is in subscription {subnet.subscription}; machines of subscription {here} cannot be in it")
    network_name, subnet_name = subnet.names
    found = _read(
        f"virtual network {network_name}",
        lambda: network.get_virtual_network(resource_group_name=subnet.group, virtual_network_name=network_name),
    )
    _check_region(found.location, location)
    one = next((each for each in found.subnets or () if (each.name or "").lower() == subnet_name.lower()), None)
    if one is None:
        raise Mistake(f"virtual network {network_name} has no subnet {subnet_name}")
    prefixes = [*([one.address_prefix] if one.address_prefix else []), *(one.address_prefixes or [])]
    if str(settings.subnet) not in prefixes:
        raise Mistake(f"has the network {' and '.join(dict.fromkeys(prefixes))}, but subnet is {settings.subnet}")
    if services := [each.service_name or "" for each in one.delegations or ()]:
        raise Mistake(
            f"subnet {subnet_name} is delegated to {', '.join(services)}, so no machine can be in it; choose another"
        )
    # The owner's business, which may be arranged in other ways, too.
    if one.network_security_group is None:
        pulumi.log.warn(
            f"subnet {subnet_name} has no security group; docs/operations/existing-things.md says what it must let in"
        )
    if one.nat_gateway is None and one.route_table is None:
        pulumi.log.warn(f"subnet {subnet_name} has no NAT gateway and no route: nodes need a way out to Azure's API")
    if one.nat_gateway and one.nat_gateway.id and in_zones:
        _warn_of_one_zone(one.nat_gateway.id)
    return subnet.text


def _check_region(found: str | None, location: str) -> None:
    if region(found or "") != region(location):
        raise Mistake(f"is in region {found}, but location is {location}; both must be the same")


def _warn_of_one_zone(nat_gateway_id: str) -> None:
    """Warn of a way out that ends with one zone; if that fails with a node, the other one cannot fence it."""
    gateway = id_of("Microsoft.Network/natGateways/NAME")(nat_gateway_id)
    (name,) = gateway.names
    found = _read(
        f"NAT gateway {name}",
        lambda: network.get_nat_gateway(resource_group_name=gateway.group, nat_gateway_name=name),
    )
    if found.sku is None or found.sku.name != "StandardV2":
        zone = f"zone {found.zones[0]}" if found.zones else "one zone (Azure does not say which)"
        pulumi.log.warn(
            f"NAT gateway {name} is in {zone}, but the nodes are in two: if that zone fails, the node in the other one"
            " cannot fence, so nobody serves; a gateway of SKU StandardV2 is in all zones"
        )


def _check_zone(zone: AzureId, *, is_linked: bool) -> None:
    """Check that a name can be made in a private DNS zone.

    Args:
        is_linked: whether this stack links the zone to a network.
    """
    if (here := _read("the subscription", _subscription)).lower() != zone.subscription.lower():
        raise Mistake(f"is in subscription {zone.subscription}; this stack makes its name in subscription {here}")
    (name,) = zone.names
    found = _read(
        f"private DNS zone {name}",
        lambda: privatedns.get_private_zone(resource_group_name=zone.group, private_zone_name=name),
    )
    if not is_linked and not found.number_of_virtual_network_links:
        pulumi.log.warn(f"private DNS zone {name} is linked to no virtual network, so nobody finds a name in it")


def _role(role: AzureId, group_name: str) -> str:
    """Return the role's id as Azure has it, which grants all that fencing needs, and can be assigned in the group."""
    here = _read("the subscription", _subscription)
    scope = f"/subscriptions/{role.subscription or here}"
    found = _read(
        f"role {role.names[0]}",
        lambda: authorization.get_role_definition(role_definition_id=role.names[0], scope=scope),
    )
    # Found out otherwise when a node has to be fenced, and cannot be.
    granted = found.permissions or ()
    missing = [
        action
        for action in ACTIONS
        if not any(
            _has(permission.actions or (), action) and not _has(permission.not_actions or (), action)
            for permission in granted
        )
    ]
    if missing:
        raise Mistake(f"role {found.role_name} does not allow {', '.join(missing)}")
    group = f"/subscriptions/{here}/resourceGroups/{group_name}"
    scopes = found.assignable_scopes or ()
    if not any(_covers(scope, group) for scope in scopes):
        raise Mistake(f"role {found.role_name} can be assigned only in {', '.join(scopes)}, and not in {group}")
    return found.id


def _covers(scope: str, group: str) -> bool:
    """Tell whether an assignable scope is around a group; of management groups only Azure knows."""
    if scope.lower().startswith("/providers/microsoft.management/managementgroups/"):
        return True
    return f"{group}/".lower().startswith(f"{scope.rstrip('/')}/".lower())


def _has(patterns: Sequence[str], action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def _check_vault(key: EncryptionKey, location: str) -> None:
    """Check what Azure asks of a vault and a key that encrypt disks, and how the key's users are named."""
    vault = key.vault
    if vault.subscription.lower() != _read("the subscription", _subscription).lower():
        return  # allowed, and not readable from here
    (name,) = vault.names
    found = _read(f"vault {name}", lambda: keyvault.get_vault(resource_group_name=vault.group, vault_name=name))
    _check_region(found.location, location)
    properties = found.properties
    if not properties.enable_purge_protection:
        raise Mistake(
            f"vault {name} has no purge protection, which Azure requires: if somebody purged"
            " the key, all disks would be lost"
        )
    if not properties.enable_rbac_authorization:
        raise Mistake(
            f"vault {name} uses access policies, but the right to use the key is granted by a role; switch"
            " it to role-based access"
        )
    rules = properties.network_acls
    is_closed = properties.public_network_access == "Disabled" or (rules and rules.default_action == "Deny")
    if is_closed and (rules is None or rules.bypass != "AzureServices"):
        raise Mistake(
            f"vault {name} is closed to Azure's own services, so disks could not be encrypted; let trusted Microsoft"
            " services bypass its firewall: az keyvault update --bypass AzureServices"
        )
    key_name = key.id.rpartition("/")[2]
    found_key = _read(
        f"key {key_name}",
        lambda: keyvault.get_key(resource_group_name=vault.group, vault_name=name, key_name=key_name),
    )
    if found_key.kty not in ("RSA", "RSA-HSM"):
        raise Mistake(f"key {key_name} is of type {found_key.kty}; Azure encrypts disks with RSA keys only")


def _check_account(account: AzureId) -> None:
    """Check that containers of backups can be made in a storage account, and warn of what the owner may repair."""
    if (here := _read("the subscription", _subscription)).lower() != account.subscription.lower():
        raise Mistake(
            f"is in subscription {account.subscription}; this stack makes its containers in subscription {here}"
        )
    (name,) = account.names
    found = _read(
        f"storage account {name}",
        lambda: storage.get_storage_account(resource_group_name=account.group, account_name=name),
    )
    if found.kind not in ("StorageV2", "BlockBlobStorage"):
        raise Mistake(f"storage account {name} is of kind {found.kind}; backups need StorageV2 or BlockBlobStorage")
    if found.is_hns_enabled:
        raise Mistake(f"storage account {name} has a hierarchical namespace, which keeps no versions of blobs")
    if found.public_network_access == "Disabled":
        raise Mistake(f"storage account {name} is closed to public networks, but the nodes reach it through one")
    if found.network_rule_set and found.network_rule_set.default_action == "Deny":
        pulumi.log.warn(
            f"storage account {name} lets in selected networks only; the nodes' subnet, or the address by which they"
            " leave, must be among them"
        )
    if not found.enable_https_traffic_only or found.minimum_tls_version in (None, "TLS1_0", "TLS1_1"):
        pulumi.log.warn(f"storage account {name} accepts connections without TLS 1.2")
    if found.allow_shared_key_access is not False:
        pulumi.log.warn(f"anyone who has a key of storage account {name} can read its backups")
    service = _read(
        f"the blob service of storage account {name}",
        lambda: storage.get_blob_service_properties(
            resource_group_name=account.group, account_name=name, blob_services_name="default"
        ),
    )
    if not service.is_versioning_enabled:
        pulumi.log.warn(f"storage account {name} keeps no versions of blobs")


def _workspace(workspace: AzureId) -> Workspace:
    """Return how an Azure Monitor workspace takes samples: by the rule and the endpoint that Azure has made with it."""
    if (here := _read("the subscription", _subscription)).lower() != workspace.subscription.lower():
        raise Mistake(f"is in subscription {workspace.subscription}; this stack looks it up in subscription {here}")
    (name,) = workspace.names
    found = _read(
        f"Azure Monitor workspace {name}",
        lambda: monitor.get_azure_monitor_workspace(
            resource_group_name=workspace.group, azure_monitor_workspace_name=name
        ),
    )
    settings = found.default_ingestion_settings
    rule_id = id_of("Microsoft.Insights/dataCollectionRules/NAME")(settings.data_collection_rule_resource_id)
    rule = _read(
        f"data collection rule {rule_id.names[0]}",
        lambda: monitor.get_data_collection_rule(
            resource_group_name=rule_id.group, data_collection_rule_name=rule_id.names[0]
        ),
    )
    endpoint_id = id_of("Microsoft.Insights/dataCollectionEndpoints/NAME")(
        settings.data_collection_endpoint_resource_id
    )
    endpoint = _read(
        f"data collection endpoint {endpoint_id.names[0]}",
        lambda: monitor.get_data_collection_endpoint(
            resource_group_name=endpoint_id.group, data_collection_endpoint_name=endpoint_id.names[0]
        ),
    )
    if endpoint.network_acls and endpoint.network_acls.public_network_access == "Disabled":
        pulumi.log.warn(
            f"data collection endpoint {endpoint_id.names[0]} of workspace {name} is closed to public networks: the"
            " witness needs a private link to it, which is the owner's business"
        )
    if endpoint.metrics_ingestion is None:
        raise Mistake(f"data collection endpoint {endpoint_id.names[0]} of workspace {name} takes no metrics")
    return Workspace(ingestion_url(endpoint.metrics_ingestion.endpoint, rule.immutable_id), rule.id)
