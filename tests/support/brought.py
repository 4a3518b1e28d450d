"""Certificates as people bring them: of authorities that are not the stack's."""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from components.certificates import is_address

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Made:
    """A certificate and its key, PEM."""

    pem: str
    key: str


class Maker:
    """Makes certificates.

    Args:
        now: a time at which they are valid, where nothing else is asked for.
        make_key: makes the key of each.
    """

    def __init__(
        self, now: datetime, make_key: Callable[[], _Key] = lambda: ec.generate_private_key(ec.SECP256R1())
    ) -> None:
        self._now, self._make_key = now, make_key

    def authority(self, name: str, issuer: Made | None = None) -> Made:
        """Make an authority, which has issued itself where no other has."""
        basic = x509.BasicConstraints(ca=True, path_length=None)
        return self._make(name, issuer, (-100, 100), [(basic, True)])

    def server(
        self, issuer: Made | None, names: Sequence[str], *, days: tuple[int, int] = (-10, 10), use: str = "server"
    ) -> Made:
        """Make a server's, or a client's; valid between two days, counted from now."""
        wanted = ExtendedKeyUsageOID.SERVER_AUTH if use == "server" else ExtendedKeyUsageOID.CLIENT_AUTH
        extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.ExtendedKeyUsage([wanted]), False)]
        if names:
            general = [
                x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name) for name in names
            ]
            extensions.append((x509.SubjectAlternativeName(general), False))
        return self._make("server", issuer, days, extensions)

    def _make(
        self,
        name: str,
        issuer: Made | None,
        days: tuple[int, int],
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
    ) -> Made:
        key = self._make_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issued_by = x509.load_pem_x509_certificate(issuer.pem.encode()).subject if issuer else subject
        signer = serialization.load_pem_private_key(issuer.key.encode(), None) if issuer else key
        assert isinstance(signer, _Key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issued_by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now + timedelta(days=days[0]))
            .not_valid_after(self._now + timedelta(days=days[1]))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        certificate = builder.sign(signer, hashes.SHA256())
        form, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return Made(
            certificate.public_bytes(serialization.Encoding.PEM).decode(),
            key.private_bytes(serialization.Encoding.PEM, form, clear).decode(),
        )
