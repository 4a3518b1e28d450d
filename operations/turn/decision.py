"""Whether a node's machine may go now."""

from dataclasses import dataclass

from operations.error import OperationError
from operations.turn.view import View, Wanted

# For as long nothing may change in what is waited for. A new machine of Azure's has its packages and its place in the
# cluster in a third of that; the progress of a resynchronisation is a change.
_PATIENCE_SECONDS = 1800.0
# A node that restarts is away for a minute or two. One that is away for longer is off, or not to be reached from here.
_AWAY_SECONDS = 300.0


class TurnError(OperationError):
    """The turn cannot be told, or the node cannot leave. The text is one line: what was found, and what to do."""


@dataclass(frozen=True)
class Done:
    """The machine is as it is to be: nothing will happen to it, and the node stays, or comes back if it had left."""


@dataclass(frozen=True)
class Go:
    """The machine may be restarted or replaced.

    Args:
        leave: whether the node is a member, and is to leave first.
    """

    why: str
    leave: bool
    peer_must_serve: bool = True


@dataclass(frozen=True)
class Wait:
    """Not yet.

    Args:
        seconds: how long nothing may change in that.
    """

    what_for: str
    seconds: float = _PATIENCE_SECONDS


Decision = Done | Go | Wait


def decide(node: str, peer: str, *, first: bool, wanted: Wanted, own: View | None, others: View | None) -> Decision:
    """Tell whether a node's machine may go now.

    Args:
        first: whether it goes first where neither serves.
        wanted: what its machine is to be.
        own: how it is; None where it cannot be reached.
        others: how the peer is; None likewise.

    Raises:
        TurnError: no waiting would help.
    """
    if own is not None:
        if own.machine is None:
            return Wait(f"Azure's metadata service to answer on {node}", _AWAY_SECONDS)
        if own.machine == wanted:
            return Done()
        was, will = (image.split(":")[:2] for image in (own.machine.image, wanted.image))
        if was != will:
            raise TurnError(
                f"{node} runs {':'.join(was)} and is to run {':'.join(will)}: another operating system needs a new"
                " cluster, since its MySQL, Corosync and Pacemaker may not understand the old ones. Set operatingSystem"
                " back"
            )
        if own.members is not None and not own.has_left and node not in own.away:
            return _member(node, peer, first, wanted, own, others)
    return _not_a_member(node, peer, own, others)


def _not_a_member(node: str, peer: str, own: View | None, others: View | None) -> Decision:
    """A node that is off, gone, or has left: it takes nothing along if the peer serves with all data."""
    if own is not None and not own.has_cluster:
        return Go("there is no cluster on it yet", leave=False)
    if others is None:
        whom = peer if own else f"{node} or {peer}"
        return Wait(f"{whom} to be reached by SSH (is this machine in adminCidrs?)", _AWAY_SECONDS)
    if others.members is None:
        return Wait(f"Pacemaker to run on {peer}", _AWAY_SECONDS)
    if others.serving != peer:
        return Wait(f"{peer} to serve", _AWAY_SECONDS)
    if others.disks[:1] != ("UpToDate",):
        return Wait(f"{peer} to have all data ({'/'.join(others.disks) or 'its DRBD is down'})")
    if own is None and node in others.members:
        return Wait(f"{node} to be reached by SSH: {peer} sees it in the cluster", _AWAY_SECONDS)
    if node not in others.away:
        return Wait(f"{node} to be gone for good: {peer} sees it neither in the cluster nor off", _AWAY_SECONDS)
    return Go(f"{peer} serves without it", leave=own is not None)


def _member(node: str, peer: str, first: bool, wanted: Wanted, own: View, others: View | None) -> Decision:
    assert own.members is not None
    if own.by_hand:
        raise TurnError(f"{own.by_hand}, so nothing would leave {node}; end that, then run pulumi up again")
    if peer not in own.members:
        return Wait(f"{peer} to be in the cluster, and able to take over")
    if not own.connected or own.disks != ("UpToDate", "UpToDate"):
        synced = f", {own.synced} % copied" if own.synced else ""
        return Wait(f"both disks to have all data ({'/'.join(own.disks) or 'DRBD is down'}{synced})")
    if differing := max(own.differing, others.differing if others else 0):
        why = f"{differing} KiB differ: docs/operations/blocks-differ.md"
        return Wait(f"both disks to have the same data ({why})", _AWAY_SECONDS)
    if own.votes_missing:
        return Wait(f"all votes ({own.votes_missing} missing: is the witness running?)")
    if others is None or others.members is None:
        return Wait(f"{peer} to be reached by SSH", _AWAY_SECONDS)
    if others.machine == wanted:
        return Go(f"{peer} is done and has all data", leave=True, peer_must_serve=own.serving != "")
    if own.serving == peer:
        return Go(f"{peer} serves, this one is idle", leave=True)
    if own.serving == "" and first:
        return Go("neither serves, and this one is the first", leave=True, peer_must_serve=False)
    return Wait(f"{peer}'s turn to be over")
