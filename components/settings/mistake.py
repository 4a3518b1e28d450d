"""What is wrong with a setting, said to whoever wrote it."""

import difflib
from collections.abc import Iterable


class Mistake(ValueError):
    """A setting is wrong. The text says how, and what to do; it begins after the key, and quotes no secret.

    It is one line, whatever it quotes: characters that a terminal would act upon are shown as Python writes them.
    """

    def __init__(self, text: str) -> None:
        super().__init__("".join(each if each.isprintable() else repr(each)[1:-1] for each in text))


def near(value: str, allowed: Iterable[str]) -> str:
    """Return the end of a message that offers the allowed text most like the one given; empty if none is like it."""
    found = difflib.get_close_matches(value, list(allowed), n=1)
    return f"; did you mean {found[0]}?" if found else ""
