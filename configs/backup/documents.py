"""The small JSON files of a backup: what a base is, what shipping saw last, what the last proof found."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from .moments import from_stamp


@dataclass(frozen=True)
class Details:
    """What a base's JSON says of it.

    Args:
        cluster: the cluster's name.
        server: "mysql" or "mariadb".
        version: the server's own, such as 10.11.19.
        kind: "mbstream" or "sql".
        bytes: of data.zst.
        sha256: of data.zst.
        unpacked: bytes of what was compressed.
        data: bytes of the server's data when it was begun, without binary logs; 0 in bases that do not say.
        warnings: what of the data is not in it, or may not fit the rest.

    Raises:
        ValueError: it is of a format that this program does not know.
    """

    cluster: str
    server: str
    version: str
    kind: str
    begun: str
    ended: str
    history: str
    log: int
    position: int
    bytes: int
    sha256: str
    unpacked: int
    format: int = 1
    data: int = 0
    warnings: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        if self.format != 1:
            raise ValueError(f"a base of format {self.format}; this program knows only 1")

    @property
    def room(self) -> int:
        """Bytes that the restored data need, logs not counted: no dump has indexes."""
        return max(self.unpacked, self.data)

    @property
    def series(self) -> str:
        """The first two numbers of the version: a base can be restored within them."""
        return series_of(self.version)

    def fits(self, server: str, series: str) -> bool:
        return (self.server, self.series) == (server, series)


@dataclass(frozen=True)
class Seen:
    """What the server had when shipping last had brought all.

    Args:
        at: when that was.
        log: the last closed log.
        complete_to: all that was committed before it is in closed logs up to that one.

    Raises:
        ValueError: `complete_to` is no time.
    """

    at: str
    history: str
    log: int
    complete_to: str

    def __post_init__(self) -> None:
        from_stamp(self.complete_to)


@dataclass(frozen=True)
class Verified:
    """The last proof of the backup, by a restore.

    Args:
        at: when it ended.
        base: when the base that it used was begun, as names have it; empty where it came to none.
        to: the last second of what it restored; empty likewise.
        seconds: how long it took.
        bytes: of the restored data, on the disk.
        tables: how many were checked.
        why: what failed; empty where nothing did.
        undecided: whether it was ended for want of room, so that it says nothing of the backup.
    """

    at: str
    base: str
    to: str
    ok: bool
    seconds: int
    bytes: int
    tables: int
    why: str
    undecided: bool = False


_Document = TypeVar("_Document", Details, Seen, Verified)


def to_json(document: Details | Seen | Verified) -> str:
    return json.dumps(asdict(document)) + "\n"


def from_json(kind: type[_Document], text: str) -> _Document:
    """Read a document; what a later program has written into it besides is passed over.

    Raises:
        ValueError: it is not of this kind.
    """
    try:
        told: dict[str, Any] = json.loads(text)
        known = {each.name for each in fields(kind)}
        return kind(**{name: value for name, value in told.items() if name in known})
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not a valid {kind.__name__}: {error}") from error


def series_of(version: str) -> str:
    """Return 10.11 of 10.11.19-MariaDB."""
    return ".".join(version.split(".")[:2])
