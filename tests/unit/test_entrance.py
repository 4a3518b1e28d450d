"""The certificate that the program brings to the nodes: whose, for which hosts, and the same in each preview."""

import re
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from cryptography import x509

from components.certificates import read_authority
from tests.support.brought import Maker
from tests.support.recording import Resource, record
from tests.support.stack_configuration import throw_away_secrets

pytestmark = pytest.mark.xdist_group("recorded apart")


def variables(resources: list[Resource], name: str) -> dict[str, Any]:
    (found,) = (each.inputs["environment"] for each in resources if each.name == name)
    return cast(dict[str, Any], found)


def certificate(resources: list[Resource]) -> x509.Certificate:
    """Return the server's, which both nodes have."""
    scripts = [each for each in resources if re.search(r"-\d-(server|tls)$", each.name)]
    (text,) = {each.inputs["environment"]["HA_TLS_CERTIFICATE"] for each in scripts}
    assert len(scripts) == 4
    return x509.load_pem_x509_certificate(text.encode())


def hosts(found: x509.Certificate) -> set[str]:
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def test_of_a_public_endpoint() -> None:
    made = record("dev")
    address = next(each for each in made if each.name == "endpoint-address")
    label = address.inputs["dnsSettings"]["domainNameLabel"]
    assert re.fullmatch(r"mysql-dev-[0-9a-f]{8}", label)
    found = certificate(made)
    assert hosts(found) == {
        f"{label}.westeurope.cloudapp.azure.com", "203.0.113.1", "mysql-dev-1", "mysql-dev-2", "10.32.0.4", "10.32.0.5",
    }  # fmt: skip
    authority = read_authority(throw_away_secrets()["tlsAuthority"]).certificate
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))
    (ours,) = (each.inputs["stdin"] for each in made if each.name == "mysql-dev-1-server")
    assert authority in ours
    assert set(variables(made, "mysql-dev-1-server")["HA_TLS_KEY"]) == {"secret"}
    assert "PRIVATE KEY" not in ours


def test_of_a_label_of_ones_own() -> None:
    made = record("dev", {"dnsLabel": "shop", "location": "northeurope"})
    assert "shop.northeurope.cloudapp.azure.com" in hosts(certificate(made))


def test_of_a_name_in_a_private_zone() -> None:
    made = record("dev", {"endpoint": "internal", "privateDnsName": "db.shop.internal"})
    assert hosts(certificate(made)) >= {"db.shop.internal", "10.32.0.10"}


def test_of_an_internal_endpoint() -> None:
    made = record("dev", {"endpoint": "internal"})
    assert hosts(certificate(made)) == {"10.32.0.10", "mysql-dev-1", "mysql-dev-2", "10.32.0.4", "10.32.0.5"}
    assert not [each for each in made if "dnsSettings" in each.inputs]


def test_of_ones_own() -> None:
    """It is sent with those between it and the root; MySQL is told all of them."""
    maker = Maker(datetime.now(UTC))
    root = maker.authority("root")
    middle = maker.authority("middle", root)
    server = maker.server(middle, ["db.example.org"])
    made = record("dev", {"ownCertificate": server.key + server.pem + middle.pem + root.pem})
    told = variables(made, "mysql-dev-1-server")
    assert told["HA_TLS_CERTIFICATE"] == server.pem + middle.pem
    assert told["HA_TLS_KEY"] == {"secret": server.key}
    (script,) = (each.inputs["stdin"] for each in made if each.name == "mysql-dev-1-server")
    assert f"<<'FILE'\n{middle.pem}{root.pem}FILE\n" in script
    (endpoint,) = (each.inputs["stdin"] for each in made if each.name == "mysql-dev-1-endpoint")
    assert "--ssl-ca" not in endpoint, "it is not for the address"


def test_it_is_the_same_each_time() -> None:
    """Of the same secrets; so that a preview of an unchanged stack shows no change."""
    first = certificate(record("dev"))
    again = certificate(record("dev", {"databaseUser": "other"}))
    assert first == again
