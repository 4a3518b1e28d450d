"""The watchdog, the second level of fencing: a node without quorum ends itself, and the other one counts on that.

The times follow from Corosync's token. What a vote of the witness may take is in configs/corosync/corosync.conf.j2 too.
"""

from dataclasses import dataclass

_SHORTEST_VOTE_MS = 1250
"""Below it corosync-qdevice would have to send heartbeats more often than each second (a heartbeat is 0.8 of it)."""

_OWN_SECONDS = 5
"""What sbd itself may take to notice that its node is not well: it looks each second, and believes a word of
Pacemaker's for 4 s (sbd(8): timeout of the loop, 1 s, and of I/O, 3 s)."""


@dataclass(frozen=True)
class Watchdog:
    """The watchdog's times.

    Args:
        timeout_seconds: how long after sbd's last sign of life the machine is reset.
        fencing_seconds: after how long without an answer a node counts as fenced by its own watchdog.
    """

    timeout_seconds: int
    fencing_seconds: int


def vote_ms(token_ms: int) -> int:
    """Return corosync-qdevice's time-out: how long after its last word the witness takes a node for gone.

    Args:
        token_ms: Corosync's token.
    """
    return max(token_ms, _SHORTEST_VOTE_MS)


def longest_vote_ms(token_ms: int) -> int:
    """Return corosync-qdevice's sync_timeout: three times the other, as its defaults are (corosync-qdevice(8))."""
    return 3 * vote_ms(token_ms)


def watchdog(token_ms: int) -> Watchdog:
    """Return the times that fit a token.

    A node that has lost the other one still believes in its quorum for as long as it may wait for the witness's vote.
    Then sbd notices, and the watchdog runs out. So a node is gone after longest vote + 5 s + the watchdog's time.
    With a watchdog of longest vote + 5 s that is twice the watchdog's time: the rule by which SUSE's crmsh sets both
    (github.com/ClusterLabs/crmsh, pull requests 818 and 1988; `crm help TimeoutFormulas`).
    """
    timeout = -(-longest_vote_ms(token_ms) // 1000) + _OWN_SECONDS
    return Watchdog(timeout_seconds=timeout, fencing_seconds=2 * timeout)
