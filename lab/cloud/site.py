"""What the resource types act upon."""

from dataclasses import dataclass, field
from pathlib import Path

from lab.cloud.balancer import Balancer
from lab.cloud.blob_store import BlobStore
from lab.cloud.inventory import Inventory
from lab.cloud.machines import UmlDriver
from lab.cloud.network import LabFabric
from lab.cloud.state import Store


@dataclass
class Site:
    """Everything that a resource type may act upon.

    Args:
        provisioning_timeout: seconds that a new machine has until it lets anybody in.
    """

    store: Store
    fabric: LabFabric
    machines: UmlDriver
    traffic: Balancer
    blobs: BlobStore
    disks: Path
    machine_folders: Path
    ca_certificate: str = ""
    provisioning_timeout: float = 600
    inventory: Inventory = field(init=False)

    def __post_init__(self) -> None:
        self.inventory = Inventory(self.store)
