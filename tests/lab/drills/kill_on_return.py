"""The node that serves dies as soon as the other, which has missed writes, is a member of the cluster again.

The idle machine is killed, the other takes writes alone, and the fenced one starts.  In the moment in which Corosync has
it back, and before DRBD has told it what it has missed, the one that serves dies.  The one that is left has quorum,
and may fence, but its data are old: it may not be promoted before it has met the other one again.
"""

from tests.lab.drills.audit import Expectation
from tests.lab.drills.drill import Drill

# Whoever has lost quorum or sight of the other fences it once more.
EXPECTED = Expectation(fencings=(2, 3))
SETTLE_SECONDS = 420.0


def run(drill: Drill) -> None:
    """Kill the idle node, and the serving one when it is back; see that nobody serves what is old."""
    survivor, returned = drill.serving, drill.idle
    drill.fault("power is cut", returned)
    drill.target.cut_power(returned)
    drill.wait("fencing", drill.fenced, 240)
    drill.wait_writes(drill.last_fencing())
    survivor.run(f"until corosync-quorumtool -l | grep --quiet --word-regexp {returned.name}; do :; done", timeout=240)
    drill.event("is a member again", returned)
    at = drill.fault("power is cut", survivor)
    drill.target.cut_power(survivor)
    drill.wait_writes(at + 1, 420)
    drill.check(not drill.was_promoted_on_bad_data(returned, at), "the side with old data was promoted")
