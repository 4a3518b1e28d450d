"""The scenarios: a module a fault, whose name is the scenario's and whose docstring tells its story."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drills.proof.audit import Expectation

if TYPE_CHECKING:
    from drills.drill import Drill

NAMES = (
    "power-kill",
    "kernel-panic",
    "freeze",
    "network-cut",
    "network-cut-one-way",
    "packet-loss",
    "network-cut-witness",
    "idle-kill",
    "mysqld-kill",
    "mysqld-hang",
    "corosync-kill",
    "pacemaker-kill",
    "disk-failure",
    "standby",
    "arm-unreachable",
    "power-cycle-both",
    "power-cycle-each",
    "kill-during-resync",
    "kill-on-return",
    "scheduled-event",
    "probe-lost",
)
"""All scenarios, in the order in which they are run."""


@dataclass(frozen=True)
class Scenario:
    """A fault, and what is promised for it.

    A module has `EXPECTED` (an `Expectation`) and `run(drill)`, which does the fault and undoes what must be undone
    by a hand.  It may have `NEEDS_LAB`, why this cannot be done on Azure; `NEEDS_WITNESS` and `WITHOUT_FENCING`, both
    booleans; and `SETTLE_SECONDS`, how long the cluster may take to be whole again.

    Args:
        name: its name.
        story: the module's docstring.
        expected: what is promised.
        run: does it.
        needs_lab: why it cannot be done on Azure; empty where it can.
        needs_witness: whether it is for clusters with a witness only.
        without_fencing: whether it can be done where fencing is off.
        settle_seconds: how long the cluster may take to be whole again after `run`.
    """

    name: str
    story: str
    expected: Expectation
    run: Callable[["Drill"], None]
    needs_lab: str = ""
    needs_witness: bool = False
    without_fencing: bool = False
    settle_seconds: float = 300.0

    @property
    def first_paragraph(self) -> str:
        """The story's beginning, on one line."""
        return " ".join(self.story.split("\n\n")[0].split())


def load(name: str) -> Scenario:
    """Return a scenario.

    Args:
        name: one of `NAMES`.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in NAMES:
        raise ValueError(f"there is no drill {name!r}; there are {', '.join(NAMES)}")
    module: Any = importlib.import_module(f"drills.faults.{name.replace('-', '_')}")
    return Scenario(
        name=name,
        story=inspect.cleandoc(module.__doc__ or ""),
        expected=module.EXPECTED,
        run=module.run,
        needs_lab=getattr(module, "NEEDS_LAB", ""),
        needs_witness=getattr(module, "NEEDS_WITNESS", False),
        without_fencing=getattr(module, "WITHOUT_FENCING", False),
        settle_seconds=getattr(module, "SETTLE_SECONDS", 300.0),
    )
