"""The resource types, one module each."""

from lab.cloud.resources.action_group import ActionGroupKind
from lab.cloud.resources.availability_set import AvailabilitySetKind
from lab.cloud.resources.base import Kind
from lab.cloud.resources.blob_container import BlobContainerKind
from lab.cloud.resources.blob_service import BlobServiceKind
from lab.cloud.resources.disk import DiskKind
from lab.cloud.resources.encryption_set import EncryptionSetKind
from lab.cloud.resources.group import GroupKind
from lab.cloud.resources.immutability_policy import ImmutabilityPolicyKind
from lab.cloud.resources.interface import InterfaceKind
from lab.cloud.resources.key_vault import VaultKeyKind, VaultKind
from lab.cloud.resources.load_balancer import LoadBalancerKind
from lab.cloud.resources.lock import LockKind
from lab.cloud.resources.management_policy import ManagementPolicyKind
from lab.cloud.resources.metric_alert import MetricAlertKind
from lab.cloud.resources.nat_gateway import NatGatewayKind
from lab.cloud.resources.private_zone import DnsRecordKind, PrivateZoneKind, ZoneLinkKind
from lab.cloud.resources.public_address import PublicAddressKind
from lab.cloud.resources.role_assignment import RoleAssignmentKind
from lab.cloud.resources.role_definition import RoleDefinitionKind
from lab.cloud.resources.security_group import SecurityGroupKind
from lab.cloud.resources.storage_account import StorageAccountKind
from lab.cloud.resources.virtual_machine.kind import VirtualMachineKind
from lab.cloud.resources.virtual_network import SubnetKind, VirtualNetworkKind
from lab.cloud.resources.workspace import CollectionEndpointKind, CollectionRuleKind, WorkspaceKind

MACHINES = VirtualMachineKind()

# In the order in which a new start applies them; removed in the opposite one.
ALL: tuple[Kind, ...] = (
    GroupKind(),
    SecurityGroupKind(),
    PublicAddressKind(),
    NatGatewayKind(),
    VirtualNetworkKind(),
    SubnetKind(),
    PrivateZoneKind(),
    ZoneLinkKind(),
    DnsRecordKind(),
    LoadBalancerKind(),
    InterfaceKind(),
    AvailabilitySetKind(),
    VaultKind(),
    VaultKeyKind(),
    EncryptionSetKind(),
    DiskKind(),
    StorageAccountKind(),
    BlobServiceKind(),
    BlobContainerKind(),
    ImmutabilityPolicyKind(),
    ManagementPolicyKind(),
    MACHINES,
    ActionGroupKind(),
    MetricAlertKind(),
    WorkspaceKind(),
    CollectionEndpointKind(),
    CollectionRuleKind(),
    RoleDefinitionKind(),
    RoleAssignmentKind(),
    LockKind(),
)

_BY_TYPE = {kind.type.lower(): kind for kind in ALL}


def kind_of(type_: str) -> Kind | None:
    """Return the resource type of that name in any letter case; None where the lab has none."""
    return _BY_TYPE.get(type_.lower())
