"""Encryption of all disks by a key of the user's own in Key Vault."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import compute

from components.azure.role import assign_role

# "Key Vault Crypto Service Encryption User": reads a key's description, wraps and unwraps with it
# (learn.microsoft.com/azure/role-based-access-control/built-in-roles/security).
_ENCRYPTION_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"


@dataclass(frozen=True)
class EncryptionArgs:
    """What encryption is made of.

    Args:
        cluster_name: part of the name.
        location: Azure region, the vault's too.
        resource_group_name: where it is made.
        subscription_id: the subscription of the vault.
        key_url: the key with its version.
        key_id: resource id of the key.
    """

    cluster_name: str
    location: str
    resource_group_name: pulumi.Input[str]
    subscription_id: str
    key_url: str
    key_id: str


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
            disk_encryption_set_name=f"des-{args.cluster_name}",
            resource_group_name=args.resource_group_name,
            location=args.location,
            identity=compute.EncryptionSetIdentityArgs(type=compute.DiskEncryptionSetIdentityType.SYSTEM_ASSIGNED),
            encryption_type=compute.DiskEncryptionSetType.ENCRYPTION_AT_REST_WITH_CUSTOMER_KEY,
            active_key=compute.KeyForDiskEncryptionSetArgs(key_url=args.key_url),
            # A new version is the user's decision: told in the setting, and seen in a preview.
            rotation_to_latest_key_version_enabled=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        right = assign_role(
            f"{name}-uses-the-key",
            role_id=(
                f"/subscriptions/{args.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/"
                f"{_ENCRYPTION_USER}"
            ),
            principal_id=encryption_set.identity.apply(lambda identity: identity.principal_id if identity else ""),
            scope=args.key_id,
            parent=self,
        )
        # A disk that came before the right would be refused.
        self.set_id = pulumi.Output.all(encryption_set.id, right.id).apply(lambda ids: ids[0])
        self.register_outputs({})
