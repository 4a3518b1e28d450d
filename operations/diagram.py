"""Draws docs/architecture.svg of the resources that the program registers: `make diagram`.

Which boxes there are, what is written on them, where they stand and what leads to what all come of the recorded
graph (operations/recording.py), so the picture is the program's. Known here is only how to draw it: a band for each
component, what needs something below it, the resources of a node on its side and what there is once in the middle.
"""

import textwrap
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.checkout import CHECKOUT
from operations.recording import Resource, record

PICTURE = CHECKOUT / "docs" / "architecture.svg"
STACK = "dev"

_COMPONENT = "azure-mysql-ha:index:"
_SCRIPT = "command:remote:Command"
_PROTOCOLS = {"22": "SSH", "3306": "MySQL", "5405": "Corosync", "7789": "DRBD"}

# All in pixels.
_WIDTH = 1180
_BOX = (116, 43)
_BROAD = 170  # of a box in the middle, which stands alone
_ROW = 68  # from the top of a box to that of the next one below
_HEAD = 30  # above the first box of a band: its name, and the lines that come in
_TRACK = 5  # between two horizontal lines in one gap
_TOP = 112  # above the first band: what is outside
# The middles of the boxes that can stand side by side, the one to take first before the others.
_LANES = {
    "first": (318.0, 438.0, 198.0, 78.0),
    "once": (590.0,),
    "second": (862.0, 742.0, 982.0, 1102.0),
    "left": (198.0, 78.0, 318.0, 438.0),
    "right": (862.0, 742.0, 982.0, 1102.0),
}

_STYLE = """
    .frame { fill: #ffffff; stroke: #5b8db8; stroke-width: 1.5 }
    .band { fill: #f6f8fa; stroke: #d0d7de }
    .azure { fill: #ddebf8; stroke: #5b8db8 }
    .script { fill: #e1f3e3; stroke: #4a8a4f }
    .outside { fill: #ffffff; stroke: #57606a }
    .needs { fill: none; stroke: #6e7781; stroke-width: 1.2 }
    .traffic { fill: none; stroke: #c2410c; stroke-width: 2.5 }
    .said { fill: #c2410c; font-size: 12px; font-weight: 600 }
    .title { font-size: 12px; font-weight: 600 }
    .small { font-size: 9.5px; fill: #424a53 }
    .head { font-size: 13px; font-weight: 600; fill: #35404a }
"""


@dataclass
class _Box:
    """A resource and its place.

    Args:
        resource: what it stands for.
        band: the component that it is part of, by its name.
        side: the group of lanes that it may stand in.
        needs: names of those that it needs and that nothing else that it needs needs.
        row: from the top.
        x: its middle.
        y: its upper edge.
        width: how broad it is.
    """

    resource: Resource
    band: str
    side: str = "once"
    needs: set[str] = field(default_factory=set[str])
    row: int = 0
    x: float = 0
    y: float = 0
    width: float = _BOX[0]

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + _BOX[1]


def draw(resources: Sequence[Resource]) -> str:
    """Draw the picture.

    Args:
        resources: what the program registers, as `record` returns it.

    Returns:
        An SVG document; the same for the same resources.

    Raises:
        ValueError: more stands side by side than there is place for.
    """
    components = {one.name: one for one in resources if one.type.startswith(_COMPONENT)}
    # All is in the resource group: it is the frame, and no box that everything needs.
    group = next(one for one in resources if one.type.endswith(":ResourceGroup"))
    boxes = {
        one.name: _Box(one, _band(one, components)) for one in resources if one.name not in {*components, group.name}
    }
    needs = {name: set(box.resource.dependencies) & boxes.keys() for name, box in boxes.items()}
    for name, direct in _reduced(needs).items():
        boxes[name].needs = direct
    machines = sorted(name for name, box in boxes.items() if box.resource.type.endswith(":VirtualMachine"))
    bands = _place(boxes, machines)

    picture = _Drawing()
    height = max(bottom for *_, bottom in bands.values()) + 46
    picture.rectangle("frame", 6, _TOP - 24, _WIDTH - 12, height - _TOP + 24 - 34)
    picture.text("head", 20, _TOP - 8, f"Resource group {group.inputs['resourceGroupName']}")
    for band, (left, right, top, bottom) in bands.items():
        picture.rectangle("band", left, top, right - left, bottom - top)
        picture.text("head", left + 10, top + 17, band)
    _draw_needs(picture, boxes)
    for box in boxes.values():
        _draw_box(picture, box, components, machines)
    _draw_traffic(picture, boxes, machines)
    _draw_legend(picture, height - 16)
    return picture.document(height)


