"""One drill: a cluster that is well, a writer, a fault, the time until all is well again, and the audit."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pymysql

from drills.proof import audit, checks, marks, timeline
from drills.proof.record import Mark, MarkKind, Record, Result, Span
from drills.proof.sampler import Journal, Sampler
from drills.proof.timeline import Power, Sample
from drills.scenario import Scenario
from drills.target import Fencing, LabTarget, Target
from lab import fabric, writer
from lab.cloud.client import CloudError
from lab.progress import Progress
from operations.ssh import Node, by_name

_STEADY_SECONDS = 3.0
"""How long writes must have gone well before the fault, and after full strength."""

_POWER_SECONDS = 0.5
"""Time between two looks at the machines' power; the lab cloud itself looks as often."""

_STATUS_SECONDS = 2.0
"""Time between two questions to Pacemaker.  Each costs half a second of a guest's processor, so none is asked before
writes go well again and DRBD is whole."""

_TELL_SECONDS = 10.0
"""Time between two lines of progress while something is awaited."""

_WELL_SECONDS = 60.0
"""How long a drill waits for a cluster that is well, after what may have been done to it before."""

_READ_SECONDS = 60.0
"""How long the rows are asked for, after a drill that has not ended well."""

_LOGIN_SECONDS = 60.0
"""Longest wait for a busy node to let the one in that hurts it."""

_ANSWER_SECONDS = 5.0
"""Longest wait for a node to end the command that hurts it."""

_BEFORE_SECONDS = 0.2
"""From a node's last word to what hurts it."""

_FENCE_CONSTRAINT = "drbd-fence-by-handler"


class NotWellError(Exception):
    """A drill cannot begin; the text says why."""


@dataclass
class _Events:
    """What was noted while the drill ran."""

    marks: list[Mark] = field(default_factory=list[Mark])
    failures: list[str] = field(default_factory=list[str])
    powers: list[Power] = field(default_factory=list[Power])


