"""Draws the picture: `make diagram`."""

from tests.docs.diagram.picture import PICTURE, STACK, draw
from tests.support.recording import record

PICTURE.write_text(draw(record(STACK)))