def _band(resource: Resource, components: Mapping[str, Resource]) -> str:
    name = resource.parent
    while components[name].parent:
        name = components[name].parent
    return name


def _reduced(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out what is needed by something else that is needed (the transitive reduction)."""
    all_below: dict[str, set[str]] = {}
    for name in _ranked(needs):
        all_below[name] = needs[name].union(*(all_below[other] for other in needs[name]))
    return {
        name: {one for one in direct if not any(one in all_below[other] for other in direct)}
        for name, direct in needs.items()
    }


def _ranked(needs: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the length of the longest way to each, the shortest first; what is not a key does not count."""
    ranks: dict[str, int] = {}
    while len(ranks) < len(needs):
        ready = [name for name in sorted(needs) if name not in ranks and needs[name] & needs.keys() <= ranks.keys()]
        ranks |= {name: 1 + max((ranks[one] for one in needs[name] & needs.keys()), default=-1) for name in ready}
    return ranks


def _place(boxes: Mapping[str, _Box], machines: Sequence[str]) -> dict[str, tuple[float, float, float, float]]:
    """Give each box its row, lane and place.

    Returns:
        Left, right, top and bottom of each band.
    """
    between: dict[str, set[str]] = defaultdict(set)
    for box in boxes.values():
        between[box.band] |= {boxes[one].band for one in box.needs} - {box.band}
    levels: dict[int, list[str]] = defaultdict(list)
    for band, rank in sorted(_ranked(between).items(), reverse=True):
        levels[rank].append(band)

    bands: dict[str, tuple[float, float, float, float]] = {}
    row, y = 0, float(_TOP)
    for level in sorted(levels):
        beside = levels[level]
        if len(beside) > 2:
            raise ValueError(f"no place for {', '.join(beside)}: two components at most stand side by side")
        rows = 0
        for number, band in enumerate(beside):
            inside = {name: box for name, box in boxes.items() if box.band == band}
            for name, rank in _ranked({name: box.needs & inside.keys() for name, box in inside.items()}).items():
                rows = max(rows, rank + 1)
                boxes[name].row, boxes[name].y = row + rank, y + _HEAD + _ROW * rank
                boxes[name].side = ("left", "right")[number] if len(beside) == 2 else _side(name, machines)
        edges = ((14, 582), (598, _WIDTH - 14)) if len(beside) == 2 else ((14, _WIDTH - 14),)
        bottom = y + _HEAD + _ROW * rows - (_ROW - _BOX[1]) + 10
        bands |= {band: (*edges[number], y, bottom) for number, band in enumerate(beside)}
        row, y = row + rows, bottom + 8
    _choose_lanes(boxes)
    return bands


def _side(name: str, machines: Sequence[str]) -> str:
    for machine, side in zip(machines, ("first", "second"), strict=False):
        if name == machine or name.startswith(f"{machine}-"):
            return side
    return "once"


def _choose_lanes(boxes: Mapping[str, _Box]) -> None:
    """Put each box below what it needs, where nothing else's line comes down."""
    needed_by = {name: {other for other, box in boxes.items() if name in box.needs} for name in boxes}
    to_come = _ranked(needed_by)
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
            box.width = _BROAD if box.side == "once" else _BOX[0]
            box.x = min(free, key=lambda x: (abs(x - wanted) if wanted is not None else 0, lanes.index(x)))
            taken |= {(one, box.x) for one in rows}


def _draw_needs(picture: "_Drawing", boxes: Mapping[str, _Box]) -> None:
    """Draw what leads to what: one line for all that need the same, in a track of its own where two would meet."""
    together: dict[tuple[int, tuple[str, ...]], list[_Box]] = defaultdict(list)
    for box in boxes.values():
        if box.needs:
            together[box.row, tuple(sorted(box.needs))].append(box)
    lines: list[tuple[int, float, float, list[_Box], list[_Box]]] = []
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


def _draw_box(picture: "_Drawing", box: _Box, components: Mapping[str, Resource], machines: Sequence[str]) -> None:
    resource = box.resource
    title = resource.name
    for prefix in (*machines, *components):
        title = title.removeprefix(f"{prefix}-")
    kind = "script" if resource.type == _SCRIPT else "azure" if resource.type.startswith("azure-") else "outside"
    picture.rectangle(kind, box.x - box.width / 2, box.y, box.width, _BOX[1])
    picture.text("title", box.x, box.y + 14, title.replace("-", " ") if title not in machines else title, "middle")
    for number, fact in enumerate(_facts(resource, int(box.width / 5.4))):
        picture.text("small", box.x, box.y + 26 + 11 * number, fact, "middle")


def _facts(resource: Resource, width: int) -> list[str]:
    """Return up to two lines of that many characters on a resource, out of its inputs."""
    inputs = resource.inputs
    match resource.type.split(":")[-1]:
        case "Command" if resource.type != _SCRIPT:
            return ["a command, run", "where Pulumi runs"]
        case "Command":
            # The purpose, on top of each script; where it is too long, what is behind its last comma is left out.
            purpose = inputs["stdin"].splitlines()[1].removeprefix("# ")
            if len(textwrap.wrap(purpose, width)) > 2 and "," in purpose:
                purpose = purpose.rpartition(",")[0]
            return textwrap.wrap(purpose, width, max_lines=2, placeholder="…")
        case "VirtualMachine":
            return [inputs["hardwareProfile"]["vmSize"]]
        case "Disk":
            return ["Disk", f"{inputs['diskSizeGB']} GiB"]
        case "NetworkInterface":
            return ["NetworkInterface", inputs["ipConfigurations"][0]["privateIPAddress"]]
        case "VirtualNetwork":
            return ["VirtualNetwork", *inputs["addressSpace"]["addressPrefixes"]]
        case "Subnet":
            return ["Subnet", inputs["addressPrefix"]]
        case "LoadBalancer":
            return ["LoadBalancer", f"probe: {inputs['probes'][0]['port']}"]
        case "NetworkSecurityGroup":
            return ["NetworkSecurityGroup", f"lets in {len(_ports(inputs['securityRules']))} ports"]
        case "RoleDefinition":
            actions = inputs["permissions"][0]["actions"]
            return [
                "RoleDefinition",
                ", ".join(dict.fromkeys(one.removesuffix("/action").split("/")[-1] for one in actions)),
            ]
        case "RoleAssignment":
            return ["RoleAssignment", f"at {inputs['scope'].split('/')[-1]}"]
        case other:
            return [other]


def _draw_traffic(picture: "_Drawing", boxes: Mapping[str, _Box], machines: Sequence[str]) -> None:
    """Draw who speaks with whom, as far as the balancer's and the security group's rules say it."""
    by_type = {box.resource.type.split(":")[-1]: box for box in boxes.values()}
    balancer, rules = by_type["LoadBalancer"], by_type["NetworkSecurityGroup"].resource.inputs["securityRules"]
    subnet = by_type["Subnet"].resource.inputs["addressPrefix"]
    entry = next(boxes[name] for name in balancer.needs)
    served = balancer.resource.inputs["loadBalancingRules"]
    logins = [
        rule
        for rule in balancer.resource.inputs["inboundNatRules"]
        if any(rule["name"].endswith(f"-{machine}") for machine in machines)
    ]

    def let_in(port: int) -> list[str]:
        """Return who may come to a port from outside."""
        return next(rule["sourceAddressPrefixes"] for rule in rules if rule["destinationPortRanges"] == [str(port)])

    for x, who, whence, port in (
        (entry.x - 105, "MySQL clients", let_in(served[0]["backendPort"]), _listed(served)),
        (entry.x + 105, "administrators, pulumi", let_in(logins[0]["backendPort"]), f"SSH: {_listed(logins)}"),
    ):
        picture.rectangle("outside", x - 85, 10, 170, 38)
        picture.text("title", x, 26, who, "middle")
        picture.text("small", x, 40, ", ".join(whence), "middle")
        inner = entry.x + (20 if x > entry.x else -20)
        picture.line("traffic", f"M{x:g} 48 V70 H{inner:g} V{entry.y - 2:g}", end="flow")
        picture.text("said", x + (8 if x > entry.x else -8), 64, port, "start" if x > entry.x else "end")
    first, second = (boxes[name] for name in machines[:2])
    y = first.y + _BOX[1] / 2
    picture.line(
        "traffic", f"M{first.x + _BOX[0] / 2 + 3:g} {y:g} H{second.x - _BOX[0] / 2 - 3:g}", start="flow", end="flow"
    )
    between = [rule for rule in rules if rule.get("sourceAddressPrefixes") == [subnet]]
    said = ", ".join(f"{_PROTOCOLS.get(port, 'port')} {port}" for port in _ports(between))
    picture.text("said", (first.x + second.x) / 2, y - 8, said, "middle")


def _listed(rules: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(str(rule["frontendPort"]) for rule in rules)


def _ports(rules: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ports that rules let in, in order."""
    return sorted(
        {port for rule in rules if rule["access"] == "Allow" for port in rule["destinationPortRanges"]}, key=int
    )


def _draw_legend(picture: "_Drawing", y: float) -> None:
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


class _Drawing:
    """An SVG document."""

    def __init__(self) -> None:
        self._root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg"})
        ElementTree.SubElement(self._root, "style").text = _STYLE
        definitions = ElementTree.SubElement(self._root, "defs")
        for name, colour, size in (("needed", "#6e7781", "8"), ("flow", "#c2410c", "11")):
            marker = {"id": name, "viewBox": "0 0 8 8", "refX": "7", "refY": "4", "orient": "auto-start-reverse"}
            marker |= {"markerWidth": size, "markerHeight": size, "markerUnits": "userSpaceOnUse"}
            tip = ElementTree.SubElement(definitions, "marker", marker)
            ElementTree.SubElement(tip, "path", {"d": "M0 0 L8 4 L0 8 z", "fill": colour})

    def rectangle(self, kind: str, x: float, y: float, width: float, height: float) -> None:
        sizes = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{width:g}", "height": f"{height:g}", "rx": "5"}
        ElementTree.SubElement(self._root, "rect", {"class": kind, **sizes})

    def text(self, kind: str, x: float, y: float, text: str, anchor: str = "start") -> None:
        place = {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor}
        ElementTree.SubElement(self._root, "text", {"class": kind, **place}).text = text

    def line(self, kind: str, path: str, *, start: str = "", end: str = "") -> None:
        tips = {f"marker-{where}": f"url(#{tip})" for where, tip in (("start", start), ("end", end)) if tip}
        ElementTree.SubElement(self._root, "path", {"class": kind, "d": path, **tips})

    def document(self, height: float) -> str:
        about = (
            "Every resource of the program, grouped by component, above those that need it; and who speaks with whom"
        )
        for key, value in {
            "viewBox": f"0 0 {_WIDTH} {height:g}",
            "width": f"{_WIDTH}",
            "height": f"{height:g}",
            "font-family": "system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif",
            "fill": "#1b1f24",
            "role": "img",
            "aria-label": about,
        }.items():
            self._root.set(key, value)
        background = ElementTree.Element("rect", {"width": f"{_WIDTH}", "height": f"{height:g}", "fill": "#ffffff"})
        self._root.insert(0, background)
        ElementTree.indent(self._root)
        return ElementTree.tostring(self._root, encoding="unicode") + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(record(STACK)))
