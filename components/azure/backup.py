"""Where the nodes keep backups: two containers of a storage account, in which they add and read, and delete nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, compute, storage

from components.azure.place import Place
from components.azure.role import assign_role, make_role, principal_of
from components.backup_store import BackupStore
from components.settings.settings import Settings
from configs.backup.blobs import CONTAINER, STATE_CONTAINER

# What an upload, a download and a list of blobs need, and no delete
# (learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory).
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
ACTIONS = ("Microsoft.Storage/storageAccounts/blobServices/containers/read",)
DATA_ACTIONS = (f"{_BLOBS}/read", f"{_BLOBS}/write", f"{_BLOBS}/add/action")

# For the second that was backupDays ago there must be a base from before it. There is one a night, so this is how many
# nights in a row may fail.
_SPARE_DAYS = 7

# Within these, what somebody with more rights than the nodes has deleted can be had back.
_UNDELETE_DAYS = 14


@dataclass(frozen=True)
class BackupArgs:
    """What backups are kept in.

    Args:
        settings: the stack's.
        machines: the two virtual machines by node name, each with an identity of its own.
    """

    place: Place
    settings: Settings
    machines: Mapping[str, compute.VirtualMachine]


class Backup(pulumi.ComponentResource):
    """The containers, in a storage account of the cluster's own or one that is there; and the nodes' role at them."""

    store: BackupStore

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Backup", name, None, opts)
        self._name, self._args = name, args
        settings = args.settings
        # With what it holds it goes only if protectData says so.
        self._guarded = pulumi.ResourceOptions(parent=self, protect=settings.disks.protect_data)
        existing = settings.backup.existing_backup_storage_account_id
        self._account = settings.backup_account
        self._group = existing.group if existing else args.place.group_name
        group_id = pulumi.Output.from_input(existing.group_id if existing else args.place.group_id)
        state = self._make_container(STATE_CONTAINER, after=[] if existing else [self._make_account()])
        # Last, since Pulumi deletes in the opposite order: Azure refuses while it has blobs, and then all else of the
        # backups is still there.
        backup = self._make_container(CONTAINER, after=[state])
        immutable = self._make_immutable(backup)
        role = make_role(
            f"{name}-role",
            "Backup",
            "Add and read blobs, but delete none.",
            authorization.PermissionArgs(actions=list(ACTIONS), data_actions=list(DATA_ACTIONS)),
            place=args.place,
            scope=group_id,
            key="/backup",
            parent=self,
        )
        self.store = BackupStore(
            account=self._account,
            account_id=existing.text
            if existing
            else pulumi.Output.concat(group_id, "/providers/Microsoft.Storage/storageAccounts/", self._account),
            ready={
                node: [
                    immutable,
                    *(
                        assign_role(
                            f"{node}-keeps-{container}",
                            role_id=role.id,
                            principal_id=principal_of(machine),
                            scope=made.id,
                            parent=self,
                        )
                        for container, made in ((CONTAINER, backup), (STATE_CONTAINER, state))
                    ),
                ]
                for node, machine in args.machines.items()
            },
        )
        self.register_outputs({})

    def _make_account(self) -> pulumi.Resource:
        """Make the account with its rules; return the last of them, without which nothing is to be put there."""
        name, settings, place = self._name, self._args.settings, self._args.place
        account = storage.StorageAccount(
            f"{name}-account",
            account_name=self._account,
            resource_group_name=place.group_name,
            location=place.location,
            kind=storage.Kind.STORAGE_V2,
            sku=storage.SkuArgs(
                name=storage.SkuName.STANDARD_ZRS if settings.machines.zones else storage.SkuName.STANDARD_LRS
            ),
            access_tier=storage.AccessTier.HOT,
            # Only who has a role gets in, and shows it by a token of Entra ID's.
            allow_shared_key_access=False,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            enable_https_traffic_only=True,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            # Azure takes an account into other zones by a conversion only, which is asked for by hand
            # (learn.microsoft.com/azure/storage/common/redundancy-migration).
            opts=pulumi.ResourceOptions.merge(self._guarded, pulumi.ResourceOptions(ignore_changes=["sku"])),
        )
        service = storage.BlobServiceProperties(
            f"{name}-service",
            account_name=account.name,
            resource_group_name=place.group_name,
            blob_services_name="default",
            is_versioning_enabled=True,
            delete_retention_policy=storage.DeleteRetentionPolicyArgs(enabled=True, days=_UNDELETE_DAYS),
            container_delete_retention_policy=storage.DeleteRetentionPolicyArgs(enabled=True, days=_UNDELETE_DAYS),
            # A part of the account, which goes with it.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        return storage.ManagementPolicy(
            f"{name}-end",
            account_name=account.name,
            resource_group_name=place.group_name,
            management_policy_name="default",
            policy=storage.ManagementPolicySchemaArgs(
                rules=[
                    _rule("end-of-backups", f"{CONTAINER}/", days=settings.backup.backup_days + _SPARE_DAYS),
                    _rule("old-versions", f"{STATE_CONTAINER}/", days=None),
                ]
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[service]),
        )

    def _make_container(self, container: str, *, after: Sequence[pulumi.Resource]) -> storage.BlobContainer:
        return storage.BlobContainer(
            f"{self._name}-{container}",
            account_name=self._account,
            resource_group_name=self._group,
            container_name=container,
            public_access=storage.PublicAccess.NONE,
            opts=pulumi.ResourceOptions.merge(self._guarded, pulumi.ResourceOptions(depends_on=after)),
        )

    def _make_immutable(self, container: storage.BlobContainer) -> storage.BlobContainerImmutabilityPolicy:
        return storage.BlobContainerImmutabilityPolicy(
            f"{self._name}-immutable",
            account_name=self._account,
            resource_group_name=self._group,
            container_name=CONTAINER,
            immutability_policy_name="default",
            # Unlocked: an owner of the account can take it away, so that a cluster can be given up before its time.
            immutability_period_since_creation_in_days=self._args.settings.backup.backup_days,
            allow_protected_append_writes=False,
            # It goes with its container. By itself Azure deletes it only for a caller that names its ETag, which the
            # provider does not (github.com/pulumi/pulumi-azure-native/issues/2156).
            opts=pulumi.ResourceOptions(parent=self, depends_on=[container], retain_on_delete=True),
        )


def _rule(name: str, prefix: str, *, days: int | None) -> storage.ManagementPolicyRuleArgs:
    """Return a rule by which Azure deletes blobs.

    Args:
        days: age at which a blob is deleted; None for never. What was written over goes after a day.
    """
    return storage.ManagementPolicyRuleArgs(
        name=name,
        enabled=True,
        type=storage.RuleType.LIFECYCLE,
        definition=storage.ManagementPolicyDefinitionArgs(
            filters=storage.ManagementPolicyFilterArgs(blob_types=["blockBlob"], prefix_match=[prefix]),
            actions=storage.ManagementPolicyActionArgs(
                base_blob=storage.ManagementPolicyBaseBlobArgs(
                    delete=storage.DateAfterModificationArgs(days_after_modification_greater_than=days)
                )
                if days
                else None,
                version=storage.ManagementPolicyVersionArgs(
                    delete=storage.DateAfterCreationArgs(days_after_creation_greater_than=days or 1)
                ),
            ),
        ),
    )
