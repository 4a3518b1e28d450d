"""The latency of a timeline's writes, with how long its gaps are."""

# matplotlib's own hints leave **kwargs open, which strict checking calls partially unknown at every call.
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from drills.proof.outage import Gap, History, Interval
from drills.report import layout
from drills.report.colours import GAP, INK, LATENCY, LATENCY_PALE, RULE, VERMILION
from drills.report.sheet import PANEL, label, seconds_text, strokes

_SAMPLES = PANEL // 2
"""A dot or bar each two pixels is what can be told apart."""


def draw(axes: Axes, history: History, window: Interval, gaps: Sequence[Gap]) -> None:
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
    axes.yaxis.set_major_formatter(FuncFormatter(_text))
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    label(axes, 0.5, "latency\nof writes", INK)
    strokes(axes, ((s.at, f, m) for s, f, m in zip(found, fastest, slowest, strict=True)), LATENCY_PALE, 1.4)
    strokes(axes, ((s.at, m, m * 1.002) for s, m in zip(found, slowest, strict=True)), LATENCY, 2.4)

    scale = PANEL / window.seconds
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
            middle = end + half if end + 2 * half < PANEL else begin - half
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


def _text(milliseconds: float, _: object = None) -> str:
    return f"{milliseconds:g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"
