"""Corosync is killed (kill -9) on the node that serves.

Pacemaker ends with it, and what it watched goes on unwatched: the server runs, DRBD is promoted.  The other node misses
a member and has it switched off before it serves, or the node's own service manager restarts everything in time.
"""

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 110
EXPECTED = Expectation(fencings=(0, 1), telling=Telling(NODE_LOST))


def run(drill: Drill) -> None:
    at = drill.fault_on(drill.serving, "corosync is killed with SIGKILL", "pkill -KILL --exact corosync")
    drill.wait_writes(at + 15)
