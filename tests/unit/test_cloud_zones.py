"""A zone that is away: whose way out and whose address go with it, and that nothing starts there."""

from ipaddress import IPv4Address

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from lab.cloud import known_versions, plan, zones
from tests.support.cloud_bench import (
    COMPUTE,
    GROUP,
    NETWORK,
    Bench,
    balancer,
    changed,
    disk,
    machine,
    nat_gateway,
    network,
    public_address,
)

LB, NIC1, VM1 = f"{NETWORK}/loadBalancers/lb", f"{NETWORK}/networkInterfaces/nic1", f"{COMPUTE}/virtualMachines/vm1"
ALL_ZONES = ["1", "2", "3"]


def survives(bench: Bench, zone: str) -> bool:
    """Tell whether the first machine has a way out while a zone is away."""
    interface = bench.site.store.get(NIC1)
    assert interface is not None
    zones.set_away(bench.site.store, zone)
    return bench.site.inventory.egress_address(interface) is not None


@pytest.mark.parametrize(
    ("sku", "of_gateway", "of_address", "lost"),
    [
        ("Standard", [], [], {"1", "2", "3"}),
        ("Standard", ["2"], ["2"], {"2"}),
        ("Standard", [], ALL_ZONES, {"1", "2", "3"}),
        ("StandardV2", [], [], set[str]()),
        ("StandardV2", ALL_ZONES, ALL_ZONES, set[str]()),
    ],
)
async def test_a_nat_gateway(
    bench: Bench, sku: str, of_gateway: list[str], of_address: list[str], lost: set[str]
) -> None:
    """One of SKU Standard is in one zone: that which it is told, or one that nobody is told."""
    gateway = {**changed(nat_gateway(), "sku/name", sku), "zones": of_gateway}
    address = {**changed(public_address(), "sku/name", sku), "zones": of_address}
    await bench.furnish(nat=gateway, egress=address)
    assert survives(bench, "")
    assert {zone for zone in ALL_ZONES if not survives(bench, zone)} == lost


@pytest.mark.parametrize(("of_address", "lost"), [(ALL_ZONES, set[str]()), (["3"], {"3"}), ([], {"1", "2", "3"})])
async def test_an_outbound_rule(bench: Bench, of_address: list[str], lost: set[str]) -> None:
    """As the program has it: where its address is."""
    with_rule = changed(
        balancer(),
        "properties/outboundRules",
        [
            {
                "name": "egress",
                "properties": {
                    "frontendIPConfigurations": [{"id": f"{LB}/frontendIPConfigurations/front"}],
                    "backendAddressPool": {"id": f"{LB}/backendAddressPools/pool"},
                    "protocol": "All",
                },
            }
        ],
    )
    without_gateway = changed(network(), "properties/subnets/0/properties/natGateway", None)
    await bench.furnish(lb=with_rule, vnet=without_gateway, pip={**public_address(), "zones": of_address})
    assert survives(bench, "")
    assert {zone for zone in ALL_ZONES if not survives(bench, zone)} == lost
    # Its listeners are where its address is, too.
    fronts = {listener.address for listener in plan.listeners(bench.site.inventory)}
    assert fronts == (set[IPv4Address]() if "3" in lost else {IPv4Address("203.0.113.1")})


async def test_nothing_starts_in_a_zone_that_is_away(bench: Bench) -> None:
    alone = {key: value for key, value in machine()["properties"].items() if key != "availabilitySet"}
    await bench.furnish(vm1={**machine(), "zones": ["1"], "properties": alone}, data1={**disk(), "zones": ["1"]})
    assert (await bench.ask("POST", f"{VM1}/powerOff"))[0] == 200
    zones.set_away(bench.site.store, "1")
    assert await bench.refused("POST", f"{VM1}/start") == "409 ZonalAllocationFailed"
    assert (await bench.ask("POST", f"{COMPUTE}/virtualMachines/vm2/restart"))[0] == 200
    zones.set_away(bench.site.store, "")
    assert (await bench.ask("POST", f"{VM1}/start"))[0] == 200


async def test_a_machine_without_a_way_out_does_not_reach_the_api(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.furnish()
    interface, vm = bench.site.store.get(NIC1), bench.site.store.get(VM1)
    owners = {IPv4Address("127.0.0.11"): (vm, interface)}
    monkeypatch.setattr(bench.site.inventory, "machine_addresses", lambda: owners)
    url = bench.web.make_url(f"{GROUP}?api-version={known_versions.of_path(GROUP)}")
    inside = ClientSession(
        connector=TCPConnector(local_addr=("127.0.0.11", 0)),
        headers={"Authorization": f"Bearer {bench.token}"},
        timeout=ClientTimeout(total=0.3),
    )
    async with inside:
        assert (await inside.get(url)).status == 200
        bench.faults.set_zone("2")
        with pytest.raises(TimeoutError):
            await inside.get(url)
        # Who asks from outside is not concerned.
        assert (await bench.ask("GET", GROUP))[0] == 200
        bench.faults.set_zone("")
        assert (await inside.get(url)).status == 200
