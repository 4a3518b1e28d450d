"""DRBD."""

import re
import string
from collections.abc import Iterable
from typing import Annotated

import pulumi

from components.settings import data_disk
from components.settings.given import given, hidden, optional, secret, text
from components.settings.mistake import Mistake
from components.settings.section import Check, Section

_SECRET_CHARACTERS = set(string.ascii_letters + string.digits + "-_.+/=")


def _secret(value: str) -> str:
    if not 32 <= len(value) <= 63:
        raise Mistake(f"has {len(value)} characters; 32 to 63 are needed")
    if not set(value) <= _SECRET_CHARACTERS:
        raise Mistake("has a character that is not allowed: letters, digits and -_.+/=")
    if len(set(value)) < 12:
        raise Mistake("is weak: it has fewer than 12 different characters")
    return value


def _rate(value: str) -> str:
    """Check a rate in DRBD's form: K, M or G bytes a second."""
    if not re.fullmatch(r"[1-9]\d{0,5}[KMG]", value):
        raise Mistake(f"{value!r} is not a rate of DRBD's; an example is 100M (a second)")
    # drbd.conf(5): c-max-rate is at most 4 GiB a second.
    if _bytes(value) > 4 << 30:
        raise Mistake(f"{value} is more than DRBD takes, 4G a second")
    return value


def _bytes(rate: str) -> int:
    return int(rate[:-1]) << {"K": 10, "M": 20, "G": 30}[rate[-1]]


class ReplicationSection(Section):
    drbd_secret: Annotated[pulumi.Output[str], given(secret, _secret, hidden)]
    drbd_resync_max_rate: Annotated[str, given(text, _rate)]
    drbd_resync_min_rate: Annotated[str | None, given(optional(_rate))]

    def min_rate(self, sku: str, size_gib: int) -> str:
        """Return what a resynchronisation gets a second while the server writes as fast as it can.

        By default it is a quarter of what the data disk can do, which leaves three to the server: docs/benchmarks.md
        has what either costs.
        """
        quarter = f"{data_disk.throughput(sku, size_gib) // 4}M"
        return self.drbd_resync_min_rate or min(quarter, self.drbd_resync_max_rate, key=_bytes)

    def checks(self) -> Iterable[Check]:
        return (("drbdResyncMinRate", self._least_is_not_more_than_most),)

    def _least_is_not_more_than_most(self) -> None:
        least, most = self.drbd_resync_min_rate, self.drbd_resync_max_rate
        if least and _bytes(least) > _bytes(most):
            raise Mistake(f"{least} is more than drbdResyncMaxRate, {most}")
