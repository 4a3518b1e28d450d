"""X.509: what a stack's own authority makes and issues, and the certificates that people bring. Knows no Pulumi.

What is issued is the same, byte for byte, whenever it is made of the same: RSA with PKCS#1 v1.5 signs so, the serial
number is a hash, and the dates follow from the one in the key's text. So an unchanged stack keeps its certificate.
"""

import datetime
import functools
import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3652
CERTIFICATE_DAYS = 365

# A client whose clock is behind by less finds the certificate valid at once.
_CLOCK_SKEW = datetime.timedelta(days=1)

# NIST SP 800-57 part 1, table 2: as good as 112 bits of a symmetric key, and 128 for what lasts ten years.
_BITS, _AUTHORITY_BITS = 2048, 3072

_MADE = "Made: "

# Of certificates that are issued. X.509 has no year before 1950, and Python none after 9999.
_YEARS = range(2000, 9000)

# Also a wildcard for all of a domain, and an IPv6 address. It stands in the client's line that people paste.
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_:]([A-Za-z0-9_.:-]*[A-Za-z0-9_:])?")

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\n.*?\n-----END \1-----\n?", re.DOTALL)


class CertificateError(Exception):
    """A text is not what it should be. The message says what is wrong and quotes nothing of it."""


@dataclass(frozen=True)
class Authority:
    """A stack's own certificate authority.

    Args:
        key: its private key, PEM.
        certificate: its certificate, PEM, by which clients know what it has issued.
    """

    key: str = field(repr=False)
    certificate: str


@dataclass(frozen=True)
class DatedKey:
    """The server's key, for which the stack's authority issues a certificate.

    Args:
        key: the private key, PEM.
        made: when; its certificate's dates follow from it.
    """

    key: str = field(repr=False)
    made: datetime.datetime


@dataclass(frozen=True)
class BroughtCertificate:
    """A certificate that a person has brought, with all that belongs to it.

    Args:
        key: its private key, PEM.
        chain: the server's certificate and those between it and the authority's, PEM, as the server sends them.
        authority: the root's certificate, PEM.
        issuers: those between it and the root's, and that, PEM.
        names: the hosts that it is for, domain names before addresses.
    """

    key: str = field(repr=False)
    chain: str
    authority: str
    issuers: str
    names: tuple[str, ...]

    @property
    def host(self) -> str | None:
        """The first of its names by which clients can come; None if it has only wildcards."""
        return next((name for name in self.names if "*" not in name), None)


def make_authority(now: datetime.datetime | None = None) -> str:
    """Make an authority: its certificate and its private key, PEM."""
    now = _seconds(now)
    key = rsa.generate_private_key(65537, _AUTHORITY_BITS)
    # Two authorities have two names, or a client that knows both tries the wrong one.
    digest = hashlib.sha256(_spki(key.public_key())).hexdigest()[:8]
    name = name_of(f"azure-mysql-ha CA {digest}")
    certificate = (
        builder(name, name, key.public_key(), now - _CLOCK_SKEW, now + datetime.timedelta(AUTHORITY_DAYS))
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(key, hashes.SHA256())
    )
    return to_pem(certificate) + key_to_pem(key)


def make_key(now: datetime.datetime | None = None) -> str:
    """Make a key for the server: when it was made, and the private key, PEM."""
    key = rsa.generate_private_key(65537, _BITS)
    return f"{_MADE}{_seconds(now).isoformat()}\n{key_to_pem(key)}"


def read_authority(text: str) -> Authority:
    """Read what `make_authority` has made.

    Raises:
        CertificateError: it is something else.
    """
    key, certificates = _parts(text)
    if len(certificates) != 1 or not isinstance(key, rsa.RSAPrivateKey):
        raise CertificateError("is not one RSA key and its one certificate")
    certificate = certificates[0]
    _check_fit(key, certificate)
    if not _is_authority(certificate):
        raise CertificateError("has a certificate that is not an authority's")
    return Authority(key_to_pem(key), to_pem(certificate))


def read_key(text: str) -> DatedKey:
    """Read what `make_key` has made.

    Raises:
        CertificateError: it is something else.
    """
    key, certificates = _parts(text)
    first = text.strip().partition("\n")[0]
    try:
        made = datetime.datetime.fromisoformat(first.removeprefix(_MADE).strip())
    except ValueError:
        made = None
    if made and (made.tzinfo is None or made.year not in _YEARS):
        made = None
    if certificates or not isinstance(key, rsa.RSAPrivateKey) or made is None:
        raise CertificateError("is not a line with a date and an RSA key")
    return DatedKey(key_to_pem(key), made)


