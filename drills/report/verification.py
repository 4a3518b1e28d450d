"""Writes what a whole run of a stack has shown: a page for docs/verification.md, and a table of all operations."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from drills.proof.record import Result, table
from drills.whole import Stage
from lab.events import Step

_OF_INTEREST = (
    *("location", "operatingSystem", "vmSize", "availabilitySet", "zones", "witness", "dataDiskSku", "dataDiskSizeGb"),
    *("acceleratedNetworking", "endpoint", "fencing", "backup"),
)


def write(
    folder: Path, where: str, stages: Sequence[Stage], results: Sequence[Result], settings: Mapping[str, str]
) -> Path:
    """Write verification.md and operations.csv into a run's folder; return the page.

    Args:
        folder: the run's.
        where: what was run, and where, in a line.
        stages: in their order.
        results: of the drills.
        settings: the stack's; no secret is among those that are shown.
    """
    shown = [f"`{key}: {settings[key]}`" for key in _OF_INTEREST if settings.get(key)]
    page = folder / "verification.md"
    failed = [stage.name for stage in stages if not stage.passed]
    parts = [
        f"## {where}",
        f"Settings: {', '.join(shown)}.",
        f"**Failed: {', '.join(failed)}.**" if failed else "All stages passed.",
        _table(("stage", "seconds", "outcome"), [(s.name, f"{s.seconds:.0f}", s.outcome) for s in stages]),
        *(["Drills:", f"```text\n{table(results)}\n```"] if results else []),
        "Operations of Azure, as long as Pulumi waited for them (each one is in operations.csv):",
        _table(("operation", "times", "median s", "longest s"), _operations(stages)),
    ]
    page.write_text("\n\n".join(parts) + "\n")
    with (folder / "operations.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("stage", "operation", "type", "name", "begin", "seconds"))
        for stage in stages:
            rows.writerows(
                (stage.name, step.operation, step.kind, step.name, f"{step.begin:.0f}", f"{_seconds(step):.0f}")
                for step in _of_azure(stage)
            )
    return page


def _of_azure(stage: Stage) -> list[Step]:
    return [step for step in stage.steps if step.provider == "azure-native" and step.end is not None]


def _seconds(step: Step) -> float:
    return (step.end or step.begin) - step.begin


def _operations(stages: Sequence[Stage]) -> list[tuple[str, ...]]:
    found: dict[str, list[float]] = defaultdict(list)
    for stage in stages:
        for step in _of_azure(stage):
            found[f"{step.operation} {step.kind}"].append(_seconds(step))
    ordered = sorted(found.items(), key=lambda item: -max(item[1]))
    return [(name, str(len(times)), f"{median(times):.0f}", f"{max(times):.0f}") for name, times in ordered]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
