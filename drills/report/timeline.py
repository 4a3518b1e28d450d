"""Draws a drill's timeline."""

# matplotlib's own hints leave **kwargs open, which strict checking calls partially unknown at every call.
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence
from datetime import UTC, datetime

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from drills.proof import outage
from drills.proof.outage import History, Interval
from drills.proof.record import Span
from drills.report import flags, latency
from drills.report.colours import BLUE, GAP, GAP_EDGE, GREEN, INK, MUTED, RULE, VERMILION
from drills.report.sheet import AXIS_HEIGHT, DPI, PANEL, Sheet, label, strokes, style, svg

LANES = {"powered": ("powered", "#a9b4c0"), "promoted": ("DRBD promoted", BLUE), "server": ("server runs", GREEN)}

_LATENCY_HEIGHT, _FAILED_HEIGHT, _NODE_HEIGHT, _LANE_HEIGHT = 190, 20, 19, 17


def whole(history: History) -> Interval:
    """Return the time that a drill's timeline shows: all of it."""
    times = [write.acknowledged or write.sent for write in history.writes] + [mark.at for mark in history.record.marks]
    return Interval(min([history.record.begin, *times]), max([history.record.end, *times, history.record.begin + 0.1]))


def closeup(history: History) -> Interval | None:
    """Return the time around the longest outage, or None where the whole timeline shows that well enough."""
    all_of_it = whole(history)
    longest = max(outage.outages(history), key=lambda one: one.seconds, default=None)
    if longest is None or longest.seconds > 0.4 * all_of_it.seconds:
        return None
    begin, end = longest.begin, longest.end
    # The fault may be ordered a moment before the last acknowledgement, the marks' clocks lag behind the writer's.
    around = Interval(begin - longest.seconds, end + longest.seconds)
    near = [m.at for m in history.record.marks if m.kind != "event" and around.begin < m.at < around.end]
    begin, end = min([begin, *near]), max([end, *near])
    margin = max(0.15 * (end - begin), 0.1)
    return Interval(max(begin - margin, all_of_it.begin), min(end + margin, all_of_it.end))


def draw(history: History, window: Interval, name: str) -> str:
    """Return a drill's timeline as an <svg> element.

    From top to bottom: the marks, numbered as in its record from 1; the latency of writes, gaps shaded; attempts
    that failed; for each node what it was when.
    """
    with style():
        return _draw(history, window, name)


def _draw(history: History, window: Interval, name: str) -> str:
    record = history.record
    shown = [(number, mark) for number, mark in enumerate(record.marks, 1) if window.begin <= mark.at <= window.end]
    placed, named = flags.place(shown, window)
    top = 8 + flags.HEIGHT * (1 + max((flag.row for flag in placed), default=0))
    lanes = [what for what in LANES if any(span.what == what for span in record.spans)]
    node_height = _NODE_HEIGHT + _LANE_HEIGHT * len(lanes) + 6
    failed_top = top + _LATENCY_HEIGHT
    lanes_top = failed_top + _FAILED_HEIGHT
    bottom = lanes_top + node_height * (len(record.nodes) if lanes else 0) + 6
    sheet = Sheet(bottom + AXIS_HEIGHT)

    back = sheet.axes(top, bottom - top, window)  # what reaches over all panels, behind them
    back.set_ylim(0, 1)
    gaps = [gap for gap in outage.gaps(history.writes) if gap.begin < window.end and gap.end > window.begin]
    for gap in gaps:
        # With an edge: the shortest gap of the longest drill is still seen.
        back.axvspan(gap.begin, gap.end, facecolor=GAP, edgecolor=GAP_EDGE, linewidth=0.8)
    _draw_times(back, history, window)
    flags.draw(sheet.axes(0, top, window), back, shown, placed, named)
    latency.draw(sheet.axes(top, _LATENCY_HEIGHT, window), history, window, gaps)
    failed = sheet.axes(failed_top, _FAILED_HEIGHT, window)
    failed.set_ylim(0, 1)
    label(failed, 0.5, "failed attempts", INK)
    failed.axhline(0, color=RULE, linewidth=0.8)
    # One a pixel is as many as can be told apart.
    width = (window.end - window.begin) / (PANEL)
    attempts = {
        int((write.sent - window.begin) / width): write.sent
        for write in history.writes
        if write.acknowledged is None and window.begin <= write.sent <= window.end
    }
    strokes(failed, ((at, 0.25, 0.8) for at in attempts.values()), VERMILION, 0.9)
    if lanes:
        for index, node in enumerate(record.nodes):
            axes = sheet.axes(lanes_top + node_height * index, node_height, window)
            _draw_lanes(axes, node, lanes, record.spans, window)
    return svg(sheet.figure, name, f"Timeline of {history.name}")


def _draw_times(axes: Axes, history: History, window: Interval) -> None:
    """Draw the axis of time: seconds from the fault."""
    axes.xaxis.set_major_locator(_Seconds(history.zero))

    def text(at: float, _: object) -> str:
        return f"{round(at - history.zero, 6):g}".replace("-", "\N{MINUS SIGN}")

    axes.xaxis.set_major_formatter(FuncFormatter(text))
    axes.tick_params(axis="x", length=4, width=0.8)
    axes.spines["bottom"].set_visible(True)
    axes.grid(axis="x", color=RULE, linewidth=0.6, zorder=0.5)
    clock = datetime.fromtimestamp(history.zero, UTC).strftime("%H:%M:%S.%f")[:-3]
    what = "the fault" if any(mark.kind == "fault" for mark in history.record.marks) else "the beginning"
    axes.set_xlabel(f"seconds from {what} at {clock} UTC", fontsize=8.5, labelpad=5)
    axes.set_xlim(window.begin, window.end)


class _Seconds(MaxNLocator):
    """Round numbers of seconds, counted from `zero`."""

    def __init__(self, zero: float) -> None:
        super().__init__(nbins=12, steps=[1, 2, 5, 10])
        self._zero = zero

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        ticks = super().tick_values(vmin - self._zero, vmax - self._zero)
        return [float(tick) + self._zero for tick in ticks]


def _draw_lanes(axes: Axes, node: str, lanes: Sequence[str], spans: Sequence[Span], window: Interval) -> None:
    """Draw one node's lanes: a bar for each time in which it was what the lane says."""
    height = axes.bbox.height / axes.figure.dpi * DPI
    axes.set_ylim(0, height)
    axes.axhline(height, color=RULE, linewidth=0.8)
    for index, what in enumerate(lanes):
        name, colour = LANES[what]
        middle = height - _NODE_HEIGHT - _LANE_HEIGHT * (index + 0.5)
        own = [(span.begin, span.end - span.begin) for span in spans if span.node == node and span.what == what]
        axes.broken_barh(own, (middle - 5, 10), facecolor=colour, edgecolor=colour, linewidth=0.6, zorder=2)
        both = [] if what == "powered" else outage.overlaps(spans, what)
        for overlap in both:
            axes.axvspan(
                overlap.begin,
                overlap.end,
                ymin=(middle - 8) / height,
                ymax=(middle + 8) / height,
                facecolor=VERMILION,
                edgecolor="white",
                hatch="////",
                zorder=4,
            )
        label(axes, middle / height, name, VERMILION if both else MUTED, indent=16)
    label(axes, (height - 11) / height, node, INK, "bold")  # above its lanes: a long name has room there
    axes.set_xlim(window.begin, window.end)
