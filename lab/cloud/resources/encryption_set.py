"""Disk encryption sets: who may use which key.  No disk of the lab is really encrypted."""

import uuid

from lab.cloud import roles
from lab.cloud.errors import bad_request, conflict, not_in_lab
from lab.cloud.fields import choice, flag, items, section, text
from lab.cloud.inventory import DISK, ENCRYPTION_SET, ROLE_ASSIGNMENT, VAULT, VAULT_KEY, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId, parse
from lab.cloud.resources.base import COMPUTE_NAME, Kind
from lab.cloud.resources.key_vault import lets_services_in
from lab.cloud.resources.role_definition import role_of
from lab.cloud.tokens import TENANT

_KEY_USES = tuple(f"Microsoft.KeyVault/vaults/keys/{use}" for use in ("read", "wrap/action", "unwrap/action"))


class EncryptionSetKind(Kind):
    type = ENCRYPTION_SET
    name = COMPUTE_NAME
    compute = True

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check identity and key: a version of a key, in a vault of the same region that nobody can purge."""
        resource = self.envelope(inventory, target, body, existing)
        identity = section(body, "identity")
        if choice(identity, "type", ("None", "SystemAssigned", "UserAssigned"), "None") != "SystemAssigned":
            raise not_in_lab("The lab cloud's encryption sets have a system-assigned identity.")
        old = section(existing.body, "identity") if existing else {}
        resource.body["identity"] = {
            "type": "SystemAssigned",
            "principalId": old.get("principalId") or str(uuid.uuid4()),
            "tenantId": TENANT,
        }
        given = section(body, "properties")
        kind = choice(given, "encryptionType", ("EncryptionAtRestWithCustomerKey",), "EncryptionAtRestWithCustomerKey")
        if flag(given, "rotationToLatestKeyVersionEnabled"):
            raise not_in_lab("Keys of the lab have one version, and are not rotated.")
        url = text(section(given, "activeKey"), "keyUrl")
        key = next((k for k in inventory.of_type(VAULT_KEY) if k.properties["keyUriWithVersion"] == url), None)
        if key is None:
            raise bad_request(
                "InvalidParameter", f"The key '{url}' is not there, or is not a key with its version.", "activeKey"
            )
        vault = inventory.get(str(parse(key.id).parent), VAULT)
        assert vault is not None, "a vault's keys go with it"
        if vault.location != resource.location:
            raise bad_request(
                "KeyVaultAndDiskInDifferentRegions",
                f"Key vault {vault.id} is in {vault.location}, and must be in {resource.location}.",
            )
        if not vault.properties.get("enablePurgeProtection"):
            raise bad_request("LabVaultNotProtected", f"Purge protection of key vault {vault.id} must be enabled.")
        if not key.properties["kty"].startswith("RSA"):
            raise bad_request("LabKeyNotRsa", f"The key '{url}' is of type {key.properties['kty']}; it must be RSA.")
        resource.properties.update(
            {"activeKey": {"keyUrl": url}, "encryptionType": kind, "rotationToLatestKeyVersionEnabled": False}
        )
        resource.hidden["key"] = key.id
        return resource

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        users = [disk.id for disk in inventory.of_type(DISK) if _set_of(disk) == resource.key]
        if users:
            raise conflict("OperationNotAllowed", f"Disk encryption set {resource.name} encrypts {', '.join(users)}.")


def _set_of(disk: Resource) -> str:
    return text(section(disk.properties, "encryption"), "diskEncryptionSetId").lower()


def checked_set(inventory: Inventory, identity: str, by: Resource) -> str:
    """Return the id of an encryption set that may use its key.

    Raises:
        ArmError: the set is not there, or Key Vault would not let it use the key (KeyVaultAccessForbidden).
    """
    found = inventory.require(identity, ENCRYPTION_SET, by.id, by.location)
    principal, key = found.body["identity"]["principalId"], found.hidden["key"]
    vault = inventory.get(str(parse(key).parent), VAULT)
    assert vault is not None, "a vault's keys go with it"
    granted = [
        permission
        for assignment in inventory.of_type(ROLE_ASSIGNMENT)
        if text(assignment.properties, "principalId").lower() == principal.lower()
        and roles.covers(text(assignment.properties, "scope"), key)
        for role in (role_of(inventory.store, text(assignment.properties, "roleDefinitionId")),)
        if role is not None
        for permission in items(role.properties, "permissions")
    ]
    by_role = vault.properties["enableRbacAuthorization"]
    may_use = by_role and all(roles.permits_data(granted, use) for use in _KEY_USES)
    if not may_use or not lets_services_in(vault):
        raise bad_request(
            "KeyVaultAccessForbidden",
            f"Unable to access key vault resource '{text(section(found.properties, 'activeKey'), 'keyUrl')}' to enable "
            "encryption at rest. Please grant get, wrap and unwrap key permissions to disk encryption set "
            f"'{found.name}'.",
        )
    return found.id


def encryption_of(inventory: Inventory, identity: str, by: Resource) -> Json:
    """Return a disk's `encryption`: by a set's key, or by the platform's where no set is named."""
    if not identity:
        return {"type": "EncryptionAtRestWithPlatformKey"}
    return {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": checked_set(inventory, identity, by)}
