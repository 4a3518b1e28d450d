"""Encryption of all disks by a key of the user's own in Key Vault."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import compute

from components.azure.place import Place
from components.azure.role import assign_role
from components.settings.encryption import EncryptionKey

# "Key Vault Crypto Service Encryption User": reads a key's description, wraps and unwraps with it
# (learn.microsoft.com/azure/role-based-access-control/built-in-roles/security).
_ENCRYPTION_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"


@dataclass(frozen=True)
class EncryptionArgs:
    """What encryption is made of.

    Args:
        place: where it is made: in the vault's region.
    """

    place: Place
    key: EncryptionKey


class Encryption(pulumi.ComponentResource):
    """A disk encryption set, and its right to use the one key.

    Attributes:
        set_id: resource id of the set, known when it may use the key.
    """

    set_id: pulumi.Output[str]

    def __init__(self, name: str, args: EncryptionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Encryption", name, None, opts)
        encryption_set = compute.DiskEncryptionSet(
            f"{name}-set",
            disk_encryption_set_name=f"des-{args.place.cluster_name}",
            resource_group_name=args.place.group_name,
            location=args.place.location,
            identity=compute.EncryptionSetIdentityArgs(type=compute.DiskEncryptionSetIdentityType.SYSTEM_ASSIGNED),
            encryption_type=compute.DiskEncryptionSetType.ENCRYPTION_AT_REST_WITH_CUSTOMER_KEY,
            active_key=compute.KeyForDiskEncryptionSetArgs(key_url=args.key.url),
            # A new version is the user's decision: told in the setting, and seen in a preview.
            rotation_to_latest_key_version_enabled=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        right = assign_role(
            f"{name}-uses-the-key",
            role_id=(
                f"/subscriptions/{args.key.vault.subscription}/providers/Microsoft.Authorization/roleDefinitions/"
                f"{_ENCRYPTION_USER}"
            ),
            principal_id=encryption_set.identity.apply(lambda identity: identity.principal_id if identity else ""),
            scope=args.key.id,
            parent=self,
        )
        # A disk that came before the right would be refused.
        self.set_id = pulumi.Output.all(encryption_set.id, right.id).apply(lambda ids: ids[0])
        self.register_outputs({})
