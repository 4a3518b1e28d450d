"""The witness and the votes, as each node's own tools tell them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class WitnessStatus:
    """The witness.

    Args:
        unreached_by: the nodes of those that answer that have no connection to it.
        votes: votes of the partition with most of them, the witness's included; 0 if no node answers.
        expected_votes: all votes that there are.
    """

    name: str
    unreached_by: list[str]
    votes: int
    expected_votes: int

    def as_text(self) -> str:
        if not self.votes:
            return f"witness   {self.name}, unknown: no node answers"
        state = f"NOT REACHED from {' and '.join(self.unreached_by)}" if self.unreached_by else "connected"
        return f"witness   {self.name}, {state}, votes {self.votes} of {self.expected_votes}"


def read(name: str, answers: Mapping[str, str]) -> WitnessStatus:
    """Read what corosync-quorumtool and corosync-qdevice-tool say.

    Args:
        answers: both tools' output one behind the other, by node; empty where it cannot be asked.
    """
    return WitnessStatus(
        name=name,
        unreached_by=[node for node, answer in answers.items() if answer.strip() and not is_connected(answer)],
        votes=max(_number("Total votes", answer) for answer in answers.values()),
        expected_votes=max(_number("Expected votes", answer) for answer in answers.values()),
    )


def is_connected(answer: str) -> bool:
    """Tell whether corosync-qdevice-tool has told of a connection to the witness."""
    return re.search(r"^State:\s+Connected$", answer, re.MULTILINE) is not None


def _number(what: str, answer: str) -> int:
    found = re.search(rf"^{what}:\s+(\d+)", answer, re.MULTILINE)
    return int(found[1]) if found else 0