class Drill:
    """A drill under way, as scenarios see it.

    Args:
        scenario: what is done.
        number: which repetition, from 1.
        target: the cluster.
        folder: gets all that the drill leaves behind.
        progress: told what is going on.
        pace: rows a second.
        moves: how often `standby` moves the service.
    """

    def __init__(
        self,
        scenario: Scenario,
        number: int,
        target: Target,
        folder: Path,
        progress: Progress,
        pace: float = writer.PACE,
        moves: int = 10,
    ) -> None:
        self.scenario = scenario
        self.number = number
        self.target = target
        self.folder = folder
        self.moves = moves
        self._progress = progress
        self._events = _Events()
        self.begin = time.time()
        self.nodes = list(target.nodes)
        self.serving = self.idle = self.nodes[0]
        self._log_sizes: dict[str, int] = {}
        self._strong_at = 0.0
        folder.mkdir(parents=True)
        self.sampler = Sampler(self.nodes)
        self.writer = writer.Writer(target.connect, target.inside, folder / "writes.jsonl", pace)
        self._journals = [Journal(node, self.begin, folder / f"journal-{node.name}.log") for node in self.nodes]

    # --- for scenarios

    @property
    def lab(self) -> LabTarget:
        """The lab, for scenarios that need one."""
        assert isinstance(self.target, LabTarget)
        return self.target

    def other(self, node: Node) -> Node:
        """Return the node that is not this one."""
        return next(one for one in self.nodes if one.name != node.name)

    def say(self, text: str) -> None:
        """Tell what is going on."""
        self._progress(f"{self.scenario.name} {self.number}: {text}")

    def _mark(self, kind: MarkKind, text: str, node: Node | None, at: float | None = None) -> float:
        at = at or time.time()
        self._events.marks.append(Mark(at, kind, node.name if node else None, text))
        self.say(f"{text}{f' ({node.name})' if node else ''}")
        return at

    def fault(self, text: str, node: Node | None = None) -> float:
        """Note the fault, just before it is made; return the time in seconds of the epoch."""
        return self._mark("fault", text, node)

    def fault_end(self, text: str, node: Node | None = None) -> float:
        """Note the end of the fault."""
        return self._mark("fault-end", text, node)

    def event(self, text: str, node: Node | None = None) -> float:
        """Note something else."""
        return self._mark("event", text, node)

    def check(self, holds: bool, otherwise: str) -> None:
        """Note what is wrong where something does not hold."""
        if not holds:
            self._events.failures.append(otherwise)
            self.say(f"WRONG: {otherwise}")

    def wait(self, what: str, condition: Callable[[], object], seconds: float, every: float = 0.1) -> None:
        """Wait for an event, and tell so.

        Args:
            what: what is awaited.
            condition: asked again and again until it returns something true.
            seconds: to the end of patience.
            every: seconds between two questions.

        Raises:
            TimeoutError: it did not come.
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
        self.say(f"{what}: {seconds:.0f} s")
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def sample(self, node: Node) -> Sample | None:
        """Return what a node is like now; None where it does not say."""
        return self.sampler.fresh(node.name)

    def fault_on(self, node: Node, text: str, command: str) -> float:
        """Make a fault by a shell line on a node, and note it with that node's time of just before.

        Args:
            node: where; by what the line does it may never answer.
            text: what is done.
            command: the shell line.

        Returns:
            The time in seconds of the epoch.

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
        return self._mark("fault", text, node, at + _BEFORE_SECONDS)

    def role(self, node: Node) -> str:
        """Return DRBD's role on a node as last seen, - where it is down."""
        _, sample = self.sampler.latest[node.name]
        return sample.role

    def disk(self, node: Node) -> str:
        """Return DRBD's own disk on a node as last seen, such as UpToDate; - where DRBD is down."""
        _, sample = self.sampler.latest[node.name]
        return sample.disks.split("/")[0]

    def server(self, node: Node) -> int | None:
        """Return the process id of a node's server as last seen; None without one."""
        _, sample = self.sampler.latest[node.name]
        return sample.server

    def last_boot(self, node: Node) -> float:
        """Return when a node's kernel started as last seen, in seconds of the epoch, to the second before."""
        _, sample = self.sampler.latest[node.name]
        return sample.booted - timeline.BOOT_SLACK_SECONDS

    def is_promoted(self, node: Node) -> bool:
        """Tell whether a node has DRBD promoted now."""
        sample = self.sample(node)
        return sample is not None and sample.is_promoted

    def was_promoted_on_bad_data(self, node: Node, since: float) -> bool:
        """Tell whether a node had DRBD promoted without all of the data, since a time in seconds of the epoch."""
        return any(
            one.node == node.name and one.at > since and one.is_promoted and not one.disks.startswith("UpToDate/")
            for one in list(self.sampler.samples)
        )

    def serves(self, node: Node) -> bool:
        """Tell whether a node has DRBD promoted and a server running now."""
        sample = self.sample(node)
        return sample is not None and sample.is_promoted and sample.server is not None

    def writes_since(self, at: float) -> bool:
        """Tell whether a row was acknowledged that was sent after a time in seconds of the epoch."""
        return any(write.acknowledged is not None and write.sent > at for write in reversed(self.writer.writes[-200:]))

    def wait_served(self, node: Node, since: float, seconds: float = 240) -> None:
        """Wait until a node serves and rows are acknowledged again.

        Args:
            node: the one that should.
            since: seconds of the epoch; rows sent before do not count.
            seconds: to the end of patience.

        Raises:
            TimeoutError: it does not.
        """
        self.wait(
            f"{node.name} to serve",
            lambda: self.serves(node) and self.writes_since(max(since, time.time() - 2)),
            seconds,
        )
        self.event("serves, rows are acknowledged", node)

    def wait_writes(self, since: float, seconds: float = 240) -> None:
        """Wait until a row is acknowledged that was sent after a time."""
        self.wait("an acknowledgement", lambda: self.writes_since(since), seconds)
        self.event("rows are acknowledged")

    def is_whole(self) -> bool:
        """Tell whether DRBD says on both nodes that both copies are good."""
        seen = [self.sample(node) for node in self.nodes]
        return all(sample is not None and sample.is_whole for sample in seen)

    def wait_strength(self, seconds: float | None = None) -> None:
        """Wait until the cluster is at full strength again.

        Raises:
            TimeoutError: it is not.
        """
        self.wait("full strength", self._is_strong, seconds or self.scenario.settle_seconds, every=_STATUS_SECONDS)

    def fenced(self) -> bool:
        """Tell whether a machine has been fenced in this drill, to the end."""
        return any(one.ended is not None for one in self._fencings())

    def last_fencing(self) -> float:
        """Return when the last fencing ended, in seconds of the epoch; 0 without one."""
        return max((one.ended or 0 for one in self._fencings()), default=0)

    def fill(self, mib: int) -> None:
        """Write so many MiB of other data through the endpoint, and take the table away again."""
        self.say(f"writing {mib} MiB")
        with self.target.inside(), contextlib.closing(self.target.connect()) as connection:
            with connection.cursor() as cursor:
                cursor.execute("drop table if exists drill_bulk")
                cursor.execute("create table drill_bulk (number int primary key, data longblob not null)")
                for number in range(mib):
                    # Bytes that no layer can take for zeros.
                    cursor.execute(
                        "insert into drill_bulk values (%s, repeat(char(%s), 1048576))", (number, 33 + number)
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

    def find_serving(self) -> None:
        """See anew which node serves."""
        name = self.target.status().serving
        if name is None:
            raise NotWellError("no node serves, or both do")
        self.serving = by_name(self.nodes, name)
        self.idle = self.other(self.serving)

    # --- the whole

    def run(self) -> Record:
        """Do it all, and leave the cluster well if it can be.

        Raises:
            NotWellError: the cluster is not well to begin with.
        """
        self._prepare()
        strong_at: float | None = None
        evidence: audit.Evidence
        with self._observed():
            try:
                self.scenario.run(self)
                self.wait_strength()
                strong_at = self._mark("recovered", "full strength", None, self._strong_at)
                self.pause(_STEADY_SECONDS, "writing on")
            except TimeoutError as late:
                self.check(False, str(late))
            except (OSError, subprocess.SubprocessError, CloudError, pymysql.Error, NotWellError) as problem:
                self.check(False, f"the drill broke off: {type(problem).__name__}: {problem}")
            finally:
                end = time.time()
                self.writer.stop()
                self._mend(strong_at is not None)
            fencings = self._fencings()
            evidence = self._gather(strong_at is not None, len(fencings), end)
        return self._conclude(evidence, fencings, strong_at, end)

    def _prepare(self) -> None:
        """See that the cluster is well, and let each drill begin alike."""
        self.say(self.scenario.first_paragraph)
        deadline = time.monotonic() + _WELL_SECONDS
        while problem := self._what_is_wrong():
            if time.monotonic() > deadline:
                raise NotWellError(f"the cluster is not well: {problem}")
            time.sleep(_STATUS_SECONDS)
        self.find_serving()
        # Failures that earlier drills have made count towards migration-threshold.
        self.serving.run("crm_resource --cleanup", check=False)
        self._log_sizes = {node.name: checks.server_log_size(node) for node in self.nodes}
        with self.target.inside(), contextlib.closing(self.target.connect()) as connection:
            writer.make_table(connection)

    @contextmanager
    def _observed(self) -> Generator[None]:
        """Write, sample, and follow journals and power while the body runs."""
        done = threading.Event()
        watcher = threading.Thread(target=self._watch_power, args=(done,), daemon=True)
        for part in (self.sampler, *self._journals, watcher, self.writer):
            part.start()
        try:
            begin = time.time()
            try:
                self.wait("samples of both nodes", lambda: all(self.sample(node) for node in self.nodes), 30)
                self.wait("the first rows", lambda: self.writes_since(begin), 30)
            except TimeoutError as late:
                raise NotWellError(str(late)) from None
            self.pause(_STEADY_SECONDS, "writing")
            yield
        finally:
            if self.writer.is_alive():
                self.writer.stop()
            done.set()
            watcher.join()
            self.sampler.stop()
            for journal in self._journals:
                journal.stop()

    def _watch_power(self, done: threading.Event) -> None:
        while not done.is_set():
            with contextlib.suppress(CloudError, OSError):
                powers = self.target.power()
                self._events.powers += [Power(node, time.time(), on) for node, on in powers.items()]
            done.wait(_POWER_SECONDS)

    def _is_strong(self) -> bool:
        """Tell whether all is as it should be; asks Pacemaker only when what costs nothing looks well."""
        asked = time.time()
        if not self.is_whole() or not self.writes_since(asked - 1) or self._what_is_wrong():
            return False
        self._strong_at = asked
        return True

    def _what_is_wrong(self) -> str:
        now = self.target.status()
        for node in now.nodes:
            if not node.online:
                return f"{node.name} is no member"
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

    def _mend(self, strong: bool) -> None:
        """Leave nothing of the fault, whatever has become of the drill."""
        try:
            self.target.mend()
            for node in self.nodes:
                with contextlib.suppress(subprocess.SubprocessError):
                    node.run("pkill -CONT --exact 'mariadbd|mysqld'", check=False, timeout=15)
            for state in () if strong else self.target.status().nodes:
                if state.standby:
                    by_name(self.nodes, state.name).run(f"crm node online {state.name}", check=False)
        except (OSError, subprocess.SubprocessError, CloudError, fabric.FabricError) as problem:
            self.check(False, f"the fault cannot be undone: {type(problem).__name__}: {problem}")

    # --- what it has brought

    def _fencings(self) -> list[Fencing]:
        return self.target.fencings(self.begin, [journal.lines for journal in self._journals])

    def _gather(self, strong: bool, fencings: int, end: float) -> audit.Evidence:
        self.say("audit")
        damage: list[str] = []
        rows = self._read_rows()
        now = self.target.status()
        if now.serving is not None and strong:
            serving = by_name(self.nodes, now.serving)
            try:
                damage += checks.innodb(serving)
                damage += checks.file_systems(serving, self.nodes)
            except (OSError, subprocess.SubprocessError) as problem:
                damage.append(f"the data cannot be checked: {problem}")
        elif now.serving is None:
            damage.append("the data cannot be checked: no node serves")
        for node, journal in zip(self.nodes, self._journals, strict=True):
            with contextlib.suppress(subprocess.SubprocessError):
                log = checks.server_log(node, self._log_sizes[node.name])
                (self.folder / f"server-{node.name}.log").write_text("".join(f"{line}\n" for line in log))
                damage += checks.complaints(node.name, journal.lines, log)
                self._events.marks += marks.from_error_log(node.name, log)
        return audit.Evidence(
            writes=self.writer.writes,
            rows=rows,
            promoted=(self._spans("promoted", end), self._journal_spans(end)),
            servers=self._spans("server", end),
            fencings=fencings,
            disks={node.name: node.drbd_disk for node in now.nodes},
            full_strength=strong,
            damage=damage,
            failures=self._events.failures,
        )

    def _read_rows(self) -> dict[int, str] | None:
        """Return the rows; None where the endpoint does not give them, even after a while."""
        deadline = time.monotonic() + _READ_SECONDS
        while True:
            try:
                with self.target.inside(), contextlib.closing(self.target.connect()) as connection:
                    return writer.rows(connection)
            except (pymysql.Error, OSError) as problem:
                if time.monotonic() > deadline:
                    self.say(f"the rows cannot be read: {problem}")
                    return None
                time.sleep(1)

    def _spans(self, what: timeline.SpanKind, end: float) -> list[Span]:
        return timeline.spans([one for one in self.sampler.samples if one.at <= end], self._events.powers, what, end)

    def _journal_spans(self, end: float) -> list[Span]:
        """The kernels' own word; who was promoted before the drill began has no line, but a sample."""
        found: list[Span] = []
        for node, journal in zip(self.nodes, self._journals, strict=True):
            lines = sorted(journal.lines, key=lambda line: timeline.line_time(line) or 0)
            if node.name == self._first_serving:
                lines.insert(0, f"{self.begin} kernel: drbd r0: role( Secondary -> Primary )")
            found += timeline.journal_spans(node.name, lines, self._events.powers, end)
        return found

    @property
    def _first_serving(self) -> str:
        return next((s.node for s in sorted(self.sampler.samples, key=lambda s: s.at) if s.is_promoted), "")

    def _conclude(
        self, evidence: audit.Evidence, fencings: list[Fencing], strong_at: float | None, end: float
    ) -> Record:
        noted = self._events.marks
        fault = min((mark.at for mark in noted if mark.kind == "fault"), default=self.begin)
        for node, journal in zip(self.nodes, self._journals, strict=True):
            noted += [mark for mark in marks.from_journal(node.name, journal.lines) if fault - 1 <= mark.at <= end]
        for one in fencings:
            noted.append(Mark(one.began, "fencing", one.machine, f"{one.caller} has Azure fence it"))
            if one.ended is not None:
                noted.append(Mark(one.ended, "fenced", one.machine, "fenced, Azure says"))
        paused, resumed = timeline.longest_gap(evidence.writes, fault, end)
        if resumed < end:
            noted.append(Mark(resumed, "first-write", None, "first acknowledgement after the longest pause"))
        outage = resumed - paused
        wrong = audit.judge(evidence, self.scenario.expected, outage)
        result = Result(
            scenario=self.scenario.name,
            acknowledged=len(evidence.acknowledged),
            lost=len(evidence.lost),
            promoted_max=evidence.promoted_max,
            servers_max=evidence.servers_max,
            fencings=evidence.fencings,
            outage_seconds=round(outage, 3),
            recovered_seconds=None if strong_at is None else round(strong_at - fault, 3),
            verdict=audit.verdict(wrong),
        )
        spans = [*evidence.promoted[0], *evidence.servers, *timeline.power_spans(self._events.powers, end)]
        record = Record(
            scenario=self.scenario.name,
            story=self.scenario.first_paragraph,
            number=self.number,
            begin=self.begin,
            end=end,
            nodes=[node.name for node in self.nodes],
            writes="writes.jsonl",
            marks=sorted(noted, key=lambda mark: mark.at),
            spans=sorted(spans, key=lambda span: span.begin),
            result=result,
        )
        record.save(self.folder / "record.json")
        self._keep(fencings)
        self.say(f"{result.verdict}; {result.acknowledged} acknowledged, {outage:.1f} s without an acknowledgement")
        return record

    def _keep(self, fencings: list[Fencing]) -> None:
        """Write what the verdict was made from, for who doubts it."""
        with (self.folder / "samples.jsonl").open("w") as output:
            for sample in sorted(self.sampler.samples, key=lambda one: one.at):
                print(json.dumps(asdict(sample)), file=output)
        (self.folder / "fencings.json").write_text(json.dumps([asdict(one) for one in fencings], indent=1) + "\n")
        if isinstance(self.target, LabTarget):
            self.target.keep_log(self.begin, self.folder / "cloud.log")
