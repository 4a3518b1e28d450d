"""The lab's own certificate authority, and the certificate of all that the cloud serves by TLS.

The authority is made once per lab; its key never leaves the cloud's folder.
"""

import datetime
import hashlib
import ssl
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.cloud.addresses import ARM
from lab.cloud.catalogue import REGIONS
from lab.cloud.state import write_private

NAMES = (
    "management.azure.com",
    "login.microsoftonline.com",
    "prices.azure.com",
    "*.blob.core.windows.net",
    *(f"*.{region}-1.metrics.ingest.monitor.azure.com" for region in sorted(REGIONS)),
    "localhost",
)

_YEARS = 2
_CLOCK_SKEW = datetime.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "azure-mysql-ha"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )


def _private_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
    )


def _usage(**allowed: bool) -> x509.KeyUsage:
    words = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{word: allowed.get(word, False) for word in words})


def subject_hash(certificate: x509.Certificate) -> str:
    """Return the name that OpenSSL looks a trusted certificate up by, without its number: as `openssl x509 -hash`.

    It is the start of the SHA-1 of the subject in a canonical form: text in lower case as UTF-8, no outer frame.
    """

    def framed(tag: int, content: bytes) -> bytes:
        assert len(content) < 128, "the names here are short"
        return bytes([tag, len(content)]) + content

    canonical = b""
    for attribute in certificate.subject:
        numbers = [int(number) for number in attribute.oid.dotted_string.split(".")]
        identifier = framed(0x06, bytes([numbers[0] * 40 + numbers[1], *numbers[2:]]))
        text = framed(0x0C, " ".join(str(attribute.value).lower().split()).encode())
        canonical += framed(0x31, framed(0x30, identifier + text))
    return f"{int.from_bytes(hashlib.sha1(canonical).digest()[:4], 'little'):08x}"


def ensure(folder: Path) -> None:
    """Make the authority (ca.pem, ca.key) and the server's certificate (server.pem, server.key), if missing."""
    parts = [folder / name for name in ("ca.pem", "ca.key", "server.pem", "server.key")]
    if all(part.exists() for part in parts):
        return
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Lab cloud CA")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    alternatives.append(x509.IPAddress(IPv4Address(ARM)))
    server = (
        _builder(_name("management.azure.com"), ca_name, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(server_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_private(folder / "ca.key", _private_text(ca_key))
    write_private(folder / "server.key", _private_text(server_key))
    write_private(folder / "server.pem", server.public_bytes(serialization.Encoding.PEM).decode())
    # Last: who finds it finds all.
    write_private(folder / "ca.pem", ca.public_bytes(serialization.Encoding.PEM).decode())


def context(folder: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / "server.pem", folder / "server.key")
    return made
