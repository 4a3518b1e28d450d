"""An internal endpoint's domain name: a record in a private DNS zone, which linked networks ask."""

import pulumi
from pulumi_azure_native import privatedns

from components.azure.place import Place
from components.settings.settings import Settings

# Where Azure keeps private DNS zones and their links, whatever region they are of.
_LOCATION = "global"

# How long a client may go by what it was told: an endpoint gets another address only by a change of its settings.
_TTL_SECONDS = 300


def make_private_name(
    name: str, place: Place, settings: Settings, subnet_id: pulumi.Input[str], parent: pulumi.Resource
) -> None:
    """Make the name, its zone unless there is one, and the zone's link to the network unless both are others'.

    Args:
        name: what the resources' names in the program begin with.
        settings: the stack's; they have a private name.
        subnet_id: resource id of the subnet that the endpoint's address is in.
        parent: the endpoint.
    """
    child = pulumi.ResourceOptions(parent=parent)
    endpoint = settings.endpoint
    existing = endpoint.existing_private_dns_zone_id
    zone_name: pulumi.Input[str] = endpoint.zone_name
    group_name: pulumi.Input[str] = existing.group if existing else place.group_name
    if not existing:
        zone = privatedns.PrivateZone(
            f"{name}-zone",
            private_zone_name=endpoint.zone_name,
            resource_group_name=group_name,
            location=_LOCATION,
            opts=child,
        )
        zone_name = zone.name
    if not existing or not settings.network.existing_subnet_id:
        network_id = pulumi.Output.from_input(subnet_id).apply(lambda id_: id_.rsplit("/", 2)[0])
        privatedns.VirtualNetworkLink(
            f"{name}-zone-link",
            virtual_network_link_name=f"link-{place.cluster_name}",
            private_zone_name=zone_name,
            resource_group_name=group_name,
            location=_LOCATION,
            virtual_network=privatedns.SubResourceArgs(id=network_id),
            # The machines' names are no business of this zone's.
            registration_enabled=False,
            # Azure changes no link's network, and one of that name is there until it is deleted.
            opts=pulumi.ResourceOptions(
                parent=parent, replace_on_changes=["virtualNetwork"], delete_before_replace=True
            ),
        )
    privatedns.PrivateRecordSet(
        f"{name}-record",
        relative_record_set_name=endpoint.name_in_zone,
        record_type="A",
        private_zone_name=zone_name,
        resource_group_name=group_name,
        ttl=_TTL_SECONDS,
        a_records=[privatedns.ARecordArgs(ipv4_address=settings.network.internal_endpoint)],
        opts=child,
    )
