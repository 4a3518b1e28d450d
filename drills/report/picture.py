"""Draws a drill's timeline, and the outages of all drills side by side, as SVG to be put into a page."""

# matplotlib's own hints leave **kwargs open, which strict checking calls partially unknown at every call.
# pyright: reportUnknownMemberType=false

import io
import math
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from html import escape
from statistics import median

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from drills.proof import outage
from drills.proof.outage import Gap, History, Interval
from drills.proof.record import Mark, Span
from drills.report import layout

INK, MUTED, RULE = "#1f2933", "#5f6b7a", "#dfe4ea"
# Okabe and Ito's colours, which people who confuse red and green tell apart; some darker, to be read as text.
VERMILION, BLUE, GREEN, PURPLE, AMBER, SKY = "#c2410c", "#0072b2", "#00805f", "#9c4a86", "#9a6700", "#56b4e9"
LATENCY, LATENCY_PALE = "#33526e", "#b9c9d8"
GAP, GAP_EDGE = "#fbe9dd", "#eebf9f"

MARK_COLOURS = {
    "fault": VERMILION,
    "fault-end": VERMILION,
    "detected": AMBER,
    "fencing": PURPLE,
    "fenced": PURPLE,
    "demoted": MUTED,
    "promoted": BLUE,
    "mounted": BLUE,
    "server-ready": GREEN,
    "probe": GREEN,
    "first-write": GREEN,
    "recovered": GREEN,
    "event": MUTED,
}
PART_COLOURS = {
    "fault": "#c3cad3",
    "detected": "#e69f00",
    "fencing": "#e3b7d2",
    "fenced": "#b4609b",
    "fault-end": "#d55e00",
    "demoted": "#7a8794",
    "promoted": "#0072b2",
    "mounted": "#56b4e9",
    "server-ready": "#009e73",
    "probe": "#8c8c3a",
    "first-write": "#3d3a7c",
    "never": VERMILION,
}
LANES = {"powered": ("powered", "#a9b4c0"), "promoted": ("DRBD promoted", BLUE), "server": ("server runs", GREEN)}

# All sizes are pixels of a page in which the picture has its natural width.
WIDTH = 1160
_LEFT, _RIGHT, _OVERVIEW_RIGHT = 150, 96, 290
_LATENCY_HEIGHT, _FAILED_HEIGHT, _NODE_HEIGHT, _LANE_HEIGHT, _AXIS_HEIGHT = 190, 20, 19, 17, 48
_FLAG_HEIGHT, _FLAG_ROWS = 20, 6
_CHARACTER = 6.6  # of the flags' type, 8 points; the widest that browsers may take instead is no wider
_PANEL = WIDTH - _LEFT - _RIGHT
# A dot or bar each two pixels is what can be told apart.
_SAMPLES = _PANEL // 2
_DPI = 96


@contextmanager
def _style() -> Generator[None]:
    """Draw the same on every machine: nothing of a user's own settings, no random names, no date."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
                "svg.hashsalt": "drills",
                "path.simplify": False,  # a dot is a line of almost no length, which simplifying would drop
                "font.family": ["DejaVu Sans"],  # comes with matplotlib; only measures here
                "font.size": 8.5,
                "text.parse_math": False,
                "text.color": INK,
                "axes.edgecolor": RULE,
                "axes.labelcolor": MUTED,
                "axes.linewidth": 0.8,
                "xtick.color": RULE,
                "ytick.color": RULE,
                "xtick.labelcolor": MUTED,
                "ytick.labelcolor": MUTED,
                "hatch.linewidth": 0.8,
            }
        )
        yield


def _svg(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an <svg> element.

    Args:
        figure: what is drawn.
        name: begins every id in it, so that several pictures can be on a page.
        description: what the picture shows, for those who do not see it.
    """
    buffer = io.StringIO()
    # Without any of these there is no block of metadata, which would point to vocabularies on the web.
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=metadata)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="', f'id="{name}.', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}.", text)
    # A hundredth of a point is finer than any screen; this halves the size.
    text = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)


