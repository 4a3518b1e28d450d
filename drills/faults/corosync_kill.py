"""Corosync is killed (kill -9) on the node that serves.

Pacemaker ends with it, and what it watched goes on unwatched: the server runs, DRBD is promoted.  The other node misses
a member and has it switched off before it serves, or the node's own service manager restarts everything in time, and
the server never stops: with a witness the vote's daemon, which it restarts, brings Corosync back within a second.
"""

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 110
# systemd may start it again before anybody misses it: then there is nobody to tell.
EXPECTED = Expectation(fencings=(0, 1), telling=Telling(also=(*NODE_LOST, "MysqlResourceFailed")))


def run(drill: Drill) -> None:
    at = drill.fault_on(drill.serving, "corosync is killed with SIGKILL", "pkill -KILL --exact corosync")
    drill.wait_writes(at + 15)
