"""A cluster behind an internal endpoint that has a domain name: clients in the network find it by that, and believe it.

One lab, the tests in the order of the file.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from lab import rest, service
from lab.cloud import tokens
from lab.lab import Lab
from lab.paths import LabPaths
from operations.ssh import Node
from tests.support import trial

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900), pytest.mark.long]

NETWORK = "/resourceGroups/rg-mysql-lab/providers/Microsoft.Network"
ZONES = f"/subscriptions/{tokens.SUBSCRIPTION}/resourceGroups/names/providers/Microsoft.Network/privateDnsZones"
NAMED = {"endpoint": "internal", "privateDnsName": "db.shop.internal"}
ADDRESS = "10.32.0.10"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    yield from trial.own_lab(Lab(LabPaths("names")))


def asked(node: Node, name: str) -> str:
    """Return what a machine finds under a name; empty if it finds nothing."""
    return node.run(f"getent ahostsv4 {name} | cut -d ' ' -f 1 | sort -u", check=False).strip()


def client(node: Node, lab: Lab, *, host: str) -> str:
    """Return what a client says on a machine that checks the server by the output `connect` and a host's name."""
    outputs = lab.outputs()
    node.run("cat > /tmp/ca.pem", text=outputs["ca"])
    node.run("umask 077; cat > /tmp/client.cnf", text=f"[client]\npassword={lab.database_password()}\n")
    command: str = outputs["connect"].replace("ca.pem", "/tmp/ca.pem").replace(" --password ", " ")
    program, _, options = command.partition(" ")
    options = options.replace(outputs["endpoint"]["name"], host)
    return node.run(f"{program} --defaults-extra-file=/tmp/client.cnf {options} -e 'select 42' 2>&1", check=False)


def test_up(lab: Lab) -> None:
    lab.up(NAMED)
    service.wait_until_well(lab)
    outputs = lab.outputs()
    assert outputs["endpoint"] == {"host": ADDRESS, "name": "db.shop.internal", "port": 3306}
    assert " --host db.shop.internal " in outputs["connect"]


def test_clients_find_it_by_its_name_and_believe_it(lab: Lab) -> None:
    """From the node that does not serve: the balancer leads no machine to itself."""
    other = service.peer(lab, service.serving(lab))
    assert asked(other, "db.shop.internal") == ADDRESS
    assert asked(other, "other.shop.internal") == ""
    assert "42" in client(other, lab, host="db.shop.internal")
    assert "42" in client(other, lab, host=ADDRESS)
    other.run(f"echo '{ADDRESS} other.shop.internal' >> /etc/hosts")
    told = client(other, lab, host="other.shop.internal")
    other.run("sed -i '/other.shop.internal/d' /etc/hosts")
    assert "42" not in told, "the certificate has no such name"


def test_nothing_to_do(lab: Lab) -> None:
    assert set(lab.up().changes) == {"same"}


def test_another_name_in_a_zone_of_somebody_elses(lab: Lab) -> None:
    """It changes while the server serves: nobody's connection ends."""
    rest.ask(lab, "PUT", "/resourceGroups/names", {"location": "westeurope"})
    status, _ = rest.ask(lab, "PUT", f"{ZONES}/corp.example".partition(tokens.SUBSCRIPTION)[2], {"location": "global"})
    assert status == 201
    serving = service.serving(lab)
    pid = trial.server_pid(serving)
    changes: dict[str, Any] = {
        "privateDnsName": "shop.db.corp.example",
        "existingPrivateDnsZoneId": f"{ZONES}/corp.example",
    }
    reader = lab.up(changes)
    print(reader.timings())
    assert trial.server_pid(serving) == pid, "it was not restarted"
    other = service.peer(lab, serving)
    assert asked(other, "shop.db.corp.example") == ADDRESS
    assert asked(other, "db.shop.internal") == ""
    assert "42" in client(other, lab, host="shop.db.corp.example")
    assert rest.ask(lab, "GET", f"{NETWORK}/privateDnsZones/shop.internal")[0] == 404


def test_without_a_name(lab: Lab) -> None:
    """What is somebody else's stays, without the record and the link."""
    lab.up({"privateDnsName": "", "existingPrivateDnsZoneId": ""})
    assert lab.outputs()["endpoint"]["name"] == ADDRESS
    zone = f"{ZONES}/corp.example".partition(tokens.SUBSCRIPTION)[2]
    _, shown = rest.ask(lab, "GET", zone)
    assert shown["properties"]["numberOfRecordSets"] == 1, "its own (SOA)"
    assert shown["properties"]["numberOfVirtualNetworkLinks"] == 0