class _Sheet:
    """A figure laid out in pixels from its top left corner.

    Args:
        height: of the figure.
    """

    def __init__(self, height: float) -> None:
        self.figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI)
        self._height = height

    def axes(self, top: float, height: float, window: Interval, right: float = _RIGHT) -> Axes:
        """Return empty axes without ticks or background that leave `right` pixels free at the right."""
        width = WIDTH - _LEFT - right
        box = (_LEFT / WIDTH, 1 - (top + height) / self._height, width / WIDTH, height / self._height)
        axes = self.figure.add_axes(box)
        axes.set_xlim(window.begin, window.end)
        axes.patch.set_visible(False)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.xaxis.set_major_locator(NullLocator())
        axes.yaxis.set_major_locator(NullLocator())
        return axes


def _strokes(axes: Axes, segments: Iterable[tuple[float, float, float]], colour: str, width: float) -> None:
    """Draw upright lines (x, bottom, top) as one path: thousands of elements would make the page heavy."""
    xs: list[float] = []
    ys: list[float] = []
    for x, bottom, top in segments:
        xs += [x, x, math.nan]
        ys += [bottom, top, math.nan]
    axes.plot(xs, ys, color=colour, linewidth=width, solid_capstyle="round")


def seconds_text(seconds: float) -> str:
    """Return a duration for a label, with three digits that count."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def _latency_text(milliseconds: float, _: object = None) -> str:
    return f"{milliseconds:g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"


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

    Args:
        history: the drill.
        window: the time to show.
        name: the picture's name, unique on its page.
    """
    with _style():
        return _draw(history, window, name)


def _draw(history: History, window: Interval, name: str) -> str:
    record = history.record
    shown = [(number, mark) for number, mark in enumerate(record.marks, 1) if window.begin <= mark.at <= window.end]
    placed, named = _place(shown, window)
    top = 8 + _FLAG_HEIGHT * (1 + max((flag.row for flag in placed), default=0))
    lanes = [what for what in LANES if any(span.what == what for span in record.spans)]
    node_height = _NODE_HEIGHT + _LANE_HEIGHT * len(lanes) + 6
    failed_top = top + _LATENCY_HEIGHT
    lanes_top = failed_top + _FAILED_HEIGHT
    bottom = lanes_top + node_height * (len(record.nodes) if lanes else 0) + 6
    sheet = _Sheet(bottom + _AXIS_HEIGHT)

    back = sheet.axes(top, bottom - top, window)  # what reaches over all panels, behind them
    back.set_ylim(0, 1)
    gaps = [gap for gap in outage.gaps(history.writes) if gap.begin < window.end and gap.end > window.begin]
    for gap in gaps:
        # With an edge: the shortest gap of the longest drill is still seen.
        back.axvspan(gap.begin, gap.end, facecolor=GAP, edgecolor=GAP_EDGE, linewidth=0.8)
    _draw_times(back, history, window)
    _draw_flags(sheet.axes(0, top, window), back, shown, placed, named)
    _draw_latency(sheet.axes(top, _LATENCY_HEIGHT, window), history, window, gaps)
    failed = sheet.axes(failed_top, _FAILED_HEIGHT, window)
    failed.set_ylim(0, 1)
    _label(failed, 0.5, "failed attempts", INK)
    failed.axhline(0, color=RULE, linewidth=0.8)
    # One a pixel is as many as can be told apart.
    width = (window.end - window.begin) / (_SAMPLES * 2)
    attempts = {
        int((write.sent - window.begin) / width): write.sent
        for write in history.writes
        if write.acknowledged is None and window.begin <= write.sent <= window.end
    }
    _strokes(failed, ((at, 0.25, 0.8) for at in attempts.values()), VERMILION, 0.9)
    if lanes:
        for index, node in enumerate(record.nodes):
            axes = sheet.axes(lanes_top + node_height * index, node_height, window)
            _draw_lanes(axes, node, lanes, record.spans, window)
    return _svg(sheet.figure, name, f"Timeline of {history.name}")


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


