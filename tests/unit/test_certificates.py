"""What the stack's authority issues is the same each time, and a certificate that one brings is read with suspicion."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from components import certificates
from components.certificates import CertificateError
from tests.support.brought import Maker

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
AUTHORITY = certificates.read_authority(certificates.make_authority(NOW))
KEY = certificates.read_key(certificates.make_key(NOW))
NAMES = ["203.0.113.1", "db-1", "db.westeurope.cloudapp.azure.com", "10.32.0.4", "db-2", "10.32.0.5"]


def issued(names: list[str] = NAMES) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificates.issue(AUTHORITY, KEY, "db", names).encode())


def test_the_same_of_the_same() -> None:
    """However the names are ordered; and each thing that goes into it makes another one, with another number."""
    first = certificates.issue(AUTHORITY, KEY, "db", NAMES)
    assert first == certificates.issue(AUTHORITY, KEY, "db", [*reversed(NAMES), "db-1"])
    others = [
        certificates.issue(AUTHORITY, KEY, "other", NAMES),
        certificates.issue(AUTHORITY, KEY, "db", NAMES[1:]),
        certificates.issue(AUTHORITY, certificates.read_key(certificates.make_key(NOW)), "db", NAMES),
        certificates.issue(certificates.read_authority(certificates.make_authority(NOW)), KEY, "db", NAMES),
        certificates.issue(AUTHORITY, certificates.DatedKey(KEY.key, NOW + timedelta(days=1)), "db", NAMES),
    ]
    numbers = {x509.load_pem_x509_certificate(each.encode()).serial_number for each in (first, *others)}
    assert len(numbers) == len({first, *others}) == 6


def test_what_it_says() -> None:
    found = issued()
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["db-1", "db-2", "db.westeurope.cloudapp.azure.com"]
    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["10.32.0.4", "10.32.0.5", "203.0.113.1"]
    assert found.not_valid_before_utc <= NOW - timedelta(hours=12)
    assert found.not_valid_after_utc == NOW + timedelta(days=365) == certificates.ends(KEY)
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(AUTHORITY.certificate.encode()))


def test_it_does_not_outlive_its_authority() -> None:
    old = certificates.read_authority(
        certificates.make_authority(NOW - timedelta(days=certificates.AUTHORITY_DAYS - 9))
    )
    found = x509.load_pem_x509_certificate(certificates.issue(old, KEY, "db", NAMES).encode())
    assert found.not_valid_after_utc == certificates.authority_ends(old) == NOW + timedelta(days=9)


@pytest.mark.parametrize(
    ("options", "good"),
    [
        (["-verify_ip", "203.0.113.1"], True),
        (["-verify_hostname", "db-2"], True),
        (["-verify_hostname", "db.westeurope.cloudapp.azure.com"], True),
        (["-verify_ip", "203.0.113.2"], False),
        (["-verify_hostname", "db"], False),
        (["-attime", str(int((NOW + timedelta(days=366)).timestamp()))], False),
        (["-purpose", "sslclient"], False),
    ],
)
def test_as_openssl_sees_it(tmp_path: Path, options: list[str], good: bool) -> None:
    (tmp_path / "ca.pem").write_text(AUTHORITY.certificate)
    (tmp_path / "server.pem").write_text(certificates.issue(AUTHORITY, KEY, "db", NAMES))
    at = [] if "-attime" in options else ["-attime", str(int(NOW.timestamp()))]
    purpose = [] if "-purpose" in options else ["-purpose", "sslserver"]
    run = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", *options, *at, *purpose, "server.pem"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode == 0) == good, run.stdout + run.stderr


def test_the_first_end() -> None:
    assert certificates.first_end("") is None
    own = certificates.issue(AUTHORITY, KEY, "db", NAMES)
    assert certificates.first_end(AUTHORITY.certificate + own) == certificates.ends(KEY)


def refused(read: Callable[[str], object], text: str) -> str:
    """Return what is said of a text, of which nothing secret is in it."""
    with pytest.raises(CertificateError) as told:
        read(text)
    said = str(told.value)
    assert not any(line in said for line in text.splitlines() if len(line) > 20)
    assert told.value.__suppress_context__ or told.value.__cause__ is None
    return said


def test_what_is_no_authority_and_no_key() -> None:
    authority, key = certificates.make_authority(NOW), certificates.make_key(NOW)
    leaf = certificates.issue(AUTHORITY, KEY, "db", NAMES)
    other = certificates.make_authority(NOW).partition("-----BEGIN PRIVATE")[0]
    own_key = authority.partition("-----END CERTIFICATE-----\n")[2]
    for read, text, said in (
        (certificates.read_authority, "nonsense", "has 0 private keys"),
        (certificates.read_authority, key, "is not one RSA key and its one certificate"),
        (certificates.read_authority, other + own_key, "has a key that does not belong to the first certificate"),
        (certificates.read_authority, leaf + KEY.key, "has a certificate that is not an authority's"),
        (certificates.read_authority, authority.replace("MII", "MIJ"), "has a private key that cannot be read"),
        (certificates.read_key, authority, "is not a line with a date and an RSA key"),
        (certificates.read_key, key.partition("\n")[2], "is not a line with a date and an RSA key"),
        (certificates.read_key, key.replace("+00:00", ""), "is not a line with a date and an RSA key"),
    ):
        assert refused(read, text).startswith(said)


def read_brought(text: str) -> certificates.BroughtCertificate:
    return certificates.read_brought(text, NOW)


def test_a_certificate_that_one_brings() -> None:
    """Of whatever key, with one between it and the root or none; in any line ends; the root is not sent."""
    for make_key in (lambda: rsa.generate_private_key(65537, 2048), lambda: ec.generate_private_key(ec.SECP256R1())):
        maker = Maker(NOW, make_key)
        root = maker.authority("root")
        middle = maker.authority("middle", root)
        server = maker.server(middle, ["*.example.org", "db.example.org", "192.0.2.1"])
        found = read_brought(server.key + server.pem + middle.pem + root.pem)
        assert found.names == ("*.example.org", "db.example.org", "192.0.2.1")
        assert found.host == "db.example.org"
        assert (found.chain, found.authority) == (server.pem + middle.pem, root.pem)
        assert found.issuers == middle.pem + root.pem
        short = maker.server(root, ["*.example.org"])
        text = (short.pem + root.pem + short.key).replace("\n", "\r\n")
        assert (read_brought(text).host, read_brought(text).chain) == (None, short.pem)


def test_certificates_that_are_refused() -> None:
    maker = Maker(NOW)
    root, other = maker.authority("root"), maker.authority("root")
    middle = maker.authority("middle", root)
    server = maker.server(middle, ["db.example.org"])
    leaf = maker.server(root, ["db.example.org"])
    locked = serialization.load_pem_private_key(server.key.encode(), None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    signing = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    old = maker.server(root, ["db.example.org"], days=(-30, -1))
    coming = maker.server(root, ["db.example.org"], days=(1, 30))
    client = maker.server(root, ["db.example.org"], use="client")
    for parts, said in (
        ((server.pem, middle.pem, root.pem), "has 0 private keys"),
        ((server.key, server.pem, middle.pem, root.pem, root.key), "has 2 private keys"),
        ((server.key, server.pem), "has 1 certificates; needed are the server's and each one up to the root"),
        ((server.key, server.pem, middle.pem), "does not end with a root certificate (one that is signed by itself)"),
        (
            (server.key, server.pem, root.pem),
            "has a broken chain: certificate 2 did not issue certificate 1",
        ),
        (
            (server.key, server.pem, middle.pem, other.pem),
            "has a broken chain: certificate 3 did not issue",
        ),
        ((server.key, middle.pem, root.pem), "has a key that does not belong to the first certificate"),
        ((locked.decode(), server.pem, middle.pem, root.pem), "has a key with a passphrase"),
        ((signing.decode(), server.pem, middle.pem, root.pem), "has a key that is neither RSA nor on a NIST elliptic"),
        ((old.key, old.pem, root.pem), "has a certificate 1 that is valid from 2026-10-30 to 2026-11-28, but not now"),
        ((coming.key, coming.pem, root.pem), "has a certificate 1 that is valid from 2026-11-30 to 2026-12-29"),
        ((client.key, client.pem, root.pem), "has a first certificate that is not for a server"),
        ((leaf.key, leaf.pem, maker.server(None, ["x"]).pem), "has a broken chain"),
    ):
        assert refused(read_brought, "".join(parts)).startswith(said)
    nameless = maker.server(root, [])
    assert refused(read_brought, nameless.key + nameless.pem + root.pem).startswith("names no host")
