"""DRBD's secret, rates and tunnel."""

import re
import string
from collections.abc import Iterable
from typing import Annotated

import pulumi

from components.settings.data_disk import Speed
from components.settings.given import Given, boolean, given, hidden, optional, secret, secrets, text
from components.settings.mistake import Mistake
from components.settings.section import Check, Section
from components.settings.tunnel import Tunnel, read_tunnel

# For so long there may be one copy of the data after a crash, though what was not written to since is the same.
_COPY_SECONDS = 300

# drbd.conf(5) of 8.4, "al-extents": its own number, and the most for which the room is enough that its metadata have
# for them.
_EXTENT_BYTES = 4 << 20
_LEAST_EXTENTS = 1237
_MOST_EXTENTS = 6433

# Pages that DRBD may hold of what comes from the peer, and writes between two barriers: at least DRBD's own number, at
# most the 20000 that Microsoft has on Azure (learn.microsoft.com, "High availability for NFS on Azure VMs on SUSE Linux
# Enterprise Server"), which is DRBD's most for the latter too; and never more than a hundredth of the machine's memory.
_PAGE_BYTES = 4 << 10
_LEAST_BUFFERS = 2048
_MOST_BUFFERS = 20000

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
    if not re.fullmatch(r"[1-9]\d{0,5}[KMG]", value, re.ASCII):
        raise Mistake(f"{value!r} is not a rate as DRBD writes it; an example is 100M (per second)")
    # drbd.conf(5): c-max-rate is at most 4 GiB a second.
    if _bytes(value) > 4 << 30:
        raise Mistake(f"{value} is more than DRBD's limit, 4G per second")
    return value


def _greatest_rate(value: str) -> str:
    # `drbdadm dump` of drbd-utils 9.22: "c-max-rate 1K => 1k out of range [250..4194304]k".
    if _bytes(_rate(value)) < 250 << 10:
        raise Mistake(f"{value} is less than DRBD's minimum, 250K per second")
    return value


def _bytes(rate: str) -> int:
    return int(rate[:-1]) << {"K": 10, "M": 20, "G": 30}[rate[-1]]


def buffers(memory_mib: int | None) -> int:
    """Return DRBD's `max-buffers` and `max-epoch-size` for a machine; DRBD's own where its memory is not known."""
    hundredth = ((memory_mib or 0) << 20) // 100
    return min(max(hundredth // _PAGE_BYTES, _LEAST_BUFFERS), _MOST_BUFFERS)


def _tunnel(value: Given) -> Tunnel | None:
    return read_tunnel(secrets(value)) if value.text.strip() not in ("", "[]") else None


class ReplicationSection(Section):
    replication_encryption: Annotated[bool, given(boolean)]
    replication_keys: Annotated[Tunnel | None, given(_tunnel)]
    drbd_secret: Annotated[pulumi.Output[str], given(secret, _secret, hidden)]
    drbd_resync_max_rate: Annotated[str, given(text, _greatest_rate)]
    drbd_resync_min_rate: Annotated[str | None, given(optional(_rate))]

    @property
    def tunnel(self) -> Tunnel | None:
        """What the replication's traffic goes through; None where it is not encrypted."""
        return self.replication_keys if self.replication_encryption else None

    def min_rate(self, disk: Speed) -> str:
        """Return what a resynchronisation gets a second while the server writes as fast as it can.

        By default it is a quarter of what the data disk can do, which leaves three to the server: docs/benchmarks.md
        has what either costs.
        """
        quarter = f"{disk.throughput // 4}M"
        return self.drbd_resync_min_rate or min(quarter, self.drbd_resync_max_rate, key=_bytes)

    def al_extents(self, disk: Speed) -> int:
        """Return how many extents of 4 MiB may be written to without a note on the disk first.

        After a crash all of them are copied. So they are as many as can be within `_COPY_SECONDS` where nobody writes:
        DRBD's user's guide 8.4, "Estimating synchronization time" and "The Activity Log".
        """
        rate = min(disk.throughput << 20, _bytes(self.drbd_resync_max_rate))
        return min(max(rate * _COPY_SECONDS // _EXTENT_BYTES, _LEAST_EXTENTS), _MOST_EXTENTS)

    def checks(self) -> Iterable[Check]:
        return (
            ("replicationKeys", self._has_keys),
            ("drbdResyncMinRate", self._least_is_not_more_than_most),
        )

    def _has_keys(self) -> None:
        if self.replication_encryption and self.replication_keys is None:
            raise Mistake(f"is missing; make stack STACK={pulumi.get_stack()} makes every secret that is missing")

    def _least_is_not_more_than_most(self) -> None:
        least, most = self.drbd_resync_min_rate, self.drbd_resync_max_rate
        if least and _bytes(least) > _bytes(most):
            raise Mistake(f"{least} is more than drbdResyncMaxRate, {most}")
