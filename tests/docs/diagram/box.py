"""A resource's box in the picture."""

from dataclasses import dataclass, field

from tests.support.recording import Resource

BOX = (116, 43)  # width and height, in pixels


@dataclass
class Box:
    """A resource and its place.

    Args:
        band: the component that it is part of, by its name.
        side: the group of lanes that it may stand in.
        needs: names of those that it needs and that nothing else that it needs needs.
        x: its middle.
        y: its upper edge.
    """

    resource: Resource
    band: str
    side: str = "once"
    needs: set[str] = field(default_factory=set[str])
    row: int = 0
    x: float = 0
    y: float = 0
    width: float = BOX[0]

    @property
    def bottom(self) -> float:
        return self.y + BOX[1]
