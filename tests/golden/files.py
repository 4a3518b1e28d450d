"""What tests/golden/expected has of each case; its README.md tells how to read that."""

import functools
import re
from collections.abc import Mapping

from tests.golden.cases import CASES, azure, graph, renamed, scripts, swapped
from tests.golden.difference import DoesNotFit, difference, patched
from tests.golden.parts import taken_apart


@functools.cache
def rendered(case: str) -> Mapping[str, str]:
    """Return every text of a case by the name of its file, scripts taken apart; not to be changed."""
    made = taken_apart({f"{name}.sh": text for name, text in scripts(case).items()})
    return made | {"graph.yaml": graph(case), "azure.yaml": azure(case)}


@functools.cache
def files(case: str) -> Mapping[str, str]:
    """Return what is to be in the folder of a case: whole texts, and differences to others where there are any.

    A file of another machine than the first is a difference to the same of another case too, and not there if that is
    the one which the first has. If no other case has the file, it is a difference to the first machine's, or whole
    where that would not be half as long.
    """
    own, others = rendered(case), _others(case)
    made: dict[str, str] = {}
    for name, text in own.items():
        first, machine = _of_the_first(name)
        if name in others:
            if not machine or not _is_changed_as(first, name, machine, case):
                made[f"{name}.diff"] = difference(others[name], text)
        else:
            changed = difference(_as_if_on(machine, own[first], case), text) if machine and first in own else text
            made |= {f"{name}.diff": changed} if 2 * len(changed) < len(text) else {name: text}
    return {name: text for name, text in made.items() if text}


def _of_the_first(name: str) -> tuple[str, str]:
    """Return what a file of another machine is called for the first, and the end of that other machine's name."""
    machine = re.search("-(2|witness)(?=-)", name)
    return (f"{name[: machine.start()]}-1{name[machine.end() :]}", machine[1]) if machine else (name, "")


def _as_if_on(machine: str, text: str, case: str) -> str:
    """Return a text of the first machine as it would be on another if nothing but names made the difference."""
    if machine == "2":
        return swapped(case, text)
    cluster = CASES[case].names[0]
    return re.sub(rf"\b{re.escape(cluster)}-1\b", f"{cluster}-{machine}", text)


@functools.cache
def _others(case: str) -> Mapping[str, str]:
    """Return the texts that a case's are differences to, with the case's own names."""
    found: dict[str, str] = {}
    for other in CASES[case].like:
        for name, text in rendered(other).items():
            found.setdefault(renamed(name, other, case), renamed(text, other, case))
    return found


def _is_changed_as(first: str, name: str, machine: str, case: str) -> bool:
    """Tell whether a file of another machine differs from another case's as that of the first does."""
    own, others = rendered(case), _others(case)
    if first not in own or first not in others:
        return False
    changed = _as_if_on(machine, difference(others[first], own[first]), case)
    try:
        return patched(others[name], changed) == own[name]
    except DoesNotFit:
        return False
