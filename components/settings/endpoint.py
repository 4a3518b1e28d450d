"""Where clients find MySQL, and from where they may."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from components import ports
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


class EndpointSection(Section):
    endpoint: Annotated[Literal["public", "internal"], given(text, choice("public", "internal"))]
    dns_label: Annotated[str | None, given(optional(_dns_label))]
    probe_port: Annotated[int, given(whole, between(1, 65535), _free_on_the_nodes)]
    client_cidrs: Annotated[tuple[str, ...], given(texts)]

    @property
    def is_public(self) -> bool:
        return self.endpoint == "public"

    def checks(self) -> Iterable[Check]:
        # Nobody reaches an internal endpoint but the virtual network and what is joined to it.
        return (
            ("dnsLabel", self._label_is_public),
            ("clientCidrs", lambda: sources("MySQL", may_be_world=not self.is_public)(self.client_cidrs)),
        )

    def _label_is_public(self) -> None:
        if self.dns_label and not self.is_public:
            raise Mistake("is for a public endpoint; an internal one has no domain name of Azure's")
