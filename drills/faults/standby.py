"""The node that serves is put in standby, and brought back; then the other one; ten times.

This is how a node is taken out for maintenance.  Each time the server is stopped cleanly, its data is on both disks,
and the other node starts it.  On a node in standby, DRBD is down: it copies what it has missed before it is its turn
again.  Nobody is fenced.
"""

from drills.drill import Drill
from drills.proof.audit import Expectation

ORDER = 140
EXPECTED = Expectation(fencings=(0, 0), moves=None)
WITHOUT_FENCING = True


def run(drill: Drill) -> None:
    for number in range(1, drill.extent.moves + 1):
        drill.find_serving()
        before, after = drill.serving, drill.idle
        at = drill.fault(f"standby, move {number} of {drill.extent.moves}", before)
        before.run(f"crm node standby {before.name}", timeout=120)
        drill.wait_served(after, at)
        drill.fault_end("online again", before)
        before.run(f"crm node online {before.name}", timeout=120)
        drill.wait_strength()
