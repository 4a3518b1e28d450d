"""What the backup's programs know of their work: a file beside the data, which goes where the service goes.

`operations/status` reads it too. Nothing rests on it: without it, the store is asked.
"""

import fcntl
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .configuration import RUN, Configuration
from .files import write_whole

NAME = "azure-mysql-ha-backup.json"
HISTORY = "azure-mysql-ha-history"


@dataclass(frozen=True)
class Lost:
    """Logs that were removed before they were in the store; times as names have them."""

    first: int
    last: int
    until: str


@dataclass(frozen=True)
class State:
    """Times are as names of blobs have them; an empty one says never.

    Args:
        history: the one that all of it is of.
        account: the storage account that it is in; empty where that is not known.
        shipped: number of the last log that is in the store; 0 for none, and -1 where that is not known.
        shipped_last: until when that log goes.
        current: number of the log that was being written when shipping has run last; 0 where that is not known.
        current_created: the time of that log's first event, by which it is known again; seconds since 1970.
        complete_to: all that was committed before it is in the store.
        ship_at: when shipping has run last.
        ship_error: why not all was shipped; empty for nothing.
        waiting: how many closed logs are not in the store.
        base_ended: when the last base of this history was complete.
        base_log: the log in which it goes on.
        base_tried: when a base was begun last.
        base_error: why it failed; empty where it did not.
        base_failures: how many times in a row it has failed.
        lost: what was removed before it was in the store.
    """

    history: str = ""
    account: str = ""
    shipped: int = -1
    shipped_last: str = ""
    current: int = 0
    current_created: int = 0
    complete_to: str = ""
    ship_at: str = ""
    ship_error: str = ""
    waiting: int = 0
    base_ended: str = ""
    base_log: int = 0
    base_tried: str = ""
    base_error: str = ""
    base_failures: int = 0
    lost: list[Lost] = field(default_factory=list[Lost])


def lost_since_base(state: State) -> list[Lost]:
    """Return what is lost, and in no base since."""
    return [lost for lost in state.lost if lost.last >= state.base_log]


def read(configuration: Configuration) -> State:
    """Return what is known; nothing where the file is not there, or none of ours."""
    try:
        told: dict[str, Any] = json.loads((configuration.directory / NAME).read_text(encoding="utf-8"))
        told["lost"] = [Lost(**each) for each in told["lost"]]
        return State(**told)
    except (OSError, ValueError, TypeError, KeyError):
        return State()


def change(configuration: Configuration, **changes: Any) -> State:
    """Write what is new, whole or not at all; base and shipping may do so at the same time."""
    RUN.mkdir(mode=0o700, exist_ok=True)
    with (RUN / "backup-state.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = replace(read(configuration), **changes)
        write_whole(configuration.directory / NAME, json.dumps(asdict(state)) + "\n")
    return state
