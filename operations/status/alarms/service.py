"""Who serves, and whether they may.

A function for each kind of alarm, which tells a line for each case of it.
"""

from collections.abc import Iterator

from operations.status.alarms.pacemaker import failures_in, reason
from operations.status.facts import Facts, has_quorum
from operations.words import listed

_DAYS_BEFORE = 30
"""The alarm of a certificate's end comes so many days before."""


def both_serve(facts: Facts) -> Iterator[str]:
    if len(facts.started) > 1:
        yield f"{listed(facts.started)} both serve: their data is diverging"


def nobody_serves(facts: Facts) -> Iterator[str]:
    if facts.serving:
        return
    if facts.cluster is None and not all(node.asked for node in facts.nodes):
        return  # what another one's Pacemaker sees, this one does not know
    if facts.cluster is None:
        is_reached = any(node.reached for node in facts.nodes)
        why = "Pacemaker answers" if is_reached else "SSH (is this machine in adminCidrs?) answers"
        yield f"nobody serves, as far as can be seen: {why} on no node"
    elif facts.started:
        yield (
            f"nobody serves: Pacemaker believes that the server on {listed(facts.started)} is started, but nothing"
            " listens on its port 3306"
        )
    else:
        states = [f"the server is {r.state} on {r.node}" for r in facts.resources if r.name == "mysql-server"]
        failures = [
            f"{failure.get('op_key', '').rpartition('_')[0].replace('_', ' ')} failed on {failure.get('node')}"
            f" ({reason(failure)})"
            for failure in failures_in(facts)
            if failure.get("op_key", "").startswith(("mysql-", "drbd-"))
        ]
        yield ": ".join(["nobody serves", *filter(None, ["; ".join(dict.fromkeys([*states, *failures]))])])


def certificate_expires(facts: Facts) -> Iterator[str]:
    days = min((node.certificates_end for node in facts.nodes if node.certificates_end is not None), default=None)
    if days is not None and days < _DAYS_BEFORE:
        when = f"expires in {int(days)} days" if days >= 0 else "has expired"
        yield f"the server's certificate, or one that it depends on, {when}: clients that check it cannot connect then"


def no_quorum(facts: Facts) -> Iterator[str]:
    without = [node.name for node in facts.nodes if node.crm_mon is not None and not has_quorum(node.crm_mon)]
    if without and len(without) == len(facts.views):
        coordinated = facts.everything("summary/current_dc[@present='true']")
        yield (
            "there is no quorum, so nobody serves"
            if coordinated
            else ("the cluster has no coordinator (DC), so nothing is started or moved")
        )
    elif without:
        yield f"{listed(without)} has no quorum, and so serves nothing"


def witness_lost(facts: Facts) -> Iterator[str]:
    witness = facts.witness
    if witness is None or not witness.votes:
        return
    if witness.unreached_by:
        yield (
            f"the witness {witness.name} cannot be reached from {listed(witness.unreached_by)}: the loss of a node may"
            " stop the service"
        )
    elif witness.votes < witness.expected_votes and all(facts.is_in(node.name) for node in facts.nodes):
        yield f"{witness.votes} of {witness.expected_votes} votes are present: the loss of a node may stop the service"
