"""The node that serves dies as soon as the other one, which has missed writes, is a member again.

The idle machine is killed, the other one takes writes alone, and the fenced one starts.  At the moment when Corosync
has it back, but before DRBD has told it what it has missed, the one that serves dies.  The survivor has quorum, but its
data are old, so nobody may serve.  It fences the other one, which starts it; or it has seen too little of it to miss
it: then the status says why nobody serves, and it has the other one started after waiting alone for a minute.
"""

import time

from drills.drill import Drill
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 190
# The second machine's, or its start, which the lab counts as one.
EXPECTED = Expectation(fencings=(1, 2), telling=Telling(NODE_LOST, also=NOBODY_SERVES))
SETTLE_SECONDS = 420.0
HELD_SECONDS = 40.0
BACK_SECONDS = 180.0
"""Longest time from the loss of the second machine until rows are acknowledged again, without any help."""


def run(drill: Drill) -> None:
    survivor, returned = drill.serving, drill.idle
    drill.fault("power is cut", returned)
    drill.target.cut_power(returned)
    drill.wait("fencing", drill.seen.fenced, 240)
    drill.wait_writes(drill.seen.last_fencing())
    for node, sees in (
        (survivor, f"corosync-quorumtool -l | grep --quiet --word-regexp {returned.name}"),
        (returned, "corosync-quorumtool -s | grep --quiet '^Quorate: *Yes'"),
    ):
        node.run(f"until {sees}; do :; done", timeout=240)
    drill.event("is a member again", returned)
    at = drill.fault("power is cut", survivor)
    drill.target.cut_power(survivor)
    drill.pause(HELD_SECONDS, "nobody may serve old data")
    if not drill.target.power()[survivor.name]:
        drill.check(not drill.seen.is_promoted(returned), "the side with old data was promoted")
        drill.check_status_warns()
    drill.wait_writes(at + 1, BACK_SECONDS - (time.time() - at))
