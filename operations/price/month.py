"""What a stack costs a month, and what an update adds to that."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from components.checkout import CHECKOUT
from operations.cli import Cli
from operations.plan import Plan
from operations.price.meters import Meter, paid
from operations.price.retail import HOURS, per_month

SUMMARY = "Price per month: "
"""What the summary's line begins with."""


@dataclass(frozen=True)
class Part:
    """Something that is paid for.

    Args:
        title: what.
        before, after: how many there are before the update and after it.
        each: US dollars a month for one; None where the price list has no price.
    """

    title: str
    before: int
    after: int
    each: float | None


@dataclass(frozen=True)
class Bill:
    """All that is paid for."""

    parts: tuple[Part, ...]

    @property
    def after(self) -> float:
        """US dollars a month after the update, as far as there are prices."""
        return sum(part.after * part.each for part in self.parts if part.each is not None)

    @property
    def difference(self) -> float:
        """What the update adds to it."""
        return sum((part.after - part.before) * part.each for part in self.parts if part.each is not None)

    @property
    def unknown(self) -> list[str]:
        """What has no price."""
        return [f"{part.after} {part.title}" for part in self.parts if part.each is None and part.after]

    @property
    def summary(self) -> str:
        """The whole in a line."""
        text = f"{self.after:.2f} USD, {self.difference:+.2f} by this update"
        return f"at least {text}; unknown: {', '.join(self.unknown)}" if self.unknown else text

    def as_text(self) -> str:
        """Return the summary, and a line for each part."""
        width = max((len(part.title) for part in self.parts), default=0)
        lines = [
            f"    {part.after} x {part.title:{width}}  "
            + ("unknown" if part.each is None else f"{part.after * part.each:9.2f}")
            + (f"  (now {part.before})" if part.before != part.after else "")
            for part in self.parts
        ]
        note = f"    Azure's retail prices for {HOURS} hours, without traffic, disk operations and discounts."
        return "\n".join([SUMMARY + self.summary, *lines, note])


def bill(plan: Plan) -> Bill:
    """Return what a stack costs.

    Args:
        plan: what an update would do to it.

    Raises:
        OSError: the price list is not reached.
    """
    before: Counter[Meter | str] = Counter()
    after: Counter[Meter | str] = Counter()
    for change in plan.changes:
        before.update(paid(change.type, change.old))
        after.update(paid(change.type, change.new))
    units = sorted(before | after, key=_title)
    meters = [unit for unit in units if isinstance(unit, Meter)]
    with ThreadPoolExecutor(8) as pool:
        prices = dict(zip(meters, pool.map(per_month, meters), strict=True))
    return Bill(
        tuple(
            Part(_title(unit), before[unit], after[unit], prices.get(unit) if isinstance(unit, Meter) else None)
            for unit in units
        )
    )


def _title(unit: Meter | str) -> str:
    return unit.title if isinstance(unit, Meter) else unit


def text_of(plan: Plan) -> str:
    """Return the bill for a person, or a line that says why there is none."""
    try:
        return bill(plan).as_text()
    except OSError as error:
        return f"{SUMMARY}unknown, since the price list cannot be reached: {error}"


def of_preview(cli: Cli, event_log: Path) -> str:
    """Return the bill of what a preview has found, for a person; asked for where the CLI is run.

    Args:
        cli: on the stack.
        event_log: what the preview has written by --event-log.
    """
    command = [*cli.prefix, sys.executable, "-m", "operations.price", str(event_log)]
    run = subprocess.run(command, cwd=CHECKOUT, env=cli.environment, stdout=subprocess.PIPE, text=True, check=False)
    # A preview is good without a price.
    return run.stdout or f"{SUMMARY}unknown\n"
