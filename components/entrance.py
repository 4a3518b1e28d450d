"""The endpoint's address and name, and the server's certificate. Knows neither Azure's resources nor SSH."""

from dataclasses import dataclass

import pulumi

from components import certificates
from components.certificates import Authority, DatedKey
from components.settings.settings import Settings


@dataclass(frozen=True)
class Entrance:
    """The endpoint, and the certificate that the server shows there.

    Args:
        address: the endpoint's IPv4 address.
        name: what clients call it, which the certificate has: a domain name, or the address where there is none.
        certificate: as the server sends it, PEM, with those between it and the authority's.
        key: its private key, PEM, secret.
        authority: the authority's certificate, PEM, by which clients know it.
        issuers: all that the certificate rests on, that one and those between, PEM: MySQL looks whether it knows them.
    """

    address: pulumi.Output[str]
    name: pulumi.Output[str]
    certificate: pulumi.Output[str]
    key: pulumi.Output[str]
    authority: str
    issuers: str


def make_entrance(settings: Settings, address: pulumi.Output[str]) -> Entrance:
    """Return how clients come in: with the certificate that one has, or with one of the stack's own authority.

    Args:
        address: the endpoint's IPv4 address.
    """
    tls, domain_name = settings.tls, settings.domain_name
    if own := tls.own_certificate:
        certificate, name = pulumi.Output.from_input(own.chain), pulumi.Output.from_input(own.host)
        return Entrance(address, name, certificate, own.key, own.authority, own.issuers)
    names = [word for node in settings.nodes for word in (node.name, node.private_address)]
    names += [domain_name] if domain_name else []

    def issue(known: list[str]) -> str:
        authority_key, key, host = known
        return certificates.issue(
            Authority(authority_key, tls.tls_authority.certificate),
            DatedKey(key, tls.tls_certificate.made),
            settings.names.cluster_name,
            [*filter(None, [host]), *names],  # none in a preview, where the address is to be made
        )

    issued = pulumi.Output.all(tls.tls_authority.key, tls.tls_certificate.key, address).apply(issue)
    return Entrance(
        address=address,
        name=pulumi.Output.from_input(domain_name) if domain_name else address,
        # Made of secrets, and shown to every client.
        certificate=pulumi.Output.unsecret(issued),
        key=tls.tls_certificate.key,
        authority=tls.tls_authority.certificate,
        issuers=tls.tls_authority.certificate,
    )
