"""Who may come in where, as docs/security.md says, compared with the security group. tests/lab/field: what listens."""

import re
from ipaddress import IPv4Network
from typing import Any

import pytest

from components.checkout import CHECKOUT
from lab.cloud import nsg
from tests.support import hunter
from tests.support.recording import as_sent, record
from tests.support.tables import table

pytestmark = pytest.mark.xdist_group("recorded apart")

PAGE = CHECKOUT / "docs/security.md"

NETWORKS = {
    "adminCidrs": "192.0.2.0/28", "clientCidrs": "192.0.2.16/28", "monitorCidrs": "192.0.2.32/28",
}  # fmt: skip
CHANGES: dict[str, Any] = {
    **{key: [network] for key, network in NETWORKS.items()}, "witness": True, "monitoring": True,
    "monitorOnWitness": True,
}  # fmt: skip

OUTSIDE = {
    **{key: network.replace("/28", "/32") for key, network in NETWORKS.items()},
    "Azure's balancer": "168.63.129.16/32",
    "the Internet": "198.18.7.7/32",
    "another subnet": "10.32.9.9/32",
}
WITHIN = {"the nodes": "10.32.0.4/32", "the witness": "10.32.0.6/32", "another machine": "10.32.0.77/32"}
NODE, WITNESS = IPv4Network("10.32.0.5/32"), IPv4Network("10.32.0.6/32")


def rows() -> list[tuple[list[int], str, str, str]]:
    """Return the ports, the protocol, and who may come from outside and from within, of each row."""
    return [
        ([int(port) for port in re.findall(r"\d+", row["port"])], "Udp" if "UDP" in row["port"] else "Tcp",
         row["from outside of the subnet"], row["within it"])
        for row in table(PAGE, "Ports")
    ]  # fmt: skip


@pytest.fixture(scope="module")
def rules() -> tuple[nsg.Rule, ...]:
    made = record("dev", CHANGES)
    inputs = next(each.inputs for each in made if each.type == "azure-native:network:NetworkSecurityGroup")
    group = as_sent(inputs)
    for rule in group["securityRules"]:
        rule["properties"] = {key: value for key, value in rule.items() if key != "name"}
    return nsg.rules_of(group)


def lets_in(rules: tuple[nsg.Rule, ...], source: str, to: IPv4Network, protocol: str) -> set[int]:
    """Return the ports at which the security group lets in, of all that it names and their neighbours."""
    named = {port for rule in rules for word in rule.ports if word.isdecimal() for port in (int(word),)}
    asked = {1, 65535, *(port + step for port in named for step in (-1, 0, 1))}
    packet = (IPv4Network(source), to)
    space = [IPv4Network("10.32.0.0/16")]
    return {port for port in asked if nsg.decide(rules, nsg.Packet(*packet, port, protocol), space).allow}


@pytest.mark.parametrize("protocol", ["Tcp", "Udp"])
@pytest.mark.parametrize("who", OUTSIDE)
def test_from_outside(rules: tuple[nsg.Rule, ...], who: str, protocol: str) -> None:
    said = {port for ports, over, outside, _ in rows() if over == protocol and outside == who for port in ports}
    assert lets_in(rules, OUTSIDE[who], NODE, protocol) | lets_in(rules, OUTSIDE[who], WITNESS, protocol) == said


@pytest.mark.parametrize("protocol", ["Tcp", "Udp"])
@pytest.mark.parametrize("who", WITHIN)
def test_from_within(rules: tuple[nsg.Rule, ...], who: str, protocol: str) -> None:
    """The witness has one port more, for the nodes, and these have some for the witness."""
    said = {port for ports, over, _, within in rows() if over == protocol and within in ("all", who) for port in ports}
    to = (NODE, WITNESS)
    assert {port for machine in to for port in lets_in(rules, WITHIN[who], machine, protocol)} == said


def test_the_table_names_nobody_else() -> None:
    assert {outside for _, _, outside, _ in rows()} <= {"nobody", *OUTSIDE}
    assert {within for _, _, _, within in rows()} <= {"nobody", "all", "monitorCidrs", *WITHIN}
    assert len(rows()) == 9


@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
def test_a_text_is_found_in_each_form(before: bytes) -> None:
    """Whatever stands around it."""
    text = b"It's-a\"secret<&>+/?1234"
    wanted = {"it": hunter.forms(text), "other": hunter.forms(b"Another-text-12345678")}
    for form in (
        text, b"It%27s-a%22secret%3C%26%3E%2B%2F%3F1234", b"It's-a\\\"secret<&>+/?1234",
        b"It&#x27;s-a&quot;secret&lt;&amp;&gt;+/?1234", hunter.base64.b64encode(before + text + b"z"),
        hunter.base64.urlsafe_b64encode(before + text + b"zz"),
    ):  # fmt: skip
        assert hunter.names_in([b"a" * 100, form[:9], form[9:], b"b"], wanted) == ["it"], form


def test_packed_files_are_looked_into(tmp_path: Any) -> None:
    text = b"A-text-that-is-looked-for"
    (tmp_path / "a.gz").write_bytes(hunter.gzip.compress(text * 9))
    (tmp_path / "b.bz2").write_bytes(hunter.bz2.compress(text * 9))
    (tmp_path / "c.xz").write_bytes(hunter.lzma.compress(text * 9))
    (tmp_path / "no.gz").write_bytes(text[:9])
    (tmp_path / "left").mkdir()
    (tmp_path / "left/out").write_bytes(text)
    (tmp_path / "link").symlink_to(tmp_path / "left/out")
    found = hunter.hunt({"it": text}, [str(tmp_path)], [f"{tmp_path}/left"], [["printf", text.decode()], ["true"]])
    assert found["files"] == 4
    assert {path.removeprefix(f"{tmp_path}/") for path in found["found"]} == {
        "a.gz", "b.bz2", "c.xz", f"printf {text.decode()}",
    }  # fmt: skip
