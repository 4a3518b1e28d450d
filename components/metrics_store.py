"""Where samples go, as the witness is told. Knows neither Azure's resources nor SSH."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

AUDIENCE = "https://monitor.azure.com/"
"""Whom a token is for that lets somebody write, as Prometheus' own support for Entra ID has it."""


@dataclass(frozen=True)
class MetricsStore:
    """What keeps the samples of the witness's Prometheus.

    Args:
        url: for Prometheus' remote write.
        ready: what must be there before the witness may write.
    """

    url: str
    ready: Sequence[pulumi.Resource]
