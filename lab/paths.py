"""Where a lab keeps its things: one place for every path and name."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from components.checkout import CHECKOUT

# An interface name has at most 15 characters (IFNAMSIZ), and the namespace's name is the start of some.
_NAME = re.compile(r"[a-z][a-z0-9]{0,7}")


def cache_directory() -> Path:
    """Return the folder of what is dear to make and the same for every lab: tool chain, images, kernels."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "azure-mysql-ha"


@dataclass(frozen=True)
class LabPaths:
    """The paths and names that belong to one lab.

    Args:
        name: the lab's name; 1 to 8 lower-case letters and digits, a letter first.

    Raises:
        ValueError: the name is not of that form.
    """

    name: str = "lab"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"lab name {self.name!r}: expected 1 to 8 of a-z and 0-9, a letter first")

    @property
    def namespace(self) -> str:
        """The network namespace in which all of the lab runs."""
        return f"mha-{self.name}"

    @property
    def state(self) -> Path:
        """The lab's own folder; gone after `down`."""
        return CHECKOUT / "build" / "lab" / self.name

    @property
    def logs(self) -> Path:
        """Logs that survive `down`."""
        return CHECKOUT / "build" / "logs" / self.name

    @property
    def cloud(self) -> Path:
        """State of the lab cloud: resources, certificates, control socket."""
        return self.state / "cloud"

    @property
    def machines(self) -> Path:
        """One folder a virtual machine."""
        return self.state / "machines"

    @property
    def pulumi(self) -> Path:
        """Pulumi's home, back end and stack file of this lab."""
        return self.state / "pulumi"

    @property
    def cache(self) -> Path:
        """What all labs share."""
        return cache_directory()
