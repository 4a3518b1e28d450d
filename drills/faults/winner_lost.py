"""The network between the nodes breaks, and the winner loses its power while the loser is rebooting.

The winner has taken writes alone, so the loser's data are old.  The network is back when the loser is; it sees nobody,
and waits for the other node, since it must not serve before they have met.  A node that was never seen is not fenced,
so nobody would start it again: the loser itself has it started, after waiting alone for a minute.  They meet, and the
winner's data are served.
"""

import time

from drills.drill import Drill
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 45
# The loser's; and the winner's start, which the lab counts as one.
EXPECTED = Expectation(fencings=(1, 2), telling=Telling(NODE_LOST, also=NOBODY_SERVES))
SETTLE_SECONDS = 420.0

BACK_SECONDS = 180.0
"""Longest time from the loss of the second machine until rows are acknowledged again, without any help."""


def run(drill: Drill) -> None:
    winner, loser = drill.serving, drill.idle
    drill.fault("the network between the nodes is cut")
    drill.target.part()
    drill.wait("fencing", drill.seen.fenced, 240)
    if drill.seen.fencings()[0].machine == winner.name:
        winner, loser = loser, winner
    drill.wait_writes(drill.seen.last_fencing())
    drill.wait("the loser to be started", lambda: drill.target.power()[loser.name], 120)
    at = drill.fault("power is cut while the other reboots", winner)
    drill.target.cut_power(winner)
    drill.fault_end("the network is repaired")
    drill.target.join()
    drill.wait("it to be off", lambda: not drill.target.power()[winner.name], 30)
    drill.wait("the winner to be started", lambda: drill.target.power()[winner.name], BACK_SECONDS)
    drill.event("is started, without anybody's help", winner)
    drill.check(not drill.seen.is_promoted(loser), "the side with old data was promoted")
    drill.wait_writes(at + 1, BACK_SECONDS - (time.time() - at))
