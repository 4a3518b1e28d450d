"""When the service is moved, and when it is not; what is told of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from operations import move
from operations.error import OperationError
from operations.ssh import Node
from operations.ssh_agent import Agent
from operations.stack import Stack
from operations.status import asking, facts
from operations.status.facts import Facts
from tests.unit.test_status import (
    NO_QUORUM,
    SYNCS,
    TWO_IS_OFFLINE,
    WAITS,
    Said,
    ban,
    disk,
    failed_on_one,
    node,
    node_two,
    pacemaker,
    said,
)


def seen(*changes: Callable[[Said], None], unreached: str = "") -> Facts:
    """Return the facts of two nodes that are well but for the changes; node one serves."""
    nodes = said()
    for change in changes:
        change(nodes)
    return facts.read({name: "" if name == unreached else json.dumps(answer) for name, answer in nodes.items()})


def test_a_cluster_that_is_well() -> None:
    assert move.why_not(seen()) == ""


def test_what_is_no_reason() -> None:
    """What the other node can serve with."""
    assert move.why_not(seen(node("two", host="web-7.example.com"), node("one", cannot_ask="Too many"))) == ""


MAINTENANCE = pacemaker(('maintenance-mode="false"', 'maintenance-mode="true"'))
HISTORY = '<node name="two"><resource_history id="mysql-server" migration-threshold="3" fail-count="3"/></node>'
FAILED_ON_TWO = pacemaker(("<node_history>", f"<node_history>{HISTORY}"))
REASONS: list[tuple[str, list[Callable[[Said], None]], str, str]] = [
    # name, what is otherwise, a node that cannot be reached, the reason's beginning
    ("offline", [pacemaker(TWO_IS_OFFLINE), disk("one", *WAITS)], "two", "two is not in the cluster, and cannot"),
    ("not reached", [], "two", "two cannot be reached by SSH"),
    ("standby", [pacemaker(node_two('online="true" standby="true"')), disk("one", *WAITS), node("two", drbd=None)], "",
     "two is in standby"),
    ("shutting down", [pacemaker(node_two('online="true" shutdown="true"'))], "", "two may not serve now"),
    ("copying", [disk("two", *SYNCS)], "", "two copies from one what it has missed, 22.3 % done"),
    ("outdated", [disk("two", ("UpToDate/UpToDate", "Outdated/UpToDate"))], "", "the copy on two is Outdated"),
    ("verify", [disk("one", ("cs:Connected", "cs:VerifyS"))], "", "DRBD on one is VerifyS, UpToDate/UpToDate, but"),
    ("no DRBD", [node("two", drbd=None)], "", "DRBD is down on two"),
    ("maintenance", [MAINTENANCE], "", "the cluster is in maintenance"),
    ("barred", [pacemaker(ban("cli-ban-mysql-on-two", "mysql"))], "", "mysql is barred from two"),
    ("barred by DRBD", [pacemaker(ban("drbd-fence-by-handler-r0-drbd-r0-clone", "drbd-r0-clone"))], "",
     "two is barred from promotion"),
    ("failed there", [FAILED_ON_TWO], "", "mysql-server has failed on two, and may not run there"),
    ("nobody serves", [node("one", listens=False)], "", "nobody serves"),
    ("no quorum", [pacemaker(NO_QUORUM)], "", "there is no quorum"),
    ("in its turn", [node("two", has_left=True)], "", "two has left the cluster for its machine's turn"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "unreached", "reason"), [row[1:] for row in REASONS], ids=[r[0] for r in REASONS])
def test_a_move_is_refused(changes: list[Callable[[Said], None]], unreached: str, reason: str) -> None:
    assert move.why_not(seen(*changes, unreached=unreached)).startswith(reason)


def test_what_has_failed_once_is_no_reason() -> None:
    assert move.why_not(seen(pacemaker(failed_on_one("1")))) == ""


def test_the_script_has_been_read_before_it_begins() -> None:
    """It comes by standard input, and what it runs must not eat the rest of it."""
    text = (Path(move.CONFIGS) / "pacemaker" / "move.sh").read_text()
    assert text.endswith('\nmain "$@" </dev/null\n')


class Moving:
    """A stack whose node that serves says what it is told to say, and reads the script."""

    def __init__(self, patch: pytest.MonkeyPatch, says: str, *, after: Facts) -> None:
        self.told: list[str] = []
        nodes = [Node(name, "ssh admin@address", Agent(Path())) for name in ("one", "two")]
        patch.setattr(Stack, "nodes", property(lambda stack: nodes))
        patch.setattr(Stack, "outputs", {})
        patch.setattr(Stack, "settings", {"operatingSystem": "debian-12"})
        found = iter([seen(), after])

        def ask(nodes: object, witness: object) -> Facts:
            return next(found)

        def command(node: Node, remote: str, *options: str) -> list[str]:
            self.told.append(f"{node.name}: {remote}")
            return ["bash", "-c", f"tail -n 1; {says}"]

        patch.setattr(asking, "ask", ask)
        patch.setattr(Node, "command", command)

    def move(self) -> move.Moved:
        return move.move(object.__new__(Stack), self.told.append)


TWO_SERVES = pacemaker(
    ('failure_ignored="false"><node name="one"/>', 'failure_ignored="false"><node name="two"/>'),
)


def moved_to_two() -> Facts:
    return seen(TWO_SERVES, node("one", listens=False), node("two", listens=True))


def test_a_move_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    says = "echo pages 3; echo left 0 0.5; echo moved 4.2"
    moving = Moving(monkeypatch, says, after=moved_to_two())
    assert moving.move() == move.Moved("one", "two", 4.2)
    assert moving.told == [
        "one serves, two has all data and will take over: clients will lose their connections",
        "one: systemd-run --quiet --pipe --wait --collect --unit=azure-mysql-ha-move bash -s --"
        " one two /usr/bin/mariadb /run/mysqld/mysqld.sock",
        'main "$@" </dev/null',
        "one writes out 3 pages, and still serves",
        "after 0.5 s 0 pages are left; the service moves",
        "two serves: 4.2 s from the first step until its server greeted",
    ]


@pytest.mark.parametrize(
    ("says", "after", "reason"),
    [
        ("echo failed something has failed on two", seen(), "^something has failed on two$"),
        (
            "echo pages 3; echo no route >&2; exit 255",
            seen(),
            r"one does not say whether the service has moved \(no route\)",
        ),
        ("echo moved 4.2", seen(), "two had begun to serve, but now one does"),
        ("echo moved 4.2; echo failed the constraint is still there", moved_to_two(), "the constraint is still there"),
    ],
)
def test_a_move_that_fails_is_told(says: str, after: Facts, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperationError, match=reason):
        Moving(monkeypatch, says, after=after).move()
