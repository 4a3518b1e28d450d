"""Fencing (STONITH)."""

import re
from typing import Annotated

from components.settings.azure_id import GUID, AzureId
from components.settings.given import between, choice, given, number, optional, text
from components.settings.mistake import Mistake
from components.settings.section import Section


def _switch(value: str) -> bool:
    # true and false are what YAML 1.1 makes of on and off.
    return choice("on", "off")({"true": "on", "false": "off"}.get(value.lower(), value)) == "on"


def _role_id(value: str) -> AzureId:
    """Parse a role definition's id: a custom role's of the subscription, or a built-in role's, which has none."""
    match = re.fullmatch(
        rf"(?:/subscriptions/(?P<subscription>{GUID}))?/providers/Microsoft\.Authorization/roleDefinitions/"
        rf"(?P<name>{GUID})",
        value,
        re.IGNORECASE,
    )
    if match is None:
        raise Mistake(
            f"{value!r} is not of the form /subscriptions/ID/providers/Microsoft.Authorization/roleDefinitions/ID"
        )
    return AzureId(value, match["subscription"] or "", "", (match["name"],))


def _delay(value: str) -> int:
    return between(0, 300, "seconds")(number(value))


class FencingSection(Section):
    fencing: Annotated[bool, given(text, _switch)]
    watchdog: Annotated[bool | None, given(optional(_switch))]
    existing_role_definition_id: Annotated[AzureId | None, given(optional(_role_id))]
    fencing_delay_seconds: Annotated[int | None, given(optional(_delay))]
