"""The Pulumi engine's event log: turned into progress while it grows, and into timings at the end."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.progress import Progress

# What the engine reports of resources that stay as they are is of no interest to somebody who waits.
_QUIET = frozenset({"same", "read", "refresh", "read-discard"})
_COLOUR = re.compile(r"<\{%[^}]*%\}>|\x1b\[[0-9;]*m")


@dataclass
class Step:
    """One resource that the engine worked on; times in seconds since the first event.

    Its provider is such as azure-native, or the project itself for what only groups others.
    """

    provider: str
    operation: str
    kind: str
    name: str
    begin: float
    end: float | None = None


@dataclass
class EventReader:
    """Reads an event log that grows, line by line.

    Args:
        path: the file that `pulumi --event-log` writes.
        progress: told of each resource that is done, and of what scripts print.
    """

    path: Path
    progress: Progress
    steps: dict[str, Step] = field(default_factory=dict[str, Step])
    changes: dict[str, int] = field(default_factory=dict[str, int])
    errors: list[str] = field(default_factory=list[str])
    _offset: int = 0
    _first: float | None = None

    def read(self) -> None:
        """Take in what has been written since the last call."""
        for event in self._new_events():
            self._take(event)

    def running(self) -> list[Step]:
        """Return what the engine is at work on."""
        return [step for step in self.steps.values() if step.end is None]

    def timings(self) -> str:
        """Return when each part began and ended, in the order of their ends."""
        parts: dict[str, tuple[float, float]] = {}
        for step in self.steps.values():
            if step.end is not None and step.kind in ("VirtualMachine", "Command"):
                # "lab-1-packages" and "lab-2-packages" are one part.
                part = step.name.split("-")[-1] if step.kind == "Command" else "machines"
                begin, end = parts.get(part, (step.begin, step.end))
                parts[part] = min(begin, step.begin), max(end, step.end)
        ordered = sorted(parts.items(), key=lambda item: item[1][1])
        return "\n".join(
            f"{part:12} {end - begin:6.1f} s  (from {begin:.0f} to {end:.0f})" for part, (begin, end) in ordered
        )

    def _new_events(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield json.loads(line)

    def _take(self, event: dict[str, Any]) -> None:
        now = float(event.get("timestamp", 0))
        self._first = self._first if self._first is not None else now
        since = now - self._first
        if pre := event.get("resourcePreEvent"):
            metadata = pre["metadata"]
            if metadata["op"] not in _QUIET:
                provider, _, kind = metadata["type"].split(":")
                name = metadata["urn"].split("::")[-1]
                self.steps[metadata["urn"] + metadata["op"]] = Step(provider, metadata["op"], kind, name, since)
        elif (outputs := event.get("resOutputsEvent")) or (outputs := event.get("resOpFailedEvent")):
            metadata = outputs["metadata"]
            step = self.steps.get(metadata["urn"] + metadata["op"])
            if step is not None and step.end is None:
                step.end = since
                word = "failed" if "resOpFailedEvent" in event else "done"
                if not metadata["type"].startswith("azure-mysql-ha:"):
                    self.progress(f"{step.operation} {step.name} ({step.kind}) {word}, {since - step.begin:.1f} s")
        elif diagnostic := event.get("diagnosticEvent"):
            self._take_diagnostic(diagnostic)
        elif summary := event.get("summaryEvent"):
            self.changes = summary.get("resourceChanges") or {}

    def _take_diagnostic(self, diagnostic: dict[str, Any]) -> None:
        text = _COLOUR.sub("", diagnostic.get("message", "")).strip()
        severity = diagnostic.get("severity", "")
        name = str(diagnostic.get("urn") or "").split("::")[-1]
        # What scripts print are status messages; those of no resource are the engine's own affairs.
        if not text or severity == "debug" or (diagnostic.get("ephemeral") and not name):
            return
        if severity == "error":
            self.errors.append(f"{name}: {text}" if name else text)
        for line in text.splitlines():
            self.progress(f"  {name}: {line}" if name else f"  {line}")
