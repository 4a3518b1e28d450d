"""Draws the picture: `make diagram`."""

from operations.diagram.picture import PICTURE, STACK, draw
from operations.recording import record

PICTURE.write_text(draw(record(STACK)))
