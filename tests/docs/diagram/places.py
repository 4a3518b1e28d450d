"""Where each box stands: in its component's band, below what it needs, on its node's side."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tests.docs.diagram.box import BOX, Box
from tests.docs.diagram.drawing import WIDTH
from tests.docs.diagram.graph import ranked

# All in pixels.
_BROAD = 170  # of a box in the middle, which stands alone
_ROW = 68  # from the top of a box to that of the next one below
_HEAD = 30  # above the first box of a band: its name, and the lines that come in
TOP = 112  # above the first band: what is outside
# The middles of the boxes that can stand side by side, the one to take first before the others.
_LANES = {
    "first": (318.0, 438.0, 198.0, 78.0),
    "once": (590.0,),
    "alone": (590.0, 410.0, 770.0, 230.0, 950.0),
    "second": (862.0, 742.0, 982.0, 1102.0),
    "left": (198.0, 78.0, 318.0, 438.0),
    "right": (862.0, 742.0, 982.0, 1102.0),
}


def place(boxes: Mapping[str, Box], machines: Sequence[str]) -> dict[str, tuple[float, float, float, float]]:
    """Give each box its row, lane and place.

    Args:
        machines: names of the machines, the first node first.

    Returns:
        Left, right, top and bottom of each band, in pixels.

    Raises:
        ValueError: more stands side by side than there is place for.
    """
    between: dict[str, set[str]] = defaultdict(set)
    for box in boxes.values():
        between[box.band] |= {boxes[one].band for one in box.needs} - {box.band}
    levels: dict[int, list[str]] = defaultdict(list)
    for band, rank in sorted(ranked(between).items(), reverse=True):
        levels[rank].append(band)

    bands: dict[str, tuple[float, float, float, float]] = {}
    row, y = 0, float(TOP)
    for level in sorted(levels):
        beside = levels[level]
        if len(beside) > 2:
            raise ValueError(f"no place for {', '.join(beside)}: two components at most stand side by side")
        rows = 0
        for number, band in enumerate(beside):
            inside = {name: box for name, box in boxes.items() if box.band == band}
            sides = {name: _side(name, machines) for name in inside}
            if set(sides.values()) == {"once"}:
                sides = dict.fromkeys(inside, "alone" if len(inside) > 1 else "once")
            for name, rank in ranked({name: box.needs & inside.keys() for name, box in inside.items()}).items():
                rows = max(rows, rank + 1)
                boxes[name].row, boxes[name].y = row + rank, y + _HEAD + _ROW * rank
                boxes[name].side = ("left", "right")[number] if len(beside) == 2 else sides[name]
        edges = ((14, 582), (598, WIDTH - 14)) if len(beside) == 2 else ((14, WIDTH - 14),)
        bottom = y + _HEAD + _ROW * rows - (_ROW - BOX[1]) + 10
        bands |= {band: (*edges[number], y, bottom) for number, band in enumerate(beside)}
        row, y = row + rows, bottom + 8
    _choose_lanes(boxes)
    return bands


def _side(name: str, machines: Sequence[str]) -> str:
    for machine, side in zip(machines, ("first", "second"), strict=False):
        if name == machine or name.startswith(f"{machine}-"):
            return side
    return "once"


def _choose_lanes(boxes: Mapping[str, Box]) -> None:
    """Put each box below what it needs, where nothing else's line comes down."""
    needed_by = {name: {other for other, box in boxes.items() if name in box.needs} for name in boxes}
    to_come = ranked(needed_by)
    taken: set[tuple[int, float]] = set()

    def precedence(name: str) -> tuple[int, int, str]:
        away = sum(1 for one in boxes[name].needs | needed_by[name] if boxes[one].side != boxes[name].side)
        return -to_come[name], -away, name

    for row in sorted({box.row for box in boxes.values()}):
        names = sorted((name for name, box in boxes.items() if box.row == row), key=precedence)
        # What most comes after stays in line; of the others the one with most ties elsewhere is next to the middle.
        leading = {boxes[name].side: name for name in reversed(names)}
        names.sort(key=lambda name: (leading[boxes[name].side] != name, precedence(name)[1:]))
        for name in names:
            box = boxes[name]
            above = [boxes[one].x for one in box.needs if boxes[one].side == box.side]
            wanted = sum(above) / len(above) if above else None
            last = max((boxes[one].row - 1 for one in needed_by[name]), default=row)
            rows = range(row, max(last, row) + 1)
            lanes = _LANES[box.side]
            free = [x for x in lanes if not any((one, x) in taken for one in rows)]
            if not free:
                raise ValueError(f"no place for {name}: more boxes side by side than the picture has lanes")
            box.width = _BROAD if box.side in ("once", "alone") else BOX[0]
            box.x = min(free, key=lambda x: (abs(x - wanted) if wanted is not None else 0, lanes.index(x)))
            taken |= {(one, box.x) for one in rows}
