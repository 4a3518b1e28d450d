"""A session of processes (setsid(2)): a program with all that it has started, and that may outlive it."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Session:
    """A session, known for as long as one of its processes lives.

    Args:
        leader: the number of the process that began it, which is the session's too.
        began: when that was, in the kernel's ticks since the machine's start: numbers are given again.
    """

    leader: int
    began: int

    def leader_lives(self) -> bool:
        """Tell whether the process that began it still runs."""
        found = _stat(self.leader)
        return found is not None and found.state != "Z" and found.began == self.began

    def members(self) -> list[int]:
        """Return the numbers of its processes; none where its number is another session's by now."""
        leader = _stat(self.leader)
        if leader and leader.began != self.began:
            return []
        numbers = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
        found = [(number, stat) for number in numbers if (stat := _stat(number))]
        return [number for number, stat in found if stat.session == self.leader and stat.state != "Z"]

    def end(self) -> None:
        """End all of its processes, by force, and return when they are gone."""
        while members := self.members():
            for number in members:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.05)


def of(leader: int) -> Session:
    """Return the session that a process has begun.

    Args:
        leader: its number.

    Raises:
        ProcessLookupError: there is no such process.
    """
    found = _stat(leader)
    if not found:
        raise ProcessLookupError(leader)
    return Session(leader, found.began)


@dataclass(frozen=True)
class _Stat:
    state: str
    session: int
    began: int


def _stat(number: int) -> _Stat | None:
    try:
        # proc_pid_stat(5): the second field, in parentheses, may have anything in it.
        fields = Path(f"/proc/{number}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return _Stat(state=fields[0], session=int(fields[3]), began=int(fields[19]))