def _place(shown: Sequence[tuple[int, Mark]], window: Interval) -> tuple[list[layout.Flag], bool]:
    """Place the marks' labels: with their names (and True) if there is room for all, else numbers only."""
    scale = _PANEL / window.seconds
    positions = [_LEFT + (mark.at - window.begin) * scale for _, mark in shown]
    placed = layout.flags(positions, [_flag_width(_flag_text(*mark)) for mark in shown], _FLAG_ROWS)
    if len(placed) == len(shown):
        return placed, True
    highest = shown[-1][0]
    return layout.flags(positions, [_flag_width(_range(highest, highest))] * len(shown), rows=1), False


def _flag_text(number: int, mark: Mark) -> str:
    return str(number) if mark.kind == "event" else f"{number} {mark.kind.replace('-', ' ')}"


def _range(first: int, last: int) -> str:
    return f"{first}\N{EN DASH}{last}"


def _flag_width(text: str) -> float:
    return len(text) * _CHARACTER + 12


def _draw_flags(
    axes: Axes, back: Axes, shown: Sequence[tuple[int, Mark]], placed: Sequence[layout.Flag], named: bool
) -> None:
    """Draw a line for each mark through all panels, and its label on top of it.

    Args:
        axes: the space above the panels, for the labels.
        back: what reaches over all panels.
        shown: the marks and their numbers.
        placed: their labels.
        named: whether the labels have names.
    """
    height = axes.bbox.height / axes.figure.dpi * _DPI
    axes.set_ylim(0, height)
    width = 0.9 if named else 0.5  # where there are many, they must not hide what is behind
    for flag in placed:
        middle = 12 + _FLAG_HEIGHT * flag.row
        for _, mark in shown[flag.first : flag.last + 1]:
            colour = MARK_COLOURS[mark.kind]
            dashes = (0, (1, 2)) if mark.kind == "event" else "solid"
            back.axvline(mark.at, color=colour, linewidth=width, linestyle=dashes, zorder=3)
            axes.plot([mark.at, mark.at], [0, middle + 8], color=colour, linewidth=width, linestyle=dashes)
        # A joined label stands at the last of its marks, and has a kind's colour only where all are of that kind.
        first, last = shown[flag.first], shown[flag.last]
        kinds = {mark.kind for _, mark in shown[flag.first : flag.last + 1]}
        colour = MARK_COLOURS[first[1].kind] if len(kinds) == 1 else INK
        text = _flag_text(*first) if named else str(first[0]) if first is last else _range(first[0], last[0])
        axes.annotate(
            text,
            (last[1].at, middle),
            xytext=(3, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=8,
            color="white",
            bbox={"boxstyle": "square,pad=0.28", "facecolor": colour, "edgecolor": "none"},
            annotation_clip=False,
        )


def _draw_latency(axes: Axes, history: History, window: Interval, gaps: Sequence[Gap]) -> None:
    """Draw the latency of acknowledged writes, in milliseconds on a logarithmic scale, and how long the gaps are."""
    found = layout.thin(history.writes, window, _SAMPLES)
    slowest = [max(sample.slowest * 1000, 0.01) for sample in found]
    fastest = [max(sample.fastest * 1000, 0.01) for sample in found]
    low, high = min(fastest, default=1.0), max(slowest, default=100.0)
    axes.set_yscale("log")
    # Room above for the labels of gaps.
    low, high = low / 1.5, max(high, low * 10)
    axes.set_ylim(low, high * (high / low) ** 0.22)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_latency_text))
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    _label(axes, 0.5, "latency\nof writes", INK)
    _strokes(axes, ((s.at, f, m) for s, f, m in zip(found, fastest, slowest, strict=True)), LATENCY_PALE, 1.4)
    _strokes(axes, ((s.at, m, m * 1.002) for s, m in zip(found, slowest, strict=True)), LATENCY, 2.4)

    scale = _PANEL / window.seconds
    taken: list[tuple[float, float]] = []
    for index, gap in enumerate(sorted(gaps, key=lambda gap: -gap.seconds)):
        begin, end = (
            (max(gap.begin, window.begin) - window.begin) * scale,
            (min(gap.end, window.end) - window.begin) * scale,
        )
        text = seconds_text(gap.seconds) + ("" if gap.ended else ", not back")
        half = len(text) * 8 / 2 + 4
        middle = (begin + end) / 2
        if end - begin < 2 * half:
            if index > 0:
                continue  # no room: the table of outages has it
            # The longest is always told, beside it if need be.
            middle = end + half if end + 2 * half < _PANEL else begin - half
        if any(middle + half > left and middle - half < right for left, right in taken):
            continue
        taken.append((middle - half, middle + half))
        axes.text(
            window.begin + middle / scale,
            0.92,
            text,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="center_baseline",
            fontsize=9.5,
            fontweight="bold",
            color=VERMILION,
            bbox={
                "boxstyle": "square,pad=0.2",
                "facecolor": GAP if begin <= middle <= end else "white",
                "edgecolor": "none",
            },
            zorder=5,
        )


