"""A session of processes (setsid(2)): a program with all that it has started, and that may outlive it."""

import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """What proc_pid_stat(5) says of a process.

    Args:
        state: a letter, such as T for one that is stopped.
        began: in the kernel's ticks since the machine's start.
    """

    number: int
    state: str
    session: int
    began: int

    @property
    def lives(self) -> bool:
        return self.state not in "ZX"


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
        found = _process(self.leader)
        return found is not None and found.lives and found.began == self.began

    def members(self) -> list[Process]:
        """Return its processes that live, the leader first; none where its number is another session's by now."""
        # A number is not given away while a session has it, so members without a leader are ours; a leader with another
        # start time is a stranger's, after all of ours have gone.
        leader = _process(self.leader)
        if leader and leader.began != self.began:
            return []
        numbers = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208  names only
        found = [process for number in numbers if (process := _process(number))]
        ours = [process for process in found if process.session == self.leader and process.lives]
        return sorted(ours, key=lambda process: process.number != self.leader)

    def end(self, seconds: float = math.inf) -> None:
        """End all of its processes, by force, and return when they are gone.

        Raises:
            TimeoutError: some were not gone in time; the text has their numbers.
        """
        deadline = time.monotonic() + seconds
        while members := self.members():
            for process in members:
                with suppress(ProcessLookupError):
                    os.kill(process.number, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes {[process.number for process in members]} do not end")
            time.sleep(0.01)


def of(leader: int) -> Session:
    """Return the session that a process has begun.

    Args:
        leader: its number.

    Raises:
        ProcessLookupError: there is no such process.
    """
    found = _process(leader)
    if not found:
        raise ProcessLookupError(leader)
    return Session(leader, found.began)


def _process(number: int) -> Process | None:
    try:
        # The second field, in parentheses, may have anything in it.
        fields = Path(f"/proc/{number}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Process(number=number, state=fields[0], session=int(fields[3]), began=int(fields[19]))
