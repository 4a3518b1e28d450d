"""Draws docs/architecture.svg of the resources that the program registers: `make diagram`.

Which boxes there are, what is written on them, where they stand and what leads to what all come of the recorded
graph (tests/support/recording.py), so the picture is the program's. Known here is only how to draw it: a band for each
component, what needs something below it, the resources of a node on its side and what there is once in the middle.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from components.checkout import CHECKOUT
from tests.docs.diagram.box import BOX, Box
from tests.docs.diagram.drawing import WIDTH, Drawing
from tests.docs.diagram.facts import SCRIPT, facts
from tests.docs.diagram.graph import reduced
from tests.docs.diagram.places import TOP, place
from tests.docs.diagram.traffic import draw_traffic
from tests.support.recording import Resource

PICTURE = CHECKOUT / "docs" / "architecture.svg"
STACK = "dev"

_COMPONENT = "azure-mysql-ha:index:"
_TRACK = 5  # pixels between two horizontal lines in one gap


def draw(resources: Sequence[Resource]) -> str:
    """Draw the picture.

    Returns:
        An SVG document; the same for the same resources.

    Raises:
        ValueError: more stands side by side than there is place for.
    """
    components = {one.name: one for one in resources if one.type.startswith(_COMPONENT)}
    # All is in the resource group: it is the frame, and no box that everything needs.
    group = next(one for one in resources if one.type.endswith(":ResourceGroup"))
    boxes = {
        one.name: Box(one, _band(one, components)) for one in resources if one.name not in {*components, group.name}
    }
    needs = {name: set(box.resource.dependencies) & boxes.keys() for name, box in boxes.items()}
    for name, direct in reduced(needs).items():
        boxes[name].needs = direct
    machines = sorted(name for name, box in boxes.items() if box.resource.type.endswith(":VirtualMachine"))
    bands = place(boxes, machines)

    picture = Drawing()
    height = max(bottom for *_, bottom in bands.values()) + 46
    picture.rectangle("frame", 6, TOP - 24, WIDTH - 12, height - TOP + 24 - 34)
    picture.text("head", 20, TOP - 8, f"Resource group {group.inputs['resourceGroupName']}")
    for band, (left, right, top, bottom) in bands.items():
        picture.rectangle("band", left, top, right - left, bottom - top)
        picture.text("head", left + 10, top + 17, band)
    _draw_needs(picture, boxes)
    for box in boxes.values():
        _draw_box(picture, box, components, machines)
    draw_traffic(picture, boxes, machines)
    _draw_legend(picture, height - 16)
    return picture.document(height)


def _band(resource: Resource, components: Mapping[str, Resource]) -> str:
    name = resource.parent
    while components[name].parent:
        name = components[name].parent
    return name


def _draw_needs(picture: Drawing, boxes: Mapping[str, Box]) -> None:
    """Draw what leads to what: one line for all that need the same, in a track of its own where two would meet."""
    together: dict[tuple[int, tuple[str, ...]], list[Box]] = defaultdict(list)
    for box in boxes.values():
        if box.needs:
            together[box.row, tuple(sorted(box.needs))].append(box)
    lines: list[tuple[int, float, float, list[Box], list[Box]]] = []
    for (row, needs), targets in sorted(together.items()):
        sources = [boxes[name] for name in needs]
        middles = [box.x for box in (*sources, *targets)]
        lines.append((row, min(middles), max(middles), sources, targets))

    tracks: dict[int, list[list[tuple[float, float]]]] = defaultdict(list)
    for row, left, right, sources, targets in sorted(lines, key=lambda line: (line[0], line[2] - line[1])):
        free = (track for track in tracks[row] if all(right < start or end < left for start, end in track))
        track: list[tuple[float, float]] | None = next(free, None)
        if track is None:
            track = []
            tracks[row].append(track)
        track.append((left, right))
        y = targets[0].y - 9 - _TRACK * tracks[row].index(track)
        if left != right:
            picture.line("needs", f"M{left:g} {y:g} H{right:g}")
        for source in sources:
            picture.line("needs", f"M{source.x:g} {source.bottom:g} V{y:g}")
        for target in targets:
            picture.line("needs", f"M{target.x:g} {y:g} V{target.y - 1:g}", end="needed")


def _draw_box(picture: Drawing, box: Box, components: Mapping[str, Resource], machines: Sequence[str]) -> None:
    resource = box.resource
    title = resource.name
    for prefix in (*machines, *components):
        title = title.removeprefix(f"{prefix}-")
    kind = "script" if resource.type == SCRIPT else "azure" if resource.type.startswith("azure-") else "outside"
    picture.rectangle(kind, box.x - box.width / 2, box.y, box.width, BOX[1])
    picture.text("title", box.x, box.y + 14, title.replace("-", " ") if title not in machines else title, "middle")
    for number, fact in enumerate(facts(resource, int(box.width / 5.4))):
        picture.text("small", box.x, box.y + 26 + 11 * number, fact, "middle")


def _draw_legend(picture: Drawing, y: float) -> None:
    x = 18.0
    for kind, said, width in (
        ("azure", "a resource in Azure", 150),
        ("script", "a script, run on its node over SSH", 232),
    ):
        picture.rectangle(kind, x, y - 11, 20, 14)
        picture.text("small", x + 27, y, said)
        x += width
    for kind, said, end, width in (
        ("needs", "is needed for, and so made before", "needed", 232),
        ("traffic", "traffic that the rules let in", "flow", 200),
    ):
        picture.line(kind, f"M{x:g} {y - 4:g} H{x + 22:g}", end=end)
        picture.text("small", x + 33, y, said)
        x += width
