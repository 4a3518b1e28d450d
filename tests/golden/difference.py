"""A text as the difference to another, which can be taken back, and has no line numbers.

A hunk begins with `@@` and, where that has changed since the hunk before, the line that begins the section it is in: a
Bash function, a document that a script writes, a key of YAML. Then come lines as `diff -u` has them: ` ` for a line of
both, `-` for one of the first text only, `+` for one of the second only. A hunk has as many lines of both before its
change as it takes to find its place, which is the first fitting one behind the hunk before: often none. So a change of
both texts changes no difference between them.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

_SECTION = re.compile(r"\w+\(\) \{.*|.*<<'\w+'.*|[^\s#-].*:")


class DoesNotFit(Exception):
    """A difference is to another text."""


def difference(first: str, second: str) -> str:
    """Return what to do to the first text to have the second; empty where they are the same.

    Args:
        first: any text, whose last line ends.
        second: likewise.
    """
    if first == second:
        return ""
    old, new = first.splitlines(), second.splitlines()
    said: list[str] = []
    place = 0
    for kind, begin, end, new_begin, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        section = max((line for line in range(place, begin) if _SECTION.fullmatch(old[line])), default=None)
        if section is not None and old.index(old[section], place) == section:
            said.append(f"@@ {old[section]}")
            place = section + 1
        else:
            said.append("@@")
        context = 0 if kind != "insert" or begin == place else 1
        while _find(old, old[begin - context : end], place) != begin - context:
            context += 1
        said += [f" {line}" for line in old[begin - context : begin]]
        said += [f"-{line}" for line in old[begin:end]]
        said += [f"+{line}" for line in new[new_begin:new_end]]
        place = end
    text = "".join(f"{line}\n" for line in said)
    assert patched(first, text) == second
    return text


def patched(first: str, text: str) -> str:
    """Return the second text.

    Args:
        first: the first text.
        text: the difference of both.

    Raises:
        DoesNotFit: the difference is to another text.
    """
    old, new = first.splitlines(), list[str]()
    place = 0
    for header, *lines in _hunks(text.splitlines()):
        if header != "@@":
            begin = _find(old, [header.removeprefix("@@ ")], place) + 1
            new += old[place:begin]
            place = begin
        found = [line[1:] for line in lines if line[0] != "+"]
        begin = _find(old, found, place)
        new += old[place:begin]
        new += [line[1:] for line in lines if line[0] != "-"]
        place = begin + len(found)
    return "".join(f"{line}\n" for line in new + old[place:])


def _hunks(lines: Sequence[str]) -> list[list[str]]:
    hunks: list[list[str]] = []
    for line in lines:
        if line.startswith("@@"):
            hunks.append([])
        hunks[-1].append(line)
    return hunks


def _find(lines: Sequence[str], wanted: Sequence[str], begin: int) -> int:
    """Return where the wanted lines first are, at or behind a place."""
    for place in range(begin, len(lines) - len(wanted) + 1):
        if list(lines[place : place + len(wanted)]) == list(wanted):
            return place
    raise DoesNotFit(f"not found: {wanted}")
