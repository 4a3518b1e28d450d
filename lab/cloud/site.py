"""What the resource types act upon."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab.cloud.inventory import Inventory
from lab.cloud.machines import MachineDriver
from lab.cloud.state import Store


class Fabric(Protocol):
    """The network of the lab, as far as the cloud changes it.  Every call may be repeated."""

    async def ensure_bridge(self, bridge: str, addresses: list[str]) -> None:
        """Make a bridge, and see that it has these addresses (`10.0.0.1/24`) and no others."""
        ...

    async def remove_bridge(self, bridge: str) -> None: ...

    async def ensure_tap(self, tap: str, bridge: str) -> None: ...

    async def remove_tap(self, tap: str) -> None: ...

    async def ensure_public_address(self, address: str) -> None:
        """Make a public address the namespace's own."""
        ...

    async def remove_public_address(self, address: str) -> None:
        """Take a public address away where it is there."""
        ...


class Traffic(Protocol):
    """What turns resources into listeners and probes."""

    async def rewire(self) -> None:
        """Look at all resources again, and let listeners, filters and probes be as they say."""
        ...


@dataclass
class Site:
    """Everything that a resource type may act upon.

    Args:
        ca_certificate: PEM text of the lab's CA, which guests are told to trust.
        provisioning_timeout: seconds that a new machine has until it lets anybody in.
    """

    store: Store
    fabric: Fabric
    machines: MachineDriver
    traffic: Traffic
    disks: Path
    machine_folders: Path
    ca_certificate: str = ""
    provisioning_timeout: float = 600
    inventory: Inventory = field(init=False)

    def __post_init__(self) -> None:
        self.inventory = Inventory(self.store)
