"""An SVG document of rectangles, lines and texts."""

import xml.etree.ElementTree as ElementTree

WIDTH = 1180  # in pixels

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


class Drawing:
    """An SVG document. Places and sizes are in pixels, kinds are the classes of the style above."""

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
        """Draw a rectangle, by its upper left corner."""
        sizes = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{width:g}", "height": f"{height:g}", "rx": "5"}
        ElementTree.SubElement(self._root, "rect", {"class": kind, **sizes})

    def text(self, kind: str, x: float, y: float, text: str, anchor: str = "start") -> None:
        """Write a line of text; the anchor is SVG's: start, middle or end of the text at that place."""
        place = {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor}
        ElementTree.SubElement(self._root, "text", {"class": kind, **place}).text = text

    def line(self, kind: str, path: str, *, start: str = "", end: str = "") -> None:
        """Draw a path as SVG writes it; its ends may have the tip "needed" or "flow"."""
        tips = {f"marker-{where}": f"url(#{tip})" for where, tip in (("start", start), ("end", end)) if tip}
        ElementTree.SubElement(self._root, "path", {"class": kind, "d": path, **tips})

    def document(self, height: float) -> str:
        about = (
            "Every resource of the program, grouped by component, above those that need it; and who speaks with whom"
        )
        for key, value in {
            "viewBox": f"0 0 {WIDTH} {height:g}",
            "width": f"{WIDTH}",
            "height": f"{height:g}",
            "font-family": "system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif",
            "fill": "#1b1f24",
            "role": "img",
            "aria-label": about,
        }.items():
            self._root.set(key, value)
        background = ElementTree.Element("rect", {"width": f"{WIDTH}", "height": f"{height:g}", "fill": "#ffffff"})
        self._root.insert(0, background)
        ElementTree.indent(self._root)
        return ElementTree.tostring(self._root, encoding="unicode") + "\n"
