"""A cluster in two zones with a witness: it survives a data centre, and would not with a NAT gateway of one zone.

Tests in the order of the file, after those of other files: the last one leaves the cluster with a wrong way out.
"""

from pathlib import Path

import pytest

from drills import scenario
from drills.conductor import conduct
from drills.proof.record import Result
from drills.target import LabTarget
from lab import rest
from lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1800)]

GATEWAY = {"location": "westeurope", "sku": {"name": "Standard"}}


def zone_away(cluster: Lab, folder: Path) -> Result:
    """Do the drill, and say what came of it."""
    [chosen] = scenario.choose(["zone-away"])
    return conduct(chosen, 1, LabTarget(cluster), folder / "zone-away-1", cluster.progress).result


def test_the_other_zone_serves(cluster: Lab, tmp_path: Path) -> None:
    result = zone_away(cluster, tmp_path)
    assert result.passed, result


def test_with_a_nat_gateway_of_one_zone_it_would_not(cluster: Lab, tmp_path: Path) -> None:
    """The drill sees what it is there for: the survivor cannot fence by a way out that went with the zone."""
    network = f"{rest.compute(cluster, 'mysql-lab-1').partition('/providers/')[0]}/providers/Microsoft.Network"
    subnet = f"{network}/virtualNetworks/vnet-mysql-lab/subnets/snet-mysql-lab"
    status, address = rest.ask(
        cluster,
        "PUT",
        f"{network}/publicIPAddresses/old",
        {**GATEWAY, "properties": {"publicIPAllocationMethod": "Static"}},
    )
    assert status in (200, 201), address
    gateway = {**GATEWAY, "properties": {"publicIpAddresses": [{"id": address["id"]}]}}
    status, gateway = rest.ask(cluster, "PUT", f"{network}/natGateways/old", gateway)
    assert status in (200, 201), gateway
    properties = rest.ask(cluster, "GET", subnet)[1]["properties"]
    changed = {"properties": {**properties, "natGateway": {"id": gateway["id"]}}}
    status, answer = rest.ask(cluster, "PUT", subnet, changed)
    assert status in (200, 201), answer
    result = zone_away(cluster, tmp_path)
    assert not result.passed, result
