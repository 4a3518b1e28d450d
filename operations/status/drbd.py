"""What the kernel says of DRBD: its own text in /proc/drbd (DRBD 8.4, which the kernels of all the images have)."""

import json
import re
from dataclasses import dataclass

_STATE = re.compile(r"^ *1: cs:(\w+) ro:(\w+)/(\w+) ds:(\w+)/(\w+).* ([rs])\S*$", re.MULTILINE)  # /dev/drbd1
_TOGETHER = ("Connected", "VerifyS", "VerifyT")


@dataclass(frozen=True)
class Drbd:
    """How DRBD is on a node, in its own words.

    Args:
        connection: such as "Connected", "WFConnection", "SyncTarget".
        role: this node's, such as "Primary".
        disks: this node's and its peer's, such as ("UpToDate", "Inconsistent").
        suspended: whether writes stand still, until the peer is known to be off or is back.
        out_of_sync: KiB of which this node knows that they differ, or that the peer has missed.
        synced: percents of a copy that are done, such as "12.3"; empty where none is under way.
        finish: what DRBD thinks that the copy will take, as "H:MM:SS"; empty likewise.
        speed: of the copy, in KiB/s; 0 likewise.
        stalled: whether the copy does not get on.
    """

    connection: str
    role: str
    disks: tuple[str, str]
    suspended: bool = False
    out_of_sync: int = 0
    synced: str = ""
    finish: str = ""
    speed: int = 0
    stalled: bool = False

    @property
    def seconds_left(self) -> int | None:
        """What DRBD thinks that the copy will take; None where none is under way, or where it does not know."""
        hours, minutes, seconds = (int(part) for part in (self.finish or "0:0:0").split(":"))
        return hours * 3600 + minutes * 60 + seconds if self.finish else None

    @property
    def has_peer(self) -> bool:
        """Whether the two write together, be it that they compare their disks meanwhile."""
        return self.connection in _TOGETHER

    @property
    def differing(self) -> int:
        """KiB that differ on two disks that both count as whole: a verify has found them."""
        return self.out_of_sync if self.has_peer and self.disks == ("UpToDate", "UpToDate") else 0


@dataclass(frozen=True)
class Verify:
    """A comparison of the two disks, block by block.

    Args:
        at: when it ended, in seconds of the epoch.
        differing: KiB that were not the same.
    """

    at: int
    differing: int


def read_verify(text: str | None) -> Verify | None:
    """Read what a node has noted of its last comparison; None where there is nothing to read."""
    try:
        noted = json.loads(text or "")
        return Verify(int(noted["at"]), int(noted["differing_kib"]))
    except (ValueError, KeyError, TypeError):
        return None


def read(text: str | None) -> Drbd | None:
    """Read /proc/drbd.

    Args:
        text: all of it; None where there is no such file.

    Returns:
        r0's state; None where DRBD is down.
    """
    state = _STATE.search(text or "")
    if text is None or state is None:
        return None
    rest = text[state.end() :]

    def find(pattern: str) -> str:
        found = re.search(pattern, rest)
        return found[1] if found else ""

    return Drbd(
        connection=state[1],
        role=state[2],
        disks=(state[4], state[5]),
        suspended=state[6] == "s",
        out_of_sync=int(find(r"\boos:(\d+)") or 0),
        # A verify shows how far it is in the same place, as "verified:".
        synced=find(r"sync'ed: *([\d.]+)%"),
        finish=find(r"sync'ed:[^\n]*\n\s*finish: ([\d:]+)"),
        speed=int(find(r"sync'ed:[^\n]*\n.*? speed: ([\d,]+)").replace(",", "") or 0),
        stalled="(stalled)" in rest,
    )
