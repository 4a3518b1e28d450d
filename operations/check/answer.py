"""An answer to a question, and what it is about."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Answer:
    """A line of the table.

    Args:
        verdict: "no" is what the update would fail with, or what would be wrong after it.
        about: such as a size.
        text: what was found; with a "no" what to do, too.
    """

    verdict: Verdict
    about: str
    text: str


def from_complaints(about: str, complaints: list[str], good: str) -> Answer:
    """Return "no" with all complaints, or "yes" if there is none.

    Args:
        about: as of `Answer`.
        complaints: what is wrong.
        good: what is right.
    """
    return Answer("no", about, "; ".join(complaints)) if complaints else Answer("yes", about, good)
