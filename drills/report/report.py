"""Makes the page that shows a run of drills to a person: one file, no script, nothing from elsewhere."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import jinja2
from markupsafe import Markup

from drills.proof import outage
from drills.proof.outage import History, Interval, Outage
from drills.proof.record import Result
from drills.report import colours, overview, timeline
from drills.report.sheet import seconds_text

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class _Drill:
    """What the template needs of one drill; the history without its writes."""

    history: History
    timeline: Markup
    closeup: Markup | None
    outages: list[Outage]
    failed_attempts: int
    both_promoted: list[Interval]
    both_serving: list[Interval]

    @property
    def longest(self) -> Outage | None:
        """The longest outage, which is the one that outage_seconds tells of."""
        return max(self.outages, key=lambda one: one.seconds, default=None)

    @property
    def told(self) -> list[Outage]:
        """The outages to tell of one by one: a service that comes and goes may have hundreds."""
        longest = sorted(self.outages, key=lambda one: -one.seconds)[:12]
        return sorted(longest, key=lambda one: one.begin)

    @property
    def kinds(self) -> list[str]:
        """The parts that any of its outages has, in the order of a fail-over."""
        return [kind for kind in outage.PARTS if any(p.kind == kind for o in self.told for p in o.parts)]


@dataclass(frozen=True)
class _Scenario:
    """The runs of one scenario: their outages, and of each part the median and the worst."""

    name: str
    runs: int
    outages: list[float]
    unended: int
    parts: dict[str, tuple[float, float]]


def write(run: Path) -> Path:
    """Write the page of one run of drills.

    Args:
        run: the run's folder: a folder with record.json for each drill; results.json, if it is there.

    Raises:
        ValueError: there is no record, or one is not of the form.
    """
    folders = sorted(path.parent for path in run.glob("*/record.json"))
    if not folders:
        raise ValueError(f"{run}: no drill has left a record")
    # One at a time: the writes of many drills are more than should be in memory at once.
    drills = [_drill(outage.read(folder), f"drill{index}") for index, folder in enumerate(folders, 1)]
    drills.sort(key=lambda drill: drill.history.record.begin)
    results = [drill.history.record.result for drill in drills]
    listed = run / "results.json"
    told = [Result(**fields) for fields in json.loads(listed.read_text())] if listed.exists() else []
    # A drill that broke before it had a record is not hidden.
    without_record = [result for result in told if result not in results]
    scenarios = [scenario for scenario in _scenarios(drills) if scenario.runs > 1]
    repeated = {scenario.name: scenario.outages for scenario in scenarios}
    text = _environment.get_template("report.html.j2").render(
        run=run.name,
        drills=drills,
        results=results + without_record,
        scenarios=scenarios,
        kinds=[kind for kind in outage.PARTS if any(kind in scenario.parts for scenario in scenarios)],
        overview=Markup(overview.draw(repeated, "overview")) if repeated else None,
        longest=max(result.outage_seconds for result in results),
        gap_seconds=outage.GAP_SECONDS,
        gap_factor=outage.GAP_FACTOR,
        part_names=outage.PARTS,
        part_colours=colours.PART_COLOURS,
        mark_colours=colours.MARK_COLOURS,
        colours=colours,
        duration=seconds_text,
        clock=_clock,
        reasons=_reasons,
    )
    page = run / "report.html"
    page.write_text(text)
    return page


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _reasons(result: Result) -> list[str]:
    """Return why a drill failed; nothing if it passed."""
    return [] if result.passed else result.verdict.removeprefix("FAIL:").strip().split("; ")


def _drill(history: History, name: str) -> _Drill:
    window = timeline.closeup(history)
    return _Drill(
        history=replace(history, writes=[]),
        timeline=Markup(timeline.draw(history, timeline.whole(history), name)),
        closeup=Markup(timeline.draw(history, window, f"{name}closeup")) if window else None,
        outages=outage.outages(history),
        failed_attempts=sum(write.acknowledged is None for write in history.writes),
        both_promoted=outage.overlaps(history.record.spans, "promoted"),
        both_serving=outage.overlaps(history.record.spans, "server"),
    )


def _scenarios(drills: Sequence[_Drill]) -> list[_Scenario]:
    groups: dict[str, list[_Drill]] = defaultdict(list)
    for drill in drills:
        groups[drill.history.record.scenario].append(drill)
    found: list[_Scenario] = []
    for name, group in groups.items():
        longest = [drill.longest for drill in group]
        of_parts = [{part.kind: part.seconds for part in one.parts} for one in longest if one]
        found.append(
            _Scenario(
                name=name,
                runs=len(group),
                outages=[drill.history.record.result.outage_seconds for drill in group],
                unended=sum(not one.ended for one in longest if one),
                parts={
                    kind: (median(values), max(values))
                    for kind in outage.PARTS
                    if (values := [parts[kind] for parts in of_parts if kind in parts])
                },
            )
        )
    return found
