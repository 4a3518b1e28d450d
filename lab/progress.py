"""What a long run tells while it is at work, and its summary at the end."""

import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Progress:
    """Lines with the time since the beginning, and the time that each phase took.

    Args:
        write: where a line goes; standard error by default, so that standard output stays the result's.
    """

    write: Callable[[str], None] = field(default=lambda line: print(line, file=sys.stderr, flush=True))
    began: float = field(default_factory=time.monotonic)
    phases: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, line: str) -> None:
        with self._lock:
            self.write(f"{time.monotonic() - self.began:6.1f} s  {line}")

    @contextmanager
    def phase(self, name: str) -> Generator[None]:
        """Take the time of what happens inside."""
        begin = time.monotonic()
        yield
        self.phases.append((name, time.monotonic() - begin))

    def summary(self) -> str:
        """Return the phases and the seconds that they took, one a line."""
        width = max((len(name) for name, _ in self.phases), default=0)
        lines = [f"{name:{width}}  {seconds:6.1f} s" for name, seconds in self.phases]
        return "\n".join([*lines, f"{'all':{width}}  {time.monotonic() - self.began:6.1f} s"])
