"""The database server hangs.

It gets SIGSTOP: its process is there, its port takes connections, and it answers nothing.  Pacemaker's look at it asks
a query, which times out; the server is stopped, by force in the end, and started again, or the service moves.  Nobody
needs to be fenced.
"""

from tests.lab.drills.audit import Expectation
from tests.lab.drills.drill import Drill

EXPECTED = Expectation(fencings=(0, 1))
SETTLE_SECONDS = 420.0


def run(drill: Drill) -> None:
    """Stop the server's process, and wait for rows."""
    at = drill.fault_on(drill.serving, "mysqld hangs (SIGSTOP)", "pkill -STOP --exact 'mariadbd|mysqld'")
    # A stop's time-out is five minutes, of which InnoDB's end of work may need much.
    drill.wait_writes(at + 1, 480)
