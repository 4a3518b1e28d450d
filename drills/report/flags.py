"""The labels of a timeline's marks, numbered as in its record, and the line of each through all panels."""

# matplotlib's own hints leave **kwargs open, which strict checking calls partially unknown at every call.
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

from matplotlib.axes import Axes

from drills.proof.outage import Interval
from drills.proof.record import Mark
from drills.report import layout
from drills.report.colours import INK, MARK_COLOURS
from drills.report.sheet import DPI, LEFT, PANEL

HEIGHT = 20
"""Of a row of labels."""

_ROWS = 6
_CHARACTER = 6.6  # of the labels' type, 8 points; the widest that browsers may take instead is no wider


def place(shown: Sequence[tuple[int, Mark]], window: Interval) -> tuple[list[layout.Flag], bool]:
    """Place the marks' labels: with their names (and True) if there is room for all, else numbers only."""
    scale = PANEL / window.seconds
    positions = [LEFT + (mark.at - window.begin) * scale for _, mark in shown]
    placed = layout.flags(positions, [_width(_text(*mark)) for mark in shown], _ROWS)
    if len(placed) == len(shown):
        return placed, True
    highest = shown[-1][0]
    return layout.flags(positions, [_width(_range(highest, highest))] * len(shown), rows=1), False


def draw(axes: Axes, back: Axes, shown: Sequence[tuple[int, Mark]], placed: Sequence[layout.Flag], named: bool) -> None:
    """Draw a line for each mark through all panels, and its label on top of it."""
    height = axes.bbox.height / axes.figure.dpi * DPI
    axes.set_ylim(0, height)
    width = 0.9 if named else 0.5  # where there are many, they must not hide what is behind
    for flag in placed:
        middle = 12 + HEIGHT * flag.row
        for _, mark in shown[flag.first : flag.last + 1]:
            colour = MARK_COLOURS[mark.kind]
            dashes = (0, (1, 2)) if mark.kind == "event" else "solid"
            back.axvline(mark.at, color=colour, linewidth=width, linestyle=dashes, zorder=3)
            axes.plot([mark.at, mark.at], [0, middle + 8], color=colour, linewidth=width, linestyle=dashes)
        # A joined label stands at the last of its marks, and has a kind's colour only where all are of that kind.
        first, last = shown[flag.first], shown[flag.last]
        kinds = {mark.kind for _, mark in shown[flag.first : flag.last + 1]}
        colour = MARK_COLOURS[first[1].kind] if len(kinds) == 1 else INK
        text = _text(*first) if named else str(first[0]) if first is last else _range(first[0], last[0])
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


def _text(number: int, mark: Mark) -> str:
    return str(number) if mark.kind == "event" else f"{number} {mark.kind.replace('-', ' ')}"


def _range(first: int, last: int) -> str:
    return f"{first}\N{EN DASH}{last}"


def _width(text: str) -> float:
    return len(text) * _CHARACTER + 12
