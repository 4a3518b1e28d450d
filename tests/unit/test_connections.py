"""How many scripts of a first update can begin at one machine at the same time.

The command provider dials for each of them, and keeps what it has dialled.
"""

from collections.abc import Sequence

import pytest

from tests.support.recording import Resource, record

pytestmark = pytest.mark.xdist_group("recorded apart")

MOST = 10
"""Connections without a login beyond which sshd begins to drop some: sshd_config(5), MaxStartups, its default."""

LOOK = 1
"""The look at SSH before the first script (components/ssh_look.py), one at a time."""


def at_once(scripts: Sequence[Resource], after: dict[str, set[str]]) -> list[str]:
    """Return the most scripts of which none waits for another."""
    best: list[str] = []

    def grow(chosen: list[str], left: list[str]) -> None:
        nonlocal best
        best = max(best, chosen, key=len)
        for number, name in enumerate(left):
            if len(chosen) + len(left) - number <= len(best):
                return
            rest = [other for other in left[number + 1 :] if other not in after[name] and name not in after[other]]
            grow([*chosen, name], rest)

    grow([], sorted(script.name for script in scripts))
    return best


@pytest.mark.parametrize(
    ("stack", "changes"),
    [("dev", {}), ("prod", {}), ("prod", {"monitoring": True, "monitorCidrs": ["10.0.0.0/8"]})],
    ids=["dev", "prod", "prod, with monitoring"],
)
def test_sshd_drops_none(stack: str, changes: dict[str, object]) -> None:
    made = {one.name: one for one in record(stack, changes)}
    after: dict[str, set[str]] = {}

    def waits_for(name: str) -> set[str]:
        if name not in after:
            own = [other for other in made[name].dependencies if other in made]
            after[name] = {*own, *(each for other in own for each in waits_for(other))}
        return after[name]

    scripts = [one for one in made.values() if one.type == "command:remote:Command"]
    for script in scripts:
        waits_for(script.name)
    for node in (f"mysql-{stack}-1", f"mysql-{stack}-2"):
        on_node = [script for script in scripts if script.name.startswith(f"{node}-")]
        assert len(on_node) > MOST, "one at a time is not all there is"
        assert len(found := at_once(on_node, after)) + LOOK <= MOST, found
