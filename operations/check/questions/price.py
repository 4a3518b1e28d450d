"""What will it cost a month?"""

from collections.abc import Iterator

from operations.check.answer import Answer
from operations.check.asked import Asked
from operations.price.month import bill


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for the whole stack, and for what has no price."""
    try:
        found = bill(asked.plan)
    except OSError as error:
        yield Answer("unknown", "per month", f"the price list cannot be reached: {error}")
        return
    yield Answer("yes", "per month", f"{found.after:.2f} USD, {found.difference:+.2f} by this update")
    for part in found.unknown:
        yield Answer("unknown", part, "has no price in the list")
