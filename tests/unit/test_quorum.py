"""What `make status` makes of the answers of Corosync's tools."""

from operations.status import quorum

WHOLE = """\
Quorum information
------------------
Quorate:          Yes

Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      3
Quorum:           2
Flags:            Quorate WaitForAll Qdevice

Qdevice-net information
----------------------
QNetd host:             10.32.0.6:5403
State:                  Connected
"""


def status(*answers: str) -> quorum.WitnessStatus:
    return quorum.read("third", {f"node-{n}": answer for n, answer in enumerate(answers, 1)})


def test_a_witness_that_votes() -> None:
    found = status(WHOLE, WHOLE)
    assert found == quorum.WitnessStatus("third", [], 3, 3)
    assert found.as_text() == "witness   third, connected, votes 3 of 3"


def test_a_witness_out_of_reach() -> None:
    lost = WHOLE.replace("Connected", "Connect failed").replace("Total votes:      3", "Total votes:      2")
    found = status(lost, lost)
    assert found.as_text() == "witness   third, NOT REACHED from node-1 and node-2, votes 2 of 3"


def test_a_node_that_cannot_be_asked() -> None:
    found = status(WHOLE, "")
    assert found == quorum.WitnessStatus("third", [], 3, 3), "it is the node that is away"


def test_nobody_can_be_asked() -> None:
    found = status("", "")
    assert found == quorum.WitnessStatus("third", [], 0, 0)
    assert found.as_text() == "witness   third, unknown: no node answers"
