"""The fixtures of every test here."""

from tests.support.fixtures import asked_again_at_once, bench, keys_of_the_shelf, loop

__all__ = ["asked_again_at_once", "bench", "keys_of_the_shelf", "loop"]
