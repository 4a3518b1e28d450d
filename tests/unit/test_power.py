"""When a node may be stopped for as long as a person wants, and what is done where that fails."""

from collections.abc import Callable
from pathlib import Path

import pytest

from operations import power, stop
from operations.error import OperationError
from operations.ssh import Node
from operations.ssh_agent import Agent
from operations.stack import Stack
from operations.status import asking
from operations.status.facts import Facts
from tests.unit.test_move import MAINTENANCE, seen
from tests.unit.test_status import SERVER_IS_STOPPED, SYNCS, TWO_IS_OFFLINE, WAITS, Said, disk, node, pacemaker

MAY: list[tuple[str, str, list[Callable[[Said], None]], str]] = [
    # name, the node, what is otherwise, a node that cannot be reached
    ("the idle one", "two", [], ""),
    ("the one that serves", "one", [], ""),
    ("one that is off", "two", [pacemaker(TWO_IS_OFFLINE), disk("one", *WAITS)], "two"),
    ("the idle one while it copies", "two", [disk("two", *SYNCS)], ""),
]
MAY_NOT: list[tuple[str, str, list[Callable[[Said], None]], str, str]] = [
    ("the last one", "one", [pacemaker(TWO_IS_OFFLINE), disk("one", *WAITS)], "two", "two has to take over, but its"),
    ("the one that serves, in maintenance", "one", [MAINTENANCE], "", "the cluster is in maintenance"),
    ("the one that serves, while the other copies", "one", [disk("two", *SYNCS)], "", "two copies from one"),
    ("where nobody serves", "two", [pacemaker(SERVER_IS_STOPPED)], "", "one has to serve, but does not"),
    ("in a turn", "two", [node("two", has_left=True)], "", "a node has left the cluster for its machine's"),
    ("where its peer has no whole disk", "two", [disk("one", ("UpToDate/UpToDate", "Diskless/UpToDate"))], "",
     "one does not have all data"),
]  # fmt: skip


def other(name: str) -> str:
    return "two" if name == "one" else "one"


@pytest.mark.parametrize(("name", "changes", "unreached"), [row[1:] for row in MAY], ids=[row[0] for row in MAY])
def test_a_node_may_be_stopped(name: str, changes: list[Callable[[Said], None]], unreached: str) -> None:
    assert stop.why_not(seen(*changes, unreached=unreached), name, other(name)) == ""


@pytest.mark.parametrize(
    ("name", "changes", "unreached", "reason"), [row[1:] for row in MAY_NOT], ids=[row[0] for row in MAY_NOT]
)
def test_a_stop_is_refused(name: str, changes: list[Callable[[Said], None]], unreached: str, reason: str) -> None:
    assert stop.why_not(seen(*changes, unreached=unreached), name, other(name)).startswith(reason)


class Recorded:
    """A stack whose nodes and whose Azure only note what they are told."""

    def __init__(self, patch: pytest.MonkeyPatch, found: Facts, refused: str = "") -> None:
        self.told: list[str] = []
        self.lines: list[str] = []
        nodes = [Node(name, "ssh admin@address", Agent(Path())) for name in ("one", "two")]
        patch.setattr(Stack, "nodes", property(lambda stack: nodes))
        patch.setattr(Stack, "outputs", {})

        def run(node: Node, remote: str, *options: str, **more: object) -> str:
            self.told.append(f"{node.name}: {remote.partition(' --update')[0]}")
            return ""

        def ask(nodes: object, witness: object) -> Facts:
            return found

        def ask_azure(stack: Stack, action: str, name: str) -> None:
            self.told.append(f"Azure: {action} {name}")
            if refused:
                raise OperationError(refused)

        patch.setattr(Node, "run", run)
        patch.setattr(power, "ask_azure", ask_azure)
        patch.setattr(asking, "ask", ask)

    def stop(self, name: str | None) -> None:
        stop.stop(object.__new__(Stack), name, self.lines.append)


MARK = "crm_attribute --node two --name stays-off"


def test_the_wish_is_noted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the other node; then the node leaves, and only then is it deallocated."""
    stack = Recorded(monkeypatch, seen())
    stack.stop("two")
    assert stack.told == [
        f"one: {MARK}", "two: systemctl stop pacemaker && systemctl stop corosync", "Azure: deallocate two"
    ]  # fmt: skip


def test_what_azure_refuses_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Recorded(monkeypatch, seen(), refused="locked")
    with pytest.raises(OperationError, match="two is not stopped, and no longer has to stay off: locked"):
        stack.stop("two")
    assert stack.told[3:] == [
        "two: systemctl start corosync && systemctl start pacemaker", f"one: {MARK} --delete"
    ]  # fmt: skip


def test_a_refusal_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Recorded(monkeypatch, seen(MAINTENANCE))
    with pytest.raises(OperationError, match="one is not stopped: the cluster is in maintenance"):
        stack.stop("one")
    for name, found in (("three", "there is no node three"), (None, "no node is named")):
        with pytest.raises(OperationError, match=f"{found}: NODE is one of one, two"):
            stack.stop(name)
    assert stack.told == []
