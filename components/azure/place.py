"""Where the cluster's things in Azure are made, and what begins or ends their names."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import resources

from components.settings.names import NamesSection


@dataclass(frozen=True)
class ExistingGroup:
    """A resource group that is there already."""

    name: str
    id: str


@dataclass(frozen=True)
class Place:
    """Where things are made.

    Args:
        location: Azure region, such as "westeurope".
    """

    cluster_name: str
    location: str
    group_name: pulumi.Input[str]
    group_id: pulumi.Input[str]


def make_place(names: NamesSection, existing: ExistingGroup | None) -> Place:
    """Make the cluster's resource group, unless there is one for it already."""
    group = existing or resources.ResourceGroup(
        "group", resource_group_name=names.own_resource_group, location=names.location
    )
    return Place(names.cluster_name, names.location, group.name, group.id)
