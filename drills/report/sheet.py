"""Sheets that pictures are drawn on, laid out in pixels of a page, and put into it as SVG."""

# matplotlib's own hints leave **kwargs open, which strict checking calls partially unknown at every call.
# pyright: reportUnknownMemberType=false

import io
import math
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from html import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from drills.proof.outage import Interval
from drills.report.colours import INK, MUTED, RULE

# All sizes are pixels of a page in which the picture has its natural width.
WIDTH = 1160
LEFT, RIGHT = 150, 96
AXIS_HEIGHT = 48
"""Room for an axis's numbers, and what they are, below all panels."""
DPI = 96
PANEL = WIDTH - LEFT - RIGHT
"""Width of a panel."""


@contextmanager
def style() -> Generator[None]:
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


class Sheet:
    """A figure laid out in pixels from its top left corner."""

    def __init__(self, height: float) -> None:
        self.figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI)
        self._height = height

    def axes(self, top: float, height: float, window: Interval, right: float = RIGHT) -> Axes:
        """Return empty axes without ticks or background that leave `right` pixels free at the right."""
        width = WIDTH - LEFT - right
        box = (LEFT / WIDTH, 1 - (top + height) / self._height, width / WIDTH, height / self._height)
        axes = self.figure.add_axes(box)
        axes.set_xlim(window.begin, window.end)
        axes.patch.set_visible(False)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.xaxis.set_major_locator(NullLocator())
        axes.yaxis.set_major_locator(NullLocator())
        return axes


def strokes(axes: Axes, segments: Iterable[tuple[float, float, float]], colour: str, width: float) -> None:
    """Draw upright lines (x, bottom, top) as one path: thousands of elements would make the page heavy."""
    xs: list[float] = []
    ys: list[float] = []
    for x, bottom, top in segments:
        xs += [x, x, math.nan]
        ys += [bottom, top, math.nan]
    axes.plot(xs, ys, color=colour, linewidth=width, solid_capstyle="round")


def label(axes: Axes, at: float, text: str, colour: str, weight: str = "normal", indent: float = 0) -> None:
    """Write what a panel or lane shows, left of it; `at` is the height in shares of the panel, `indent` in pixels."""
    axes.annotate(
        text,
        (0, at),
        xycoords="axes fraction",
        xytext=((4 + indent - LEFT) * 72 / DPI, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        fontweight=weight,
        linespacing=1.4,
        annotation_clip=False,
    )


def svg(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an <svg> element.

    Args:
        name: begins every id in it, so that several pictures can be on a page.
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


def seconds_text(seconds: float) -> str:
    """Return a duration for a label, with three digits that count."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"
