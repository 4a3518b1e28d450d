"""Times of a backup, to the second and in UTC: as names of blobs have them, and as people write them."""

import re
from datetime import UTC, datetime

STAMP = r"\d{8}T\d{6}Z"
"""The pattern of a time in a name: 20261127T115959Z."""


def stamp(moment: datetime) -> str:
    """Return a moment as names have it."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def from_stamp(text: str) -> datetime:
    """Read a moment as names have it.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(STAMP, text):
        raise ValueError(f"{text!r} is not a time like 20261127T115959Z")
    return datetime.fromisoformat(text)


def said(moment: datetime) -> str:
    """Return a moment as people write it, and settings: 2026-11-27T11:59:59Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_said(text: str) -> datetime:
    """Read a moment as people write it.

    Raises:
        ValueError: it is none.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
