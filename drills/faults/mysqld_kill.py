"""The database server is killed (kill -9).

Pacemaker's next check (monitor of mysql-server) finds that it is gone.  It is restarted where it was, and InnoDB
recovers from its log; after too many failures the service moves to the other node instead.  Nobody is fenced.
"""

from drills.drill import Drill
from drills.proof.alerts import Telling
from drills.proof.audit import Expectation

ORDER = 90
EXPECTED = Expectation(fencings=(0, 0), telling=Telling(("MysqlResourceFailed",)))
WITHOUT_FENCING = True


def run(drill: Drill) -> None:
    command = "pkill -KILL --exact 'mariadbd|mysqld'"
    at = drill.fault_on(drill.serving, "mysqld is killed with SIGKILL", command)
    drill.wait_writes(at + 1)
