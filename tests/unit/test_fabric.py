"""The lab's network never touches what is not the lab's."""

import pytest

from lab import fabric


@pytest.mark.parametrize("name", ["", "lab", "mha", "mha-", "mha-a b", "mha-../x", "cni-1234", "mha-a-b"])
def test_a_foreign_namespace_is_refused(name: str) -> None:
    for action in (fabric.create, fabric.remove, fabric.processes, fabric.exists):
        with pytest.raises(fabric.FabricError, match="only those of the lab"):
            action(name)
    with pytest.raises(fabric.FabricError):
        fabric.run_inside(name, ["true"])


def test_a_command_runs_inside() -> None:
    assert fabric.run_inside("mha-lab", ["ping", "-c1"]) == ["ip", "netns", "exec", "mha-lab", "ping", "-c1"]


def test_what_is_not_there_is_removed_already() -> None:
    assert not fabric.exists("mha-none")
    fabric.remove("mha-none")
    assert fabric.processes("mha-none") == []
