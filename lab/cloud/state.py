"""The state file: what the cloud knows survives its own end."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.cloud.model import Json, Resource, now

_VERSION = 1

_KEPT_OPERATIONS = 100
"""Finished operations that can still be asked for."""


@dataclass
class Operation:
    """A long-running operation, as a client polls it.

    Args:
        verb: write, delete, or a power action such as powerOff.
        status: InProgress, Succeeded or Failed.
        caller: object id of who asked for it; empty where the platform itself did.
        began_at, ended_at: seconds of the epoch; 0 and None where not known or not ended.
    """

    id: str
    verb: str
    resource: str
    status: str = "InProgress"
    error: Json | None = None
    http_status: int = 200
    started: str = ""
    ended: str | None = None
    caller: str = ""
    began_at: float = 0.0
    ended_at: float | None = None

    def __post_init__(self) -> None:
        self.started = self.started or now()


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only.

    Args:
        path: the file; its folder is made with mode 0700 where it is missing.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


class Store:
    """All resources and operations, on disk after every change.

    Args:
        path: the state file; None keeps it in memory (for tests).

    Raises:
        ValueError: the file is there, and is not a state file of this version.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._resources: dict[str, Resource] = {}
        self._operations: dict[str, Operation] = {}
        self.facts: Json = {}
        if path is not None and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        data: Json = json.loads(path.read_text(encoding="utf-8"))
        if data.get("version") != _VERSION:
            raise ValueError(f"{path} is not a state file of this lab cloud")
        for entry in data["resources"]:
            resource = Resource.from_json(entry)
            self._resources[resource.key] = resource
        for entry in data["operations"]:
            operation = Operation(**entry)
            self._operations[operation.id] = operation
        self.facts = data["facts"]

    def save(self) -> None:
        if self._path is None:
            return
        finished = [o.id for o in self._operations.values() if o.status != "InProgress"]
        for identity in finished[: max(0, len(finished) - _KEPT_OPERATIONS)]:
            del self._operations[identity]
        data = {
            "version": _VERSION,
            "facts": self.facts,
            "resources": list(self._resources.values()),
            "operations": list(self._operations.values()),
        }
        # After every change: so neither copied nor indented, either of which takes ten times as long.
        write_private(self._path, json.dumps(data, default=vars))

    def get(self, identity: str) -> Resource | None:
        """Return a resource by its identity in any letter case; None where there is none."""
        return self._resources.get(identity.lower())

    def put(self, resource: Resource) -> None:
        """Add a resource, or take its new form."""
        self._resources[resource.key] = resource
        self.save()

    def discard(self, identity: str) -> None:
        self._resources.pop(identity.lower(), None)
        self.save()

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def add_operation(self, operation: Operation) -> None:
        self._operations[operation.id] = operation
        self.save()

    def operation(self, identity: str) -> Operation | None:
        return self._operations.get(identity.lower())

    def operations(self) -> list[Operation]:
        return list(self._operations.values())

    def unfinished(self) -> list[Operation]:
        """Return the operations that were under way, oldest first."""
        return [o for o in self._operations.values() if o.status == "InProgress"]
