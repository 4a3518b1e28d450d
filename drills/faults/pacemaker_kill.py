"""All of Pacemaker's daemons are killed (kill -9) on the node that serves.

Corosync and the server go on.  The service manager restarts Pacemaker, which finds what runs and goes on watching it;
or the other node has missed it for too long, and has the machine switched off.
"""

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 120
# systemd may start it again before anybody misses it: then there is nobody to tell.
EXPECTED = Expectation(fencings=(0, 1), telling=Telling(also=(*NODE_LOST, "MysqlResourceFailed")))


def run(drill: Drill) -> None:
    at = drill.fault_on(drill.serving, "all of Pacemaker is killed with SIGKILL", "pkill -KILL '^pacemaker'")
    drill.wait_writes(at + 15)
