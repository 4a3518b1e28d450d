"""Where clients find MySQL, and from where they may."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from components import ports
from components.settings.azure_id import AzureId, id_of
from components.settings.cidr import sources
from components.settings.given import between, choice, given, optional, text, texts, whole
from components.settings.mistake import Mistake
from components.settings.section import Check, Section


def _free_on_the_nodes(port: int) -> int:
    if port in ports.ON_EVERY_NODE:
        raise Mistake(f"{port} is in use on the nodes; choose another, such as 61500")
    return port


def _dns_label(value: str) -> str:
    # learn.microsoft.com, "CheckDnsNameAvailability": what a label has to conform to.
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,61}[a-z0-9]", value):
        raise Mistake(
            f"{value!r} is not a label of a domain name: 3 to 63 of a-z, 0-9 and -, beginning with a letter and not"
            " ending with -"
        )
    return value


# learn.microsoft.com/azure/dns/private-dns-privatednszone, "Restrictions", of the public cloud.
_MOST_LABELS = 34
_RESERVED_ZONES = (
    *("azclient.ms", "azure.com", "cloudapp.net", "core.windows.net", "microsoft.com", "msidentity.com"),
    *("trafficmanager.net", "windows.net"),
)


def _domain_name(value: str) -> str:
    # RFC 1123: what a host name is made of, and how long it can be.
    label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    if not re.fullmatch(rf"{label}(?:\.{label})+", value) or len(value) > 253:
        raise Mistake(
            f"{value!r} is not a domain name: parts of 1 to 63 of a-z, 0-9 and -, with dots between them, such as"
            " db.shop.internal"
        )
    return value


class EndpointSection(Section):
    endpoint: Annotated[Literal["public", "internal"], given(text, choice("public", "internal"))]
    dns_label: Annotated[str | None, given(optional(_dns_label))]
    private_dns_name: Annotated[str | None, given(optional(_domain_name))]
    existing_private_dns_zone_id: Annotated[
        AzureId | None, given(optional(id_of("Microsoft.Network/privateDnsZones/NAME")))
    ]
    probe_port: Annotated[int, given(whole, between(1, 65535), _free_on_the_nodes)]
    client_cidrs: Annotated[tuple[str, ...], given(texts)]

    @property
    def is_public(self) -> bool:
        return self.endpoint == "public"

    @property
    def zone_name(self) -> str:
        """The private DNS zone that the endpoint's name is in: the existing one, or what follows the first part."""
        zone = self.existing_private_dns_zone_id
        return zone.names[0].lower() if zone else (self.private_dns_name or "").partition(".")[2]

    @property
    def name_in_zone(self) -> str:
        """The endpoint's name without its zone's."""
        return (self.private_dns_name or "").removesuffix(f".{self.zone_name}")

    def checks(self) -> Iterable[Check]:
        # Nobody reaches an internal endpoint but the virtual network and what is joined to it.
        return (
            ("dnsLabel", self._label_is_public),
            ("privateDnsName", self._private_name_is_internal),
            ("existingPrivateDnsZoneId", self._zone_has_the_name),
            ("clientCidrs", lambda: sources("MySQL", may_be_world=not self.is_public)(self.client_cidrs)),
        )

    def _label_is_public(self) -> None:
        if self.dns_label and not self.is_public:
            raise Mistake("is for a public endpoint; an internal one has privateDnsName")

    def _private_name_is_internal(self) -> None:
        if not self.private_dns_name:
            return
        if self.is_public:
            raise Mistake("is for an internal endpoint; a public one has dnsLabel")
        if self.existing_private_dns_zone_id:
            return
        zone = self.zone_name
        if "." not in zone:
            raise Mistake(
                f"{self.private_dns_name} would be in a zone {zone}, but Azure's zones have two parts or more; an"
                " example is db.shop.internal"
            )
        if zone.count(".") >= _MOST_LABELS:
            raise Mistake(f"{self.private_dns_name} has a zone of more than {_MOST_LABELS} parts, which Azure refuses")
        if zone in _RESERVED_ZONES:
            raise Mistake(f"{self.private_dns_name} would be in a zone {zone}, which Azure keeps for itself")

    def _zone_has_the_name(self) -> None:
        if not self.existing_private_dns_zone_id:
            return
        if not self.private_dns_name:
            raise Mistake("is where privateDnsName is made, which is missing; set it, or leave this setting out")
        if not self.private_dns_name.endswith(f".{self.zone_name}"):
            raise Mistake(f"is zone {self.zone_name}, but privateDnsName {self.private_dns_name} is not in it")
