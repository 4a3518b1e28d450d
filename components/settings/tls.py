"""By what clients know the server: the stack's own authority and the server's key, or a certificate that one has."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import pulumi

from components import certificates
from components.certificates import CertificateError
from components.settings.given import given, hidden, optional_secret, secret
from components.settings.mistake import Mistake
from components.settings.section import Section

T = TypeVar("T")


@dataclass(frozen=True)
class TlsAuthority:
    """The stack's authority.

    Args:
        key: its private key, secret.
        certificate: its certificate, PEM.
        ends: after which nothing is valid that it has issued.
    """

    key: pulumi.Output[str]
    certificate: str
    ends: datetime


@dataclass(frozen=True)
class TlsKey:
    """The server's key.

    Args:
        key: it, secret.
        made: when; the certificate's dates follow from it.
        ends: when the certificate that the stack's authority issues for it ends.
    """

    key: pulumi.Output[str]
    made: datetime
    ends: datetime


@dataclass(frozen=True)
class OwnCertificate:
    """A certificate that one has.

    Args:
        key: its private key, secret.
        chain, authority, issuers: as of `certificates.BroughtCertificate`.
        names: the hosts that it is for.
        host: the one of them by which clients come.
    """

    key: pulumi.Output[str]
    chain: str
    authority: str
    issuers: str
    names: tuple[str, ...]
    host: str


def _read(read: Callable[[str], T], text: str, remedy: str) -> T:
    try:
        return read(text)
    except CertificateError as error:
        raise Mistake(f"{error}; {remedy}") from None


def _authority(value: str) -> TlsAuthority:
    remedy = f"make rotate STACK={pulumi.get_stack()} SECRET=tlsAuthority makes one"
    found = _read(certificates.read_authority, value, remedy)
    ends = certificates.authority_ends(found)
    if ends <= datetime.now(UTC):
        raise Mistake(f"expired on {ends:%Y-%m-%d}; {remedy}")
    return TlsAuthority(hidden(found.key), found.certificate, ends)


def _key(value: str) -> TlsKey:
    remedy = f"make rotate STACK={pulumi.get_stack()} SECRET=tlsCertificate makes one"
    found = _read(certificates.read_key, value, remedy)
    ends = certificates.ends(found)
    if ends <= datetime.now(UTC):
        raise Mistake(f"expired on {ends:%Y-%m-%d}; {remedy}")
    return TlsKey(hidden(found.key), found.made, ends)


def _own_certificate(value: str) -> OwnCertificate:
    found = _read(certificates.read_brought, value, "docs/operations/tls.md says what it needs")
    if found.host is None:
        raise Mistake(f"is for {', '.join(found.names)}, and none of these is a name that clients can connect to")
    return OwnCertificate(
        hidden(found.key), found.chain, found.authority, found.issuers, found.names, found.host
    )  # fmt: skip


class TlsSection(Section):
    tls_authority: Annotated[TlsAuthority, given(secret, _authority)]
    tls_certificate: Annotated[TlsKey, given(secret, _key)]
    own_certificate: Annotated[OwnCertificate | None, given(optional_secret(_own_certificate))]
