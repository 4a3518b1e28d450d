"""Key vaults and their keys, as far as disks are encrypted by them: no key is ever made, only its name and version."""

import re
import uuid

from lab.cloud.errors import ArmError, bad_request, conflict
from lab.cloud.fields import choice, flag, integer, section, text
from lab.cloud.inventory import VAULT, VAULT_KEY, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind
from lab.cloud.site import Site
from lab.cloud.state import Store
from lab.cloud.tokens import TENANT


class VaultKind(Kind):
    type = VAULT
    name = re.compile(r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]")

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check tenant, SKU and protection; the name is one in the whole world."""
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        if text(given, "tenantId").lower() != TENANT:
            raise bad_request("BadRequest", f"An invalid value was provided for 'tenantId': it must be {TENANT}.")
        for other in inventory.of_type(VAULT):
            if other.name.lower() == target.name.lower() and other.key != resource.key:
                raise conflict("VaultAlreadyExists", f"The vault name '{target.name}' is already in use.")
        protected = given.get("enablePurgeProtection")
        if protected is False:
            raise bad_request(
                "BadRequest", 'The property "enablePurgeProtection" cannot be set to false. Leave it out instead.'
            )
        sku = section(given, "sku")
        resource.properties.update(
            {
                "tenantId": TENANT,
                "sku": {"family": choice(sku, "family", ("A",)), "name": choice(sku, "name", ("standard", "premium"))},
                "accessPolicies": given.get("accessPolicies") or [],
                "enableSoftDelete": True,
                "softDeleteRetentionInDays": integer(given, "softDeleteRetentionInDays", 90),
                "enableRbacAuthorization": flag(given, "enableRbacAuthorization"),
                "vaultUri": f"https://{target.name.lower()}.vault.azure.net/",
                "publicNetworkAccess": choice(given, "publicNetworkAccess", ("Enabled", "Disabled"), "Enabled"),
            }
        )
        if acls := section(given, "networkAcls"):
            resource.properties["networkAcls"] = {
                **acls,
                "bypass": choice(acls, "bypass", ("AzureServices", "None"), "AzureServices"),
                "defaultAction": choice(acls, "defaultAction", ("Allow", "Deny"), "Allow"),
            }
        # Once on it stays on.
        if protected or (existing is not None and existing.properties.get("enablePurgeProtection")):
            resource.properties["enablePurgeProtection"] = True
        return resource

    async def removed(self, site: Site, resource: Resource) -> None:
        """Forget its keys."""
        for key in [r for r in site.store if r.key.startswith(f"{resource.key}/")]:
            site.store.discard(key.id)


def lets_services_in(vault: Resource) -> bool:
    """Tell whether Azure's own services reach a vault: they pass by a firewall that says so."""
    acls = section(vault.properties, "networkAcls")
    is_closed = vault.properties["publicNetworkAccess"] == "Disabled" or acls.get("defaultAction") == "Deny"
    return not is_closed or acls.get("bypass") == "AzureServices"


class VaultKeyKind(Kind):
    """`Microsoft.KeyVault/vaults/keys`: Resource Manager makes a key's first version, and nothing after that.

    Azure deletes one by Key Vault's own protocol only; here the vault's end is its end.
    """

    type = VAULT_KEY
    name = re.compile(r"[A-Za-z0-9-]{1,127}")

    def members(self, store: Store, target: ResourceId) -> list[Resource]:
        """Return the keys of a vault."""
        return [r for r in store if r.type == VAULT_KEY and r.key.startswith(f"{target.parent.key}/")]

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check name and kind; a key that is there is returned as it is."""
        vault = inventory.get(str(target.parent), VAULT)
        if vault is None:
            raise ArmError(404, "ParentResourceNotFound", f"Parent resource '{target.names[0]}' not found.")
        if existing is not None:
            return existing
        if not self.name.fullmatch(target.name):
            raise bad_request("InvalidResourceName", f"Resource name {target.name} is invalid for {self.type}.")
        given = section(body, "properties")
        kind = choice(given, "kty", ("RSA", "RSA-HSM", "EC", "EC-HSM"))
        uri = f"{vault.properties['vaultUri']}keys/{target.name}"
        resource = Resource(str(target), self.type, target.name, target.group, vault.location)
        resource.body = {
            "properties": {
                "kty": kind,
                "keySize": integer(given, "keySize", 2048),
                "keyUri": uri,
                "keyUriWithVersion": f"{uri}/{uuid.uuid4().hex}",
            }
        }
        return resource
