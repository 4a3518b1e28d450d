"""What an update would do, as `pulumi preview` finds it out: each resource as it is, and as it would be."""

import json
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from operations.cli import Cli

Inputs = Mapping[str, Any]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands for text that is not known before the update (sdk/go/common/resource/plugin/rpc.go of the engine)."""

_AZURE = "azure-native:"


# What a part names its owner by; of the owner itself it is the name.
_OWNERS = {
    "accountName": "storage:StorageAccount",
    "virtualNetworkName": "network:VirtualNetwork",
    "privateZoneName": "privatedns:PrivateZone",
}


@dataclass(frozen=True)
class Change:
    """One of Azure's resources.

    Args:
        type: module and name, such as "compute:Disk".
        name: its name in the program.
        old: its inputs by Pulumi's record; None where it is not there yet.
        new: its inputs after the update; None where it is to go.
        replaced: whether it is deleted and made anew.
        id: its id in Azure; empty where it is not there yet.
    """

    type: str
    name: str
    old: Inputs | None
    new: Inputs | None
    replaced: bool = False
    id: str = ""

    @property
    def module(self) -> str:
        """The module of its type, such as "compute"."""
        return self.type.partition(":")[0]

    @property
    def wanted(self) -> Inputs:
        """Its inputs after the update; empty where it is to go."""
        return self.new or {}

    @property
    def own_name(self) -> str:
        """Its name in Azure; empty where it is not known before the update."""
        owners = {key for key, owner in _OWNERS.items() if self.type != owner}
        other = {"resourceGroupName", *owners}
        names = ((key, str(value)) for key, value in (self.new or self.old or {}).items() if key.endswith("Name"))
        return next((name for key, name in names if key not in other and name != UNKNOWN), "")

    @property
    def created(self) -> bool:
        """Whether it is there after the update only."""
        return self.old is None

    @property
    def written(self) -> bool:
        """Whether the update makes or changes it."""
        return self.new is not None and (self.replaced or self.old != self.new)

    @property
    def deleted(self) -> bool:
        """Whether the update deletes it, to make it anew too."""
        return self.old is not None and (self.replaced or self.new is None)


@dataclass(frozen=True)
class Plan:
    """What an update would do to a stack's resources in Azure.

    Args:
        changes: a change a resource, those that stay as they are too.
        config: the stack's plain settings, keys with their namespace.
    """

    changes: tuple[Change, ...]
    config: Mapping[str, str] = field(default_factory=dict[str, str])

    def of(self, type_: str) -> list[Change]:
        """Return what there is of a type, such as "compute:Disk", after the update."""
        return [change for change in self.changes if change.type == type_ and change.new is not None]

    def part(self, owner: Change, word: str) -> Inputs:
        """Return the new inputs of what the program names after a machine: "interface", "data"; empty for none."""
        found = [change.wanted for change in self.changes if change.name == f"{owner.name}-{word}"]
        return found[0] if found else {}

    @property
    def location(self) -> str:
        """The region of its machines."""
        return next((str(change.wanted["location"]) for change in self.of("compute:VirtualMachine")), "")

    @property
    def makes_group(self) -> bool:
        """Whether the update makes the resource group."""
        return any(change.created for change in self.of("resources:ResourceGroup"))

    @property
    def group(self) -> str:
        """The resource group's name."""
        for change in self.changes:
            name = str(change.wanted.get("resourceGroupName", UNKNOWN))
            if name != UNKNOWN:
                return name
        return ""


def read(event_log: Path) -> Plan:
    """Return what a preview has found out.

    Args:
        event_log: what the CLI has written by --event-log.
    """
    config: Mapping[str, str] = {}
    found: dict[str, Change] = {}
    for event in _events(event_log):
        if "preludeEvent" in event:
            config = event["preludeEvent"]["config"]
        metadata = event.get("resourcePreEvent", {}).get("metadata")
        if not metadata or not metadata["type"].startswith(_AZURE):
            continue
        urn: str = metadata["urn"]
        old: Mapping[str, Any] | None = metadata.get("old")
        new: Mapping[str, Any] | None = metadata.get("new")
        # A resource that is replaced has several steps.
        before = found.get(urn)
        found[urn] = Change(
            metadata["type"].removeprefix(_AZURE),
            urn.rpartition("::")[2],
            old["inputs"] if old else before.old if before else None,
            new["inputs"] if new else before.new if before else None,
            replaced="replace" in metadata["op"] or (before is not None and before.replaced),
            id=str(old.get("id", "")) if old else before.id if before else "",
        )
    return Plan(tuple(found.values()), config)


@contextmanager
def event_log() -> Generator[Path]:
    """Yield where the CLI can leave its event log; whatever it has there goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="azure-mysql-ha-") as folder:  # of mode 0700
        yield Path(folder) / "events.json"


def _events(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        yield from map(json.loads, lines)


def of(cli: Cli) -> Plan:
    """Ask the CLI what an update would do now.

    Args:
        cli: the Pulumi CLI on the stack.

    Raises:
        CliError: the preview fails; the text has what the program or the CLI says.
    """
    with event_log() as log:
        cli.ask("preview", "--suppress-progress", "--color", "never", "--event-log", str(log))
        return read(log)
