"""The picture in README and architecture is what tests/docs/diagram makes of the program."""

import re
from itertools import combinations

import pytest

from tests.docs.diagram.picture import PICTURE, STACK, draw
from tests.golden.cases import resources
from tests.support.expected import hold_against

pytestmark = pytest.mark.xdist_group("recorded")


def test_picture_is_the_programs() -> None:
    hold_against(PICTURE, draw(resources(STACK)))


def test_every_resource_has_a_box_of_its_own_place() -> None:
    picture = draw(resources(STACK))
    boxes = re.findall(
        r'<rect class="(?:azure|script|outside)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', picture
    )
    places = [tuple(float(number) for number in box) for box in boxes]
    made = [one for one in resources(STACK) if not one.type.startswith("azure-mysql-ha:")]
    # Less the resource group, which is the frame; with two of the legend, and clients and administrators.
    assert len(places) == len(made) - 1 + 4
    for (x, y, width, height), (other_x, other_y, other_width, other_height) in combinations(places, 2):
        beside = x + width <= other_x or other_x + other_width <= x
        assert beside or y + height <= other_y or other_y + other_height <= y
