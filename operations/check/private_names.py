"""An internal endpoint's domain name: whether it is free, and whether it will be found."""

from collections.abc import Iterator

from operations.arm import Json, Refusal
from operations.check.answer import Answer
from operations.check.asked import Asked
from operations.check.questions.rights import existing_subnets, network_of
from operations.plan import UNKNOWN, Change

_VERSION = "2024-06-01"


def answers(asked: Asked) -> Iterator[Answer]:
    """Answer for the name, and for its zone's link to the nodes' network, as far as one of the two is there already."""
    made = {zone.own_name for zone in asked.plan.of("privatedns:PrivateZone")}
    for record in asked.plan.of("privatedns:PrivateRecordSet"):
        zone = str(record.wanted["privateZoneName"])
        is_own = zone in made or zone == UNKNOWN
        if record.created and not is_own:
            yield _record(asked, record, zone)
        for subnet in existing_subnets(asked):
            yield _own(asked, network_of(subnet), made) if is_own else _link(asked, network_of(subnet), record, zone)


def _record(asked: Asked, record: Change, zone: str) -> Answer:
    name = f"{record.own_name}.{zone}"
    try:
        asked.azure.get(f"{_zone(asked, record, zone)}/A/{record.own_name}", _VERSION)
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        return Answer("yes", name, "free")
    return Answer("no", name, "taken: set privateDnsName to another")


def _link(asked: Asked, network: str, record: Change, zone: str) -> Answer:
    """Tell whether an existing network's machines find names in an existing zone; others may, which is enough."""
    links: list[Json] = asked.azure.get(f"{_zone(asked, record, zone)}/virtualNetworkLinks", _VERSION)["value"]
    linked = [str(link["properties"]["virtualNetwork"]["id"]) for link in links]
    name = network.rpartition("/")[2]
    if network.lower() in map(str.lower, linked):
        return Answer("yes", zone, f"linked to {name}")
    if not linked:
        return Answer(
            "no", zone, "linked to no network, so nobody finds the name: az network private-dns link vnet create"
        )
    others = ", ".join(sorted(id_.rpartition("/")[2] for id_ in linked))
    return Answer("unknown", zone, f"linked to {others}, but not to {name}: only clients there find the name")


def _own(asked: Asked, network: str, made: set[str]) -> Answer:
    """Tell whether an existing network may be linked to a zone that the stack makes: it has none of that name yet."""
    listed: list[Json] = asked.azure.get(
        f"{asked.azure.subscription}/providers/Microsoft.Network/privateDnsZones", _VERSION
    )["value"]
    own = {zone.id.lower() for zone in asked.plan.of("privatedns:PrivateZone")}
    for zone in listed:
        if zone["name"].lower() in made and zone["id"].lower() not in own:
            links: list[Json] = asked.azure.get(f"{zone['id']}/virtualNetworkLinks", _VERSION)["value"]
            if network.lower() in (str(link["properties"]["virtualNetwork"]["id"]).lower() for link in links):
                return Answer(
                    "no",
                    zone["name"],
                    f"{network.rpartition('/')[2]} is linked to a zone of that name already: set"
                    f" existingPrivateDnsZoneId to {zone['id']}",
                )
    name = network.rpartition("/")[2]
    return Answer("yes", ", ".join(sorted(made)), f"{name} is linked to no zone of that name")


def _zone(asked: Asked, record: Change, zone: str) -> str:
    return f"{asked.group_of(record)}/providers/Microsoft.Network/privateDnsZones/{zone}"
