"""Draws the outages of all drills side by side."""

# matplotlib's own hints leave **kwargs open, which strict checking calls partially unknown at every call.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from statistics import median

from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from drills.proof.outage import Interval
from drills.report.colours import INK, LATENCY, LATENCY_PALE, RULE, VERMILION
from drills.report.sheet import AXIS_HEIGHT, Sheet, label, seconds_text, style, svg

_RIGHT = 290


def draw(runs: Mapping[str, Sequence[float]], name: str) -> str:
    """Return the outages of all drills that ran more than once, as an <svg> element.

    A dot is a run, the upright line the median, the ring the worst.

    Args:
        runs: scenario and its outages in seconds; not empty, nor is any of them.
    """
    with style():
        top, row = 10, 38
        highest = max(max(outages) for outages in runs.values())
        lowest = min(min(outages) for outages in runs.values())
        # Beside two minutes a second is nothing on a linear scale.
        logarithmic = highest > 30 * max(lowest, 0.001) and lowest > 0
        sheet = Sheet(top + row * len(runs) + AXIS_HEIGHT)
        window = Interval(lowest / 1.5, highest * 1.5) if logarithmic else Interval(0, max(highest, 0.1) * 1.05)
        axes = sheet.axes(top, row * len(runs), window, right=_RIGHT)
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
            label(axes, 1 - middle / len(runs), scenario, INK, "bold")
            axes.annotate(
                f"median {seconds_text(half)} · worst {seconds_text(worst)} · {len(outages)} runs",
                (1, 1 - middle / len(runs)),
                xycoords="axes fraction",
                xytext=(12, 0),
                textcoords="offset points",
                va="center_baseline",
                annotation_clip=False,
            )
        return svg(sheet.figure, name, "Outages of the drills that ran more than once")
