"""A drill under way, as scenarios see it."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drills.observation import Observation
from drills.proof import alerts, timeline
from drills.proof.alerts import Alert
from drills.proof.record import Mark, MarkKind, first_fault
from drills.target import LabTarget, Target
from lab.progress import Progress
from lab.prometheus import LOOK_SECONDS, Prometheus
from lab.writer import PACE
from operations.ssh import Node, by_name
from operations.status.rules import HAPPENED

STATUS_SECONDS = 2.0
"""Time between two questions to Pacemaker.  Each costs half a second of a guest's processor, so none is asked before
writes go well again and DRBD is whole."""

_TELL_SECONDS = 10.0
"""Time between two lines of progress while something is awaited."""

_PAUSE_TELL_SECONDS = 60.0
"""Time between two lines of progress while nothing is awaited but time."""

_LOGIN_SECONDS = 60.0
"""Longest wait for a busy node to let the one in that hurts it."""

_ANSWER_SECONDS = 5.0
"""Longest wait for a node to end the command that hurts it."""

_BEFORE_SECONDS = 0.2
"""From a node's last word to what hurts it."""

_QUIET_SECONDS = 150.0
"""Longest wait for the end of alerts, once all is well: a node looks at itself every 45 s."""

_FENCE_CONSTRAINT = "drbd-fence-by-handler"


class NotWellError(Exception):
    """A drill cannot begin; the text says why."""


@dataclass(frozen=True)
class Extent:
    """How much of it is asked for.

    Attributes:
        pace: rows a second.
        moves: how often `standby` and `move` move the service.
        minutes: how long `quiet` lasts.
    """

    pace: float = PACE
    moves: int = 10
    minutes: int = 2


USUAL = Extent()


