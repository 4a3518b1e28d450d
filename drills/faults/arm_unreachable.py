"""Azure's API cannot be reached, and then the machine that serves dies.

Without a watchdog nobody can prove that it is dead: perhaps only its network is broken.  So the other node must not
serve, however long this lasts; fencing fails, is tried again, and the status says so.  When the API is back, fencing
succeeds and the service goes on by itself.

With a witness each node has a watchdog, which ends a node that has lost quorum.  Once the fence agent has failed, and
the watchdog of the dead machine would have run out, the other node serves, with the API still away.  When that is
back, the dead machine is started.
"""

import time

from drills.drill import Drill
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 150
# What did not reach the API is in nobody's log.
EXPECTED = Expectation(fencings=(1, 2), telling=Telling(NODE_LOST, also=NOBODY_SERVES))
NEEDS_LAB = "Azure's API cannot be blocked for two machines alone"
HELD_SECONDS = 90.0
SERVED_WITHIN_SECONDS = 20.0
"""Longest time from the watchdog's bound until rows are acknowledged again."""


def run(drill: Drill) -> None:
    bound = drill.target.watchdog_bound()
    drill.event("Azure's API cannot be reached from the machines any more")
    drill.lab.reach_api(False)
    at = drill.fault("power is cut", drill.serving)
    drill.target.cut_power(drill.serving)
    if bound:
        drill.wait_served(drill.idle, at, bound + SERVED_WITHIN_SECONDS)
        drill.pause(10, "one node goes on alone")
        drill.check(drill.seen.writes_since(time.time() - 2), "nobody serves while the API is away")
        drill.check(not drill.seen.fenced(), "a machine was fenced without the API")
    else:
        drill.pause(HELD_SECONDS, "nobody may serve")
        drill.check(not drill.seen.writes_since(at + 2), "rows were taken although nobody was fenced")
        drill.check(not drill.seen.is_promoted(drill.idle), "the peer was promoted although nobody was fenced")
        drill.check(not drill.seen.fenced(), "a machine was fenced without the API")
        drill.check_status_warns()
    back = drill.fault_end("the API is back")
    drill.lab.reach_api(True)
    # Fencing that hangs comes to its own end first.
    drill.wait_served(drill.idle, back, 900)
