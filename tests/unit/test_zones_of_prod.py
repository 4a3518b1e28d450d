"""What stack prod asks of Azure, made in the lab cloud: whichever zone fails, all that is elsewhere has a way out."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.azure_native.convert import to_body
from lab.azure_native.sdk import resource_types
from lab.cloud import plan, zones
from lab.cloud.inventory import INTERFACE
from lab.cloud.tokens import SUBSCRIPTION
from operations.resume import id_of
from tests.support import cloud_bench
from tests.support.cloud_bench import Bench
from tests.support.recording import Resource, as_sent, record, recorded_id

pytestmark = pytest.mark.xdist_group("recorded apart")

NOBODY = "00000000-0000-0000-0000-000000000000"


def in_order(resources: list[Resource]) -> Iterator[Resource]:
    """Yield resources after what they depend on."""
    left = {one.name: one for one in resources}
    while left:
        for one in [one for one in left.values() if not left.keys() & {*one.dependencies}]:
            yield left.pop(one.name)


def requests(stack: str, changes: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield path, body and api-version of the requests that make a stack, but for roles and locks."""
    made = [
        one
        for one in record(stack, changes)
        if one.type.startswith("azure-native:") and ":authorization:" not in one.type
    ]
    ids = {one.name: id_of({"urn": one.name, "type": one.type, "inputs": one.inputs}, SUBSCRIPTION) for one in made}
    for one in in_order(made):
        text = json.dumps(as_sent(one.inputs))
        for other in made:
            recorded = recorded_id(other.type, other.name, other.inputs)
            for end in ('"', "/"):
                text = text.replace(f"{recorded}{end}", f"{ids[other.name]}{end}")
        inputs = json.loads(text.replace(NOBODY, SUBSCRIPTION))
        if "storageProfile" in inputs:
            # The lab has a guest for this image; where it is made and what it may reach is the same.
            inputs["storageProfile"]["imageReference"] = cloud_bench.machine()["properties"]["storageProfile"][
                "imageReference"
            ]
        kind = resource_types()[one.type]
        yield ids[one.name], to_body(kind.shape, inputs, ids[one.name]), kind.api_version


STACKS: dict[str, tuple[str, dict[str, Any]]] = {
    "prod": ("prod", {}),
    "staging": ("staging", {}),
    "public": ("prod", {"endpoint": "public"}),
    "public, with addresses of their own": ("prod", {"endpoint": "public", "sshAccess": "node-addresses"}),
}


@pytest.fixture(params=STACKS)
def asked(request: pytest.FixtureRequest) -> list[tuple[str, dict[str, Any], str]]:
    """The requests of a stack, each in turn."""
    return list(requests(*STACKS[request.param]))


async def test_no_zone_takes_the_way_out_of_another(bench: Bench, asked: list[tuple[str, dict[str, Any], str]]) -> None:
    for path, body, version in asked:
        status, answer, _ = await bench.ask("PUT", path, body, version=version)
        assert status in (200, 201), answer
    inventory = bench.site.inventory
    interfaces = list(inventory.of_type(INTERFACE))
    assert len(interfaces) == 3
    for zone in zones.ZONES:
        zones.set_away(bench.site.store, zone)
        for interface in interfaces:
            machine = inventory.machine_of_interface(interface.id)
            assert machine is not None
            if machine.zones != [zone]:
                assert inventory.egress_address(interface) is not None, f"{machine.name}, without zone {zone}"
        assert any(listener.balanced for listener in plan.listeners(inventory)), "the endpoint is gone"


@pytest.mark.parametrize(
    ("changes", "zones_"),
    [
        ({"zones": ["1", "2"]}, ["1", "2", "3"]),
        ({"zones": ["3"]}, ["3"]),
        ({"zones": [], "availabilitySet": True}, []),
    ],
    ids=["two zones", "one zone", "no zone"],
)
def test_addresses_are_where_the_nodes_are(changes: dict[str, Any], zones_: list[str]) -> None:
    """That of the endpoint, and that of the way out."""
    made = record("prod", changes | {"endpoint": "public"})
    addresses = [one.inputs for one in made if one.type.endswith(":PublicIPAddress")]
    assert [each.get("zones", []) for each in addresses] == [zones_] * 2
    assert not [one for one in made if one.type.endswith(":NatGateway")]
