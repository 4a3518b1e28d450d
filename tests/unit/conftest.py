"""The fixtures of every test here."""

from tests.support.fixtures import asked_again_at_once, keys_of_the_shelf

__all__ = ["asked_again_at_once", "keys_of_the_shelf"]
