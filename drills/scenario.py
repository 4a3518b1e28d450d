"""The scenarios: a module of drills/faults each, whose name is the scenario's and whose docstring tells its story."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drills.drill import Drill
from drills.proof.audit import Expectation

_FAULTS = Path(__file__).parent / "faults"


@dataclass(frozen=True)
class Scenario:
    """A fault, and what is promised for it.

    A module has `ORDER`, when it is run among all; `EXPECTED` (an `Expectation`) and `run(drill)`, which does the
    fault and undoes what must be undone by a hand.  It may have `NEEDS_LAB`, why this cannot be done on Azure;
    `NEEDS_WITNESS`, `NEEDS_WATCHDOG`, `NEEDS_ZONES`, `NEEDS_BACKUP` and `WITHOUT_FENCING`, all booleans; and
    `SETTLE_SECONDS`, how long the cluster may take to be whole again.

    Args:
        needs_lab: why it cannot be done on Azure; empty where it can.
        needs_witness: whether it is for clusters with a witness only.
        needs_watchdog: whether it is for clusters only whose nodes' watchdogs are a second level of fencing.
        needs_zones: whether it is for clusters whose nodes are in two availability zones only.
        needs_backup: whether it is for clusters with backups only.
        without_fencing: whether it can be done where fencing is off.
        settle_seconds: how long the cluster may take to be whole again after `run`.
    """

    name: str
    order: int
    story: str
    expected: Expectation
    run: Callable[[Drill], None]
    needs_lab: str = ""
    needs_witness: bool = False
    needs_watchdog: bool = False
    needs_zones: bool = False
    needs_backup: bool = False
    without_fencing: bool = False
    settle_seconds: float = 300.0

    @property
    def first_paragraph(self) -> str:
        """The story's beginning, on one line."""
        return " ".join(self.story.split("\n\n")[0].split())


def catalogue() -> dict[str, Scenario]:
    """Return all scenarios by name, in the order in which they are run."""
    modules = [file.stem for file in _FAULTS.glob("*.py") if file.stem != "__init__"]
    found = sorted(map(_load, modules), key=lambda one: (one.order, one.name))
    return {one.name: one for one in found}


def _load(name: str) -> Scenario:
    module: Any = importlib.import_module(f"drills.faults.{name}")
    return Scenario(
        name=name.replace("_", "-"),
        order=module.ORDER,
        story=inspect.cleandoc(module.__doc__ or ""),
        expected=module.EXPECTED,
        run=module.run,
        needs_lab=getattr(module, "NEEDS_LAB", ""),
        needs_witness=getattr(module, "NEEDS_WITNESS", False),
        needs_watchdog=getattr(module, "NEEDS_WATCHDOG", False),
        needs_zones=getattr(module, "NEEDS_ZONES", False),
        needs_backup=getattr(module, "NEEDS_BACKUP", False),
        without_fencing=getattr(module, "WITHOUT_FENCING", False),
        settle_seconds=getattr(module, "SETTLE_SECONDS", 300.0),
    )


def choose(names: list[str]) -> list[Scenario]:
    """Return the scenarios of these names, or all.

    Args:
        names: names of the catalogue, in the order in which they are to be run; none for all.
    """
    known = catalogue()
    for name in names:
        if name not in known:
            raise ValueError(f"there is no drill {name!r}; there are {', '.join(known)}")
    return [known[name] for name in names or known]