class Drill:
    """A fault that is done to a cluster: ways to make it, to wait, and to note what is wrong.

    Args:
        title: what it is called in lines of progress, such as "standby 1".
        folder: gets all that the drill leaves behind; made by this.
    """

    def __init__(
        self,
        title: str,
        target: Target,
        folder: Path,
        progress: Progress,
        *,
        settle_seconds: float,
        extent: Extent,
    ) -> None:
        self.target = target
        self.extent = extent
        self.nodes = list(target.nodes)
        self.serving = self.idle = self.nodes[0]
        self.marks: list[Mark] = []
        self.failures: list[str] = []
        self.strong_at = 0.0
        """When the cluster was last seen at full strength, in seconds of the epoch."""
        folder.mkdir(parents=True)
        self.seen = Observation(target, folder, extent.pace)
        self._title = title
        self._progress = progress
        self._settle_seconds = settle_seconds

    @property
    def lab(self) -> LabTarget:
        """The lab, for scenarios that need one."""
        assert isinstance(self.target, LabTarget)
        return self.target

    def other(self, node: Node) -> Node:
        """Return the node that is not this one."""
        return next(one for one in self.nodes if one.name != node.name)

    def say(self, text: str) -> None:
        self._progress(f"{self._title}: {text}")

    def mark(self, kind: MarkKind, text: str, node: Node | None, at: float | None = None) -> float:
        """Note something that happened, and tell it; `fault`, `fault_end` and `event` are for scenarios.

        Args:
            at: seconds of the epoch; now by default.
        """
        at = at or time.time()
        self.marks.append(Mark(at, kind, node.name if node else None, text))
        self.say(f"{text}{f' ({node.name})' if node else ''}")
        return at

    def fault(self, text: str, node: Node | None = None) -> float:
        """Note the fault, just before it is made; return the time in seconds of the epoch."""
        return self.mark("fault", text, node)

    def fault_end(self, text: str, node: Node | None = None) -> float:
        return self.mark("fault-end", text, node)

    def event(self, text: str, node: Node | None = None) -> float:
        return self.mark("event", text, node)

    @property
    def fault_at(self) -> float:
        """When the first fault was made, in seconds of the epoch; when the drill began, before that."""
        return first_fault(self.marks, self.seen.begin)

    def check(self, holds: bool, otherwise: str) -> None:
        """Note what is wrong where something does not hold."""
        if not holds:
            self.failures.append(otherwise)
            self.say(f"WRONG: {otherwise}")

    def wait(self, what: str, condition: Callable[[], object], seconds: float, every: float = 0.1) -> None:
        """Wait for an event, and tell so.

        Args:
            condition: asked again and again until it returns something true.
            every: seconds between two questions.
        """
        begin = told = time.monotonic()
        while not condition():
            now = time.monotonic()
            if now - begin > seconds:
                raise TimeoutError(f"{what}: not within {seconds:.0f} s")
            if now - told >= _TELL_SECONDS:
                self.say(f"waiting for {what}: {now - begin:.0f} s")
                told = now
            time.sleep(every)

    def pause(self, seconds: float, what: str) -> None:
        """Let some time pass, and tell so: for faults that last."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.say(f"{what}: {left:.0f} s")
            time.sleep(min(left, _PAUSE_TELL_SECONDS))

    def fault_on(self, node: Node, text: str, command: str) -> float:
        """Make a fault by a shell line on a node, and note it with that node's time of just before.

        Args:
            node: where; by what the line does it may never answer.

        Raises:
            OSError: the node does not run it.
        """
        process = subprocess.Popen(
            # A machine that dies of it shall have sent the time before.
            node.command(f"echo $EPOCHREALTIME; sleep {_BEFORE_SECONDS}; {command}"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout
        login = threading.Timer(_LOGIN_SECONDS, process.kill)
        login.start()
        said = process.stdout.readline()
        login.cancel()
        try:
            rest, error = process.communicate(timeout=_ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            rest, error = process.communicate()
        at = timeline.line_time(said.rstrip("\n"))
        # ssh itself ends with 255 where the node does not answer any more.
        if at is None or process.returncode not in (0, 255, -9):
            raise OSError(f"{text}: {node.name} says {error.strip() or (said + rest).strip() or 'nothing'}")
        return self.mark("fault", text, node, at + _BEFORE_SECONDS)

    def wait_served(self, node: Node, since: float, seconds: float = 240) -> None:
        """Wait until a node serves and rows are acknowledged again.

        Args:
            since: seconds of the epoch; rows sent before do not count.
        """
        self.wait(
            f"{node.name} to serve",
            lambda: self.seen.serves(node) and self.seen.writes_since(max(since, time.time() - 2)),
            seconds,
        )
        self.event("serves, rows are acknowledged", node)

    def wait_writes(self, since: float, seconds: float = 240) -> None:
        """Wait until a row is acknowledged that was sent after a time."""
        self.wait("an acknowledgement", lambda: self.seen.writes_since(since), seconds)
        self.event("rows are acknowledged")

    def wait_strength(self, seconds: float | None = None) -> None:
        """Wait until the cluster is at full strength again."""
        self.wait("full strength", self._is_strong, seconds or self._settle_seconds, every=STATUS_SECONDS)

    def fill(self, mib: int) -> None:
        """Write so many MiB of other data through the endpoint, and take the table away again."""
        self.say(f"writing {mib} MiB")
        with self.target.inside(), contextlib.closing(self.target.connect()) as connection:
            with connection.cursor() as cursor:
                cursor.execute("drop table if exists drill_bulk")
                cursor.execute("create table drill_bulk (number int primary key, data longblob not null)")
                # In pieces, since a whole MiB may take a busy lab longer than a connection waits for an answer.
                for number in range(8 * mib):
                    # Bytes that no layer can take for zeros.
                    cursor.execute(
                        "insert into drill_bulk values (%s, repeat(char(%s), 131072))", (number, 33 + number % 64)
                    )
            with connection.cursor() as cursor:
                cursor.execute("drop table drill_bulk")

    def check_status_warns(self) -> None:
        """Note what is wrong where what a person sees of the cluster has no alarm, and calls fencing sound."""
        now = self.target.status()
        told = "; ".join([f"fencing {now.fencing}", *now.alarms])
        self.event(f"status says: {told}")
        self.check(
            bool(now.alarms) or not now.fencing.startswith("on"), f"the status does not say why nobody serves ({told})"
        )

    def alerts(self, end: float) -> list[Alert] | None:
        """Return what a Prometheus has told since the drill began; None where none watches.

        Args:
            end: seconds of the epoch.
        """
        watching = self.target.watching
        if watching is None:
            return None
        return _told(watching, self.seen.begin, end)

    def wait_told(self, names: Sequence[str], until: float) -> None:
        """Wait for one of some alerts, where a Prometheus watches; the audit tells of none.

        Args:
            until: when to give up, in seconds of the epoch.
        """
        watching = self.target.watching
        if watching is None or not names:
            return
        with contextlib.suppress(TimeoutError):
            self.wait(
                f"the alert {' or '.join(names)}",
                lambda: any(alert.name in names for alert in _told(watching, self.fault_at, time.time())),
                max(0.0, until - time.time()),
                every=STATUS_SECONDS,
            )

    def wait_quiet(self) -> None:
        """Wait until nobody is told of anything that goes on; of what is over they still are."""
        if watching := self.target.watching:
            self.wait(
                "the end of the alerts",
                lambda: watching.telling() <= {*HAPPENED},
                _QUIET_SECONDS,
                every=STATUS_SECONDS,
            )
            for rule in watching.broken():
                self.check(False, f"Prometheus cannot evaluate {rule}")

    def find_serving(self) -> None:
        """See anew which node serves."""
        name = self.target.status().serving
        if name is None:
            raise NotWellError("no node serves, or both do")
        self.serving = by_name(self.nodes, name)
        self.idle = self.other(self.serving)

    def _is_strong(self) -> bool:
        """Tell whether all is as it should be; asks Pacemaker only when what costs nothing looks well."""
        asked = time.time()
        if not self.seen.is_whole() or not self.seen.writes_since(asked - 1) or self.what_is_wrong():
            return False
        self.strong_at = asked
        return True

    def what_is_wrong(self) -> str:
        """Return what keeps the cluster from full strength, as Pacemaker and DRBD say; empty where nothing does."""
        now = self.target.status()
        for node in now.nodes:
            if not node.online:
                return f"{node.name} is not a member"
            if node.standby:
                return f"{node.name} is in standby"
            if (node.drbd_connection, node.drbd_disk) != ("Connected", "UpToDate"):
                return f"DRBD on {node.name} is {node.drbd_connection}, {node.drbd_disk}"
        if now.serving is None:
            return "no node serves, or both do"
        if not now.fencing.startswith(("on", "OFF")):
            return f"fencing is {now.fencing}"
        constraints = by_name(self.nodes, now.serving).run("cibadmin --query --scope constraints", check=False)
        if _FENCE_CONSTRAINT in constraints:
            return "DRBD's fence-peer handler bars a node from promotion"
        return ""


def _told(watching: Prometheus, begin: float, end: float) -> list[Alert]:
    """Return the alerts of a time, in seconds of the epoch."""
    return alerts.read(watching.fired(begin, end), LOOK_SECONDS, end)
