"""The database server hangs.

It gets SIGSTOP: its process is there, its port takes connections, and it greets nobody.  Pacemaker's monitor waits for
that; the server is killed and started again, or the service moves.  Nobody needs to be fenced.
"""

from drills.drill import Drill
from drills.proof.audit import Expectation

ORDER = 100
EXPECTED = Expectation(fencings=(0, 1))
SETTLE_SECONDS = 420.0


def run(drill: Drill) -> None:
    at = drill.fault_on(drill.serving, "mysqld hangs (SIGSTOP)", "pkill -STOP --exact 'mariadbd|mysqld'")
    drill.wait_writes(at + 1, 480)