def _label(axes: Axes, at: float, text: str, colour: str, weight: str = "normal", indent: float = 0) -> None:
    """Write what a panel or lane shows, left of it; `at` is the height in shares of the panel, `indent` in pixels."""
    axes.annotate(
        text,
        (0, at),
        xycoords="axes fraction",
        xytext=((4 + indent - _LEFT) * 72 / _DPI, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        fontweight=weight,
        linespacing=1.4,
        annotation_clip=False,
    )


def _draw_lanes(axes: Axes, node: str, lanes: Sequence[str], spans: Sequence[Span], window: Interval) -> None:
    """Draw one node's lanes: a bar for each time in which it was what the lane says."""
    height = axes.bbox.height / axes.figure.dpi * _DPI
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
        _label(axes, middle / height, name, VERMILION if both else MUTED, indent=16)
    _label(axes, (height - 11) / height, node, INK, "bold")  # above its lanes: a long name has room there
    axes.set_xlim(window.begin, window.end)


def draw_overview(runs: Mapping[str, Sequence[float]], name: str) -> str:
    """Return the outages of all drills that ran more than once, as an <svg> element.

    A dot is a run, the upright line the median, the ring the worst.

    Args:
        runs: scenario and its outages in seconds; not empty, nor is any of them.
        name: the picture's name, unique on its page.
    """
    with _style():
        top, row = 10, 38
        highest = max(max(outages) for outages in runs.values())
        lowest = min(min(outages) for outages in runs.values())
        # Beside two minutes a second is nothing on a linear scale.
        logarithmic = highest > 30 * max(lowest, 0.001) and lowest > 0
        sheet = _Sheet(top + row * len(runs) + _AXIS_HEIGHT)
        window = Interval(lowest / 1.5, highest * 1.5) if logarithmic else Interval(0, max(highest, 0.1) * 1.05)
        axes = sheet.axes(top, row * len(runs), window, right=_OVERVIEW_RIGHT)
        if logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(window.begin, window.end)
        axes.set_ylim(len(runs), 0)
        axes.spines["bottom"].set_visible(True)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        scale = "seconds without an acknowledged write" + (" (logarithmic)" if logarithmic else "")
        axes.set_xlabel(scale, fontsize=8.5, labelpad=5)
        for index, (scenario, outages) in enumerate(runs.items()):
            middle, worst, half = index + 0.5, max(outages), median(outages)
            axes.plot([min(outages), worst], [middle, middle], color=LATENCY_PALE, linewidth=1.4)
            axes.plot(outages, [middle] * len(outages), "o", color=LATENCY, markersize=5, alpha=0.65, markeredgewidth=0)
            axes.plot([half, half], [middle - 0.3, middle + 0.3], color=INK, linewidth=2)
            axes.plot([worst], [middle], "o", color=VERMILION, markersize=8, fillstyle="none", markeredgewidth=1.3)
            _label(axes, 1 - middle / len(runs), scenario, INK, "bold")
            axes.annotate(
                f"median {seconds_text(half)} · worst {seconds_text(worst)} · {len(outages)} runs",
                (1, 1 - middle / len(runs)),
                xycoords="axes fraction",
                xytext=(12, 0),
                textcoords="offset points",
                va="center_baseline",
                annotation_clip=False,
            )
        return _svg(sheet.figure, name, "Outages of the drills that ran more than once")
