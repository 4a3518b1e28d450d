"""The blobs of a backup. Their names alone tell when one can restore.

Names, with times in UTC as 20261127T115959Z:

    log/HISTORY/NUMBER_FIRST_LAST_SHA.zst                   a closed binary log; SHA: of the file, uncompressed
    base/HISTORY/BEGUN/data.zst                             all data
    base/HISTORY/BEGUN/base_ENDED_NUMBER_POSITION.json      written last: a base without it does not exist

HISTORY is the time at which the numbering of the binary logs began. A log holds what was committed from FIRST to LAST;
the next one may begin in the same second. All that a base holds was committed before ENDED; what came after it begins
at POSITION of the log NUMBER.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from .moments import STAMP, from_stamp, stamp

CONTAINER = "backup"
"""The container of bases and logs: what is in it is never overwritten."""

STATE_CONTAINER = "state"
"""The container of small files that are overwritten."""

LOGS, BASES = "log/", "base/"

SEEN, VERIFIED = "seen.json", "verified.json"
"""In the container for the state."""


@dataclass(frozen=True, order=True)
class Log:
    """A closed binary log.

    Args:
        sha: the first 16 hexadecimal digits of the uncompressed file's SHA-256.
    """

    history: str
    number: int
    first: datetime
    last: datetime
    sha: str

    @property
    def name(self) -> str:
        return f"{LOGS}{self.history}/{self.number:06}_{stamp(self.first)}_{stamp(self.last)}_{self.sha}.zst"


@dataclass(frozen=True, order=True)
class Base:
    """All data, and where in the binary logs what came after it begins."""

    history: str
    ended: datetime
    begun: datetime
    log: int
    position: int

    @property
    def data(self) -> str:
        return f"{BASES}{self.history}/{stamp(self.begun)}/data.zst"

    @property
    def name(self) -> str:
        """The blob without which the base does not exist, with its `Details`."""
        return f"{BASES}{self.history}/{stamp(self.begun)}/base_{stamp(self.ended)}_{self.log:06}_{self.position}.json"


_NUMBER = r"\d{6,}"
_LOG = re.compile(rf"{LOGS}({STAMP})/({_NUMBER})_({STAMP})_({STAMP})_([0-9a-f]+)\.zst")
_BASE = re.compile(rf"{BASES}({STAMP})/({STAMP})/base_({STAMP})_({_NUMBER})_(\d+)\.json")


def log_of(name: str) -> Log | None:
    """Return the log that a blob is; None for any other name."""
    found = _LOG.fullmatch(name)
    return (
        Log(found[1], int(found[2]), from_stamp(found[3]), from_stamp(found[4]), found[5])
        if found and _are_times(found[1], found[3], found[4])
        else None
    )


def base_of(name: str) -> Base | None:
    """Return the base that a blob completes; None for any other name."""
    found = _BASE.fullmatch(name)
    return (
        Base(found[1], from_stamp(found[3]), from_stamp(found[2]), int(found[4]), int(found[5]))
        if found and _are_times(found[1], found[2], found[3])
        else None
    )


def _are_times(*texts: str) -> bool:
    try:
        return all(from_stamp(text) for text in texts)
    except ValueError:
        return False
