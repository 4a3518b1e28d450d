"""The lab's own certificate authority, and the certificate of all that the cloud serves by TLS.

The authority is made once per lab; its key never leaves the cloud's folder.
"""

import datetime
import ssl
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from components.certificates import builder, key_to_pem, name_of, to_pem, usage
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

_VALID = datetime.timedelta(days=2 * 365)
_CLOCK_SKEW = datetime.timedelta(days=1)


def ensure(folder: Path) -> None:
    """Make the authority (ca.pem, ca.key) and the server's certificate (server.pem, server.key), if missing."""
    parts = [folder / name for name in ("ca.pem", "ca.key", "server.pem", "server.key")]
    if all(part.exists() for part in parts):
        return
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    begin, end = now - _CLOCK_SKEW, now + _VALID
    ca_name = name_of("Lab cloud CA")
    ca = (
        builder(ca_name, ca_name, ca_key.public_key(), begin, end)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    alternatives.append(x509.IPAddress(IPv4Address(ARM)))
    server = (
        builder(name_of("management.azure.com"), ca_name, server_key.public_key(), begin, end)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_private(folder / "ca.key", key_to_pem(ca_key))
    write_private(folder / "server.key", key_to_pem(server_key))
    write_private(folder / "server.pem", to_pem(server))
    # Last: who finds it finds all.
    write_private(folder / "ca.pem", to_pem(ca))


def context(folder: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / "server.pem", folder / "server.key")
    return made
