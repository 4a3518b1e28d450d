"""Resource ids of Azure's, and names of its regions."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from components.settings.mistake import Mistake

GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""A GUID, as a regular expression."""


@dataclass(frozen=True)
class AzureId:
    """A resource id.

    Args:
        subscription: GUID of the subscription; empty for what belongs to none.
        group: name of the resource group; empty for what belongs to none.
        names: the resource's name, after those of the resources that it is part of.
    """

    text: str
    subscription: str
    group: str
    names: tuple[str, ...]

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"


def id_of(kind: str) -> Callable[[str], AzureId]:
    """Return what parses the resource id of something in a resource group, whatever the case of its fixed words.

    Args:
        kind: its type with names left open, such as "Microsoft.KeyVault/vaults/NAME".
    """
    wanted = f"/subscriptions/ID/resourceGroups/NAME/providers/{kind}"
    pattern = "".join(
        f"/(?P<subscription>{GUID})" if word == "ID" else r"/([-\w.()]+)" if word == "NAME" else f"/{re.escape(word)}"
        for word in wanted.split("/")[1:]
    )

    def parse(value: str) -> AzureId:
        match = re.fullmatch(pattern, value, re.ASCII | re.IGNORECASE)
        if match is None:
            raise Mistake(f"{value!r} is not of the form {wanted}")
        _, group, *names = match.groups()
        return AzureId(value, match["subscription"], group, tuple(names))

    return parse


def region(name: str) -> str:
    """Return a region's short name: some answers of Azure's call westeurope "West Europe"."""
    return name.replace(" ", "").lower()
