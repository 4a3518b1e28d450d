"""Parts of sentences."""

from collections.abc import Sequence


def because(reason: str | None) -> str:
    """Return a reason in brackets, if there is one."""
    return f" ({reason})" if reason else ""


def listed(names: Sequence[str]) -> str:
    """Return names in a sentence, each once."""
    return " and ".join(dict.fromkeys(names))
