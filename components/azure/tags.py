"""The stack's tags on every Azure resource that can bear them."""

from collections.abc import Mapping

import pulumi

# Parts of other resources, and what belongs to no resource group, bear none.
_WITHOUT_TAGS = frozenset(
    {
        "azure-native:network:Subnet",
        "azure-native:privatedns:PrivateRecordSet",
        "azure-native:authorization:RoleDefinition",
        "azure-native:authorization:RoleAssignment",
        "azure-native:authorization:ManagementLockByScope",
        "azure-native:storage:BlobContainer",
        "azure-native:storage:BlobContainerImmutabilityPolicy",
        "azure-native:storage:BlobServiceProperties",
        "azure-native:storage:ManagementPolicy",
    }
)


def bears_tags(resource_type: str) -> bool:
    """Tell whether a Pulumi resource type (such as "azure-native:compute:Disk") has Azure tags."""
    return resource_type.startswith("azure-native:") and resource_type not in _WITHOUT_TAGS


def tag_everything(tags: Mapping[str, str]) -> None:
    """Register a transformation that adds the tags to all resources made from now on."""

    def add_tags(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not tags or not bears_tags(args.type_):
            return None
        return pulumi.ResourceTransformationResult({**args.props, "tags": dict(tags)}, args.opts)

    pulumi.runtime.register_stack_transformation(add_tags)
