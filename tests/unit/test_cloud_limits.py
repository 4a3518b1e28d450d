"""What Azure refuses, and the lab cloud with it, for more than the request: a state, a version, a registration."""

import base64
from typing import Any

from lab.cloud.tokens import SUBSCRIPTION
from tests.support.cloud_bench import (
    COMPUTE,
    GROUP,
    NETWORK,
    REGION,
    Bench,
    balancer,
    changed,
    disk,
    interface,
    machine,
    nat_gateway,
    public_address,
)

NSG, LB, NIC3 = (
    f"{NETWORK}/networkSecurityGroups/nsg",
    f"{NETWORK}/loadBalancers/lb",
    f"{NETWORK}/networkInterfaces/nic3",
)
DATA1, VM1, VM3 = f"{COMPUTE}/disks/data1", f"{COMPUTE}/virtualMachines/vm1", f"{COMPUTE}/virtualMachines/vm3"


async def test_what_is_refused_while_a_machine_is_on_is_done_while_it_is_deallocated(bench: Bench) -> None:
    await bench.furnish()
    large = changed(changed(disk(), "properties/diskSizeGB", 4096), "sku/name", "Standard_LRS")
    await bench.put(DATA1, changed(disk(), "properties/diskSizeGB", 4095))
    await bench.ask("POST", f"{VM1}/deallocate")
    await bench.put(DATA1, large)
    await bench.ask("POST", f"{VM1}/start")
    await bench.put(DATA1, changed(large, "properties/diskSizeGB", 8192))


async def test_a_size_takes_its_controller(bench: Bench) -> None:
    await bench.furnish()
    assert (await bench.get(VM1))["properties"]["storageProfile"]["diskControllerType"] == "SCSI"
    other = changed(machine(), "properties/hardwareProfile/vmSize", "Standard_D2s_v6")
    nvme = changed(other, "properties/storageProfile/diskControllerType", "NVMe")
    assert (await bench.put(VM1, nvme))["properties"]["storageProfile"]["diskControllerType"] == "NVMe"


async def test_custom_data_is_65535_bytes_at_most(bench: Bench) -> None:
    def sized(size: int) -> dict[str, Any]:
        data = base64.b64encode(b"#" * size).decode()
        return changed(machine(3), "properties/osProfile/customData", data)

    await bench.furnish()
    await bench.put(f"{COMPUTE}/disks/data3", disk())
    await bench.put(LB, balancer(3))
    await bench.put(NIC3, interface(3))
    assert await bench.refused("PUT", VM3, sized(65536)) == "400 InvalidParameter"
    await bench.put(VM3, sized(65535))


async def test_versions_of_the_api(bench: Bench) -> None:
    await bench.put(GROUP, {"location": REGION})
    for wrong in ("1", "2024-13", "2999-01-01", "latest"):
        status, answer, _ = await bench.ask("GET", GROUP, version=wrong)
        assert (status, answer["error"]["code"]) == (400, "InvalidApiVersionParameter"), wrong
    assert (await bench.ask("GET", GROUP, version=""))[1]["error"]["code"] == "MissingApiVersionParameter"
    # Of the past, and of another type.
    for method, path, version in (
        ("GET", GROUP, "2022-05-01-preview"),
        ("GET", f"{NETWORK}/publicIPAddresses", "2024-03-02"),
        ("PUT", f"{NETWORK}/publicIPAddresses/pip", "2024-03-02"),
        ("POST", f"{COMPUTE}/virtualMachines/vm1/start", "2024-05-01"),
        ("GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/disks", "2024-07-01"),
    ):
        status, answer, _ = await bench.ask(method, path, version=version)
        assert (status, answer["error"]["code"]) == (400, "NoRegisteredProviderFound"), path
    assert ", 2024-03-01, 2024-07-01, " in (await bench.ask("GET", GROUP, version="2024-03-02"))[1]["error"]["message"]
    assert (await bench.ask("GET", GROUP, version="2024-07-01"))[0] == 200
    # What came with a later version.
    address = changed(public_address(), "sku/name", "StandardV2")
    gateway = changed(nat_gateway(), "sku/name", "StandardV2")
    for path, body in ((f"{NETWORK}/publicIPAddresses/egress", address), (f"{NETWORK}/natGateways/nat", gateway)):
        status, answer, _ = await bench.ask("PUT", path, body, version="2024-05-01")
        assert (status, answer["error"]["code"]) == (400, "InvalidRequestFormat")
        assert (await bench.ask("PUT", path, body, version="2024-07-01"))[0] == 201


async def test_a_provider_has_to_be_registered(bench: Bench) -> None:
    """What an empty subscription of Azure refuses; the bench's has all providers registered, like a lab's."""
    providers = f"/subscriptions/{SUBSCRIPTION}/providers"
    await bench.put(GROUP, {"location": REGION})
    state = (await bench.ask("POST", f"{providers}/microsoft.compute/unregister"))[1]["registrationState"]
    assert state == "NotRegistered"
    assert await bench.refused("PUT", f"{COMPUTE}/disks/d", disk()) == "409 MissingSubscriptionRegistration"
    await bench.put(NSG, {"location": REGION, "properties": {}})
    listed = {one["namespace"]: one["registrationState"] for one in (await bench.get(providers))["value"]}
    assert listed["Microsoft.Compute"] == "NotRegistered"
    assert {state for name, state in listed.items() if name != "Microsoft.Compute"} == {"Registered"}
    await bench.ask("POST", f"{providers}/Microsoft.Compute/register")
    assert (await bench.get(f"{providers}/Microsoft.Compute"))["registrationState"] == "Registered"
    await bench.put(f"{COMPUTE}/disks/d", disk())
    assert await bench.refused("GET", f"{providers}/Microsoft.Coffee") == "404 InvalidResourceNamespace"
