"""The machines' own firewalls let in whom the security group lets in, and nobody else."""

import re
from typing import Any

import pytest

from tests.golden.cases import resources
from tests.support.recording import Resource, as_sent, record

pytestmark = pytest.mark.xdist_group("recorded")

# Source, protocol, port.
Opening = tuple[str, str, str]


def of_security_group(made: list[Resource], to: tuple[str, ...]) -> set[Opening]:
    """Return what the network's rules let in to these destinations."""
    (group,) = [each for each in made if each.type == "azure-native:network:NetworkSecurityGroup"]
    rules: list[dict[str, Any]] = as_sent(group.inputs)["securityRules"]
    *allowed, last = sorted(rules, key=lambda rule: rule["priority"])
    assert last["access"] == "Deny" and {rule["access"] for rule in allowed} == {"Allow"}
    # Of SSH it judges alone: a machine could not be told of another network from there.
    return {
        ("0.0.0.0/0" if rule["name"] == "nsgsr-ssh" else str(source), rule["protocol"].lower(), port)
        for rule in allowed
        if rule["destinationAddressPrefix"] in to
        for source in rule.get("sourceAddressPrefixes") or [rule["sourceAddressPrefix"]]
        for port in rule["destinationPortRanges"]
    }


def of_machine(made: list[Resource], name: str) -> set[Opening]:
    """Return what a machine's rules let in."""
    script = next(each for each in made if each.name == f"{name}-firewall")
    assert script.inputs["environment"] == {"HA_WAYS_OUT": "203.0.113.1/32"}
    rules = re.findall(
        r"^    ip saddr \{ (.*) \} (tcp|udp) dport \{ (.*) \} accept$", script.inputs["stdin"], re.MULTILINE
    )
    known = {"168.63.129.16": "AzureLoadBalancer", "@WAYS_OUT@": "203.0.113.1/32"}
    return {
        (str(known.get(source, source)), protocol, port)
        for sources, protocol, ports in rules
        for source in sources.split(", ")
        for port in ports.split(", ")
    }


def test_it_is_the_security_group_once_more() -> None:
    made = resources("witness")  # which is monitored too
    nodes = of_security_group(made, ("10.32.0.0/24",))
    assert len(nodes) > 8
    for number in (1, 2):
        assert of_machine(made, f"mysql-lab-{number}") == nodes
    witness = of_security_group(made, ("10.32.0.0/24", "10.32.0.6/32"))
    voters = {(f"10.32.0.{last}/32", "tcp", "5403") for last in (4, 5)}
    assert witness - nodes == {*voters, ("198.51.100.0/24", "tcp", "9090")}
    assert of_machine(made, "mysql-lab-witness") == witness


def test_there_is_none() -> None:
    texts = [each.inputs["stdin"] for each in record("dev", {}) if each.name.endswith("-firewall")]
    assert len(texts) == 2
    for text in texts:
        assert "nft delete table inet azure_mysql_ha" in text and "nft --file" not in text and "dport" not in text
