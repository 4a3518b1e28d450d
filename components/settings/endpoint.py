"""Where clients find MySQL, and from where they may."""

from collections.abc import Iterable
from typing import Annotated, Literal

from components import ports
from components.settings.cidr import sources
from components.settings.given import between, choice, given, text, texts, whole
from components.settings.mistake import Mistake
from components.settings.section import Check, Section


def _free_on_the_nodes(port: int) -> int:
    if port in ports.ON_EVERY_NODE:
        raise Mistake(f"{port} is in use on the nodes; choose another, such as 61500")
    return port


class EndpointSection(Section):
    endpoint: Annotated[Literal["public", "internal"], given(text, choice("public", "internal"))]
    probe_port: Annotated[int, given(whole, between(1, 65535), _free_on_the_nodes)]
    client_cidrs: Annotated[tuple[str, ...], given(texts)]

    @property
    def is_public(self) -> bool:
        return self.endpoint == "public"

    def checks(self) -> Iterable[Check]:
        # Nobody reaches an internal endpoint but the virtual network and what is joined to it.
        return (("clientCidrs", lambda: sources("MySQL", may_be_world=not self.is_public)(self.client_cidrs)),)