def issue(authority: Authority, key: DatedKey, common_name: str, names: Iterable[str]) -> str:
    """Issue the server's certificate.

    Args:
        common_name: whose it is, at most 64 characters; what clients compare are the names.
        names: domain names and IP addresses of the hosts that it is for, in any order.

    Returns:
        The certificate, PEM.
    """
    issuer, issuer_key = _certificate(authority.certificate), _rsa_key(authority.key)
    public = _rsa_key(key.key).public_key()
    hosts = sorted({*names}, key=lambda name: (is_address(name), name))
    begin, end = key.made - _CLOCK_SKEW, min(ends(key), issuer.not_valid_after_utc)
    content = "\n".join([common_name, *hosts, begin.isoformat(), end.isoformat()]).encode()
    serial = hashlib.sha256(content + _spki(public) + issuer.fingerprint(hashes.SHA256())).digest()
    general = [x509.IPAddress(ipaddress.ip_address(host)) if is_address(host) else x509.DNSName(host) for host in hosts]
    certificate = (
        builder(name_of(common_name), issuer.subject, public, begin, end)
        .serial_number(int.from_bytes(serial[:16], "big") or 1)  # RFC 5280, 4.1.2.2: positive, at most 20 bytes
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage("digital_signature", "key_encipherment"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(general), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return to_pem(certificate)


def ends(key: DatedKey) -> datetime.datetime:
    """Return when the certificate of a key ends, unless its authority's ends before."""
    return key.made + datetime.timedelta(CERTIFICATE_DAYS)


def authority_ends(authority: Authority) -> datetime.datetime:
    return _certificate(authority.certificate).not_valid_after_utc


def first_end(pem: str) -> datetime.datetime | None:
    """Return when the first of some certificates ends; None where there are none.

    Raises:
        CertificateError: one of them cannot be read.
    """
    found = [_certificate(match[0]) for match in _PEM.finditer(pem) if match[1] == "CERTIFICATE"]
    return min((each.not_valid_after_utc for each in found), default=None)


def read_brought(text: str, now: datetime.datetime | None = None) -> BroughtCertificate:
    """Read what a person has brought: a key, its certificate, and each that has issued the one before, up to a root.

    Raises:
        CertificateError: something is missing, does not fit, or is not valid now.
    """
    now = _seconds(now)
    key, chain = _parts(text)
    if len(chain) < 2:
        raise CertificateError(f"has {len(chain)} certificates; needed are the server's and each one up to the root")
    _check_fit(key, chain[0])
    for number, (one, issuer) in enumerate(zip(chain, [*chain[1:], chain[-1]], strict=True), 1):
        try:
            one.verify_directly_issued_by(issuer)
        except Exception:  # by what it is signed may be nothing that is known
            raise CertificateError(
                "does not end with a root certificate (one that is signed by itself)"
                if one is chain[-1]
                else f"has a broken chain: certificate {number + 1} did not issue certificate {number}"
            ) from None
        if one is not chain[0] and not _is_authority(one):
            raise CertificateError(f"has a broken chain: certificate {number} is not an authority's")
        if not one.not_valid_before_utc <= now < one.not_valid_after_utc:
            dates = f"from {one.not_valid_before_utc:%Y-%m-%d} to {one.not_valid_after_utc:%Y-%m-%d}"
            raise CertificateError(f"has a certificate {number} that is valid {dates}, but not now")
    _check_use(chain[0])
    names = _names(chain[0])
    if not names:
        raise CertificateError("names no host in its subject alternative names, which are all that clients look at")
    if not all(map(_HOST.fullmatch, names)):
        raise CertificateError("has a subject alternative name that is not a host's")
    own, *issuers = map(to_pem, chain)
    return BroughtCertificate(
        key=key_to_pem(key),
        chain="".join([own, *issuers[:-1]]),
        authority=issuers[-1],
        issuers="".join(issuers),
        names=names,
    )


def _parts(text: str) -> tuple[rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, list[x509.Certificate]]:
    """Return the one private key and all certificates of a text."""
    blocks = [(match[1], match[0]) for match in _PEM.finditer(text.replace("\r\n", "\n"))]
    keys = [block for kind, block in blocks if kind.endswith("PRIVATE KEY")]
    if len(keys) != 1:
        raise CertificateError(f"has {len(keys)} private keys in PEM form; one is needed")
    return _private_key(keys[0]), [_certificate(block) for kind, block in blocks if kind == "CERTIFICATE"]


@functools.lru_cache(maxsize=4)
def _private_key(pem: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    # Kept, since the parts of an RSA key take 60 ms to hold against each other, and each look at the settings reads it.
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except TypeError:
        raise CertificateError("has a key with a passphrase, which nobody could type here; remove it") from None
    except Exception:  # whatever a parser says of it may quote it
        raise CertificateError("has a private key that cannot be read") from None
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise CertificateError("has a key that is neither RSA nor on a NIST elliptic curve")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _BITS:
        raise CertificateError(f"has an RSA key of {key.key_size} bits; it needs {_BITS} or more")
    return key


def _rsa_key(pem: str) -> rsa.RSAPrivateKey:
    key = _private_key(pem)
    assert isinstance(key, rsa.RSAPrivateKey)  # as it was read
    return key


def _certificate(pem: str) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        # These are read only when somebody asks.
        _ = found.extensions, found.public_key(), found.not_valid_before_utc, found.not_valid_after_utc
    except Exception:
        raise CertificateError("has a certificate that cannot be read") from None
    return found


def _check_fit(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    if _spki(key.public_key()) != _spki(certificate.public_key()):
        raise CertificateError("has a key that does not belong to the first certificate")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_use(certificate: x509.Certificate) -> None:
    try:
        allowed = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & {*allowed}:
        raise CertificateError("has a first certificate that is not for a server (extended key usage)")


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *found.get_values_for_type(x509.DNSName),
        *map(str, found.get_values_for_type(x509.IPAddress)),
    )


def is_address(name: str) -> bool:
    """Tell whether a host's name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    begin: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(
        **{
            use: use in allowed
            for use in (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
            )
        }
    )


def _spki(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_to_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, clear).decode()


def _seconds(now: datetime.datetime | None) -> datetime.datetime:
    return (now or datetime.datetime.now(datetime.UTC)).replace(microsecond=0)
