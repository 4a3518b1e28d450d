"""Whom Azure itself tells of trouble."""

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import pulumi

from components.settings.given import given, hidden, optional_secret, texts
from components.settings.mistake import Mistake
from components.settings.section import Section

# learn.microsoft.com/azure/azure-monitor/service-limits, "Action groups".
_MOST_EMAILS = 1000


def _emails(values: Sequence[str]) -> Sequence[str]:
    if len(values) > _MOST_EMAILS:
        raise Mistake(f"has {len(values)} addresses; Azure accepts at most {_MOST_EMAILS}")
    for value in values:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", value) or not value.isprintable():
            raise Mistake(f"{value!r} is not an address; an example is night@example.com")
        if sum(1 for other in values if other.lower() == value.lower()) > 1:
            raise Mistake(f"{value} is listed twice; remove one")
    return values


def _webhook(value: str) -> pulumi.Output[str]:
    # The text may be all that keeps others from using it: no message has it.
    try:
        parts = urlsplit(value)
        good = parts.scheme == "https" and bool(parts.hostname) and value.isprintable() and " " not in value
    except ValueError:  # it quotes the host
        good = False
    if not good:
        raise Mistake("is not the address of a web hook, which begins with https://")
    return hidden(value)


class AlertsSection(Section):
    """Whom Azure itself tells of trouble; nobody where both are empty."""

    alert_emails: Annotated[tuple[str, ...], given(texts, _emails)]
    alert_webhook: Annotated[pulumi.Output[str] | None, given(optional_secret(_webhook))]

    @property
    def are_sent(self) -> bool:
        return bool(self.alert_emails) or self.alert_webhook is not None
