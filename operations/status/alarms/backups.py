"""The backups.

A function for each kind of alarm, which tells a line for each case of it. What a copy waits for while nobody serves,
another alarm tells.
"""

from collections.abc import Iterator

from operations.backup import late
from operations.status.facts import Facts


def backup_log_late(facts: Facts) -> Iterator[str]:
    if facts.backup and facts.serving:
        yield from late.log_is_late(facts.backup)


def backup_base_late(facts: Facts) -> Iterator[str]:
    if facts.backup and facts.serving:
        yield from late.base_is_late(facts.backup)


def backup_log_lost(facts: Facts) -> Iterator[str]:
    if facts.backup:
        yield from late.log_is_lost(facts.backup)


def backup_proof_fails(facts: Facts) -> Iterator[str]:
    if not all(node.asked for node in facts.nodes):
        return  # the last proof may be the other node's: rules.py knows of both
    yield from late.proof_fails(facts.proof)
    # A node that is not reached may have proved one since.
    if facts.backup and not (facts.proof and not facts.proof.ok) and all(node.reached for node in facts.nodes):
        yield from late.proof_is_late(facts.backup, facts.proof)
