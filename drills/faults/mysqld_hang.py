"""The database server hangs.

It gets SIGSTOP: its process exists, its port accepts connections, but it greets nobody.  Pacemaker's monitor waits for
the greeting; then the server is killed and restarted, or the service moves.  Nobody needs to be fenced.
"""

from drills.drill import Drill
from drills.proof.alerts import Telling
from drills.proof.audit import Expectation

ORDER = 100
EXPECTED = Expectation(fencings=(0, 1), telling=Telling(("MysqlResourceFailed",)))
SETTLE_SECONDS = 420.0


def run(drill: Drill) -> None:
    at = drill.fault_on(drill.serving, "mysqld hangs (SIGSTOP)", "pkill -STOP --exact 'mariadbd|mysqld'")
    drill.wait_writes(at + 1, 480)
