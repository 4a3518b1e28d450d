"""The network between the nodes breaks, in both directions.

Both machines live, both reach Azure and their clients, but neither hears the other: each believes that the other is
dead.  They race to have the other one switched off, and the one that does not serve starts late
(priority-fencing-delay), so the one that serves wins and goes on.  Writes wait until it has won, since until then
nobody knows whether the other copy is being written to.  The loser boots, finds itself alone, and may not start
anything before it has seen its peer.  When the network is repaired, it joins.
"""

import time

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 40
EXPECTED = Expectation(fencings=(1, 1), telling=Telling(NODE_LOST))


def run(drill: Drill) -> None:
    drill.fault("the network between the nodes is cut")
    drill.target.part()
    drill.wait("fencing", drill.seen.fenced, 240)
    drill.wait_writes(drill.seen.last_fencing())
    drill.pause(20, "one side goes on alone")
    drill.check(drill.seen.writes_since(time.time() - 2), "nobody serves while the network is cut")
    drill.fault_end("the network is repaired")
    drill.target.join()
