"""Both machines are lost at once, and a second stack begins with the latest state that the backup has.

This is the loss of everything but the storage account.  The log is copied each minute, so only what was written in the
last minute is lost, and no row is missing that is older than one that is there.  Here the machines are only off, and
come back at the end, so that the cluster can be checked as after any drill.
"""

from drills import rescue
from drills.drill import Drill
from drills.proof import restored
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 230
EXPECTED = Expectation(fencings=(0, 1), telling=Telling(("MysqlNoNodeAnswers",), also=(*NODE_LOST, *NOBODY_SERVES)))
NEEDS_LAB = "a second stack is made and destroyed, which takes time and costs money there (docs/operations/restore.md)"
NEEDS_BACKUP = True
SETTLE_SECONDS = 420.0

LOST_SECONDS = 60.0
"""A log each minute: so much may be lost."""


def run(drill: Drill) -> None:
    # What is written before the first log of the drill would tell nothing.
    rescue.wait_for_backup(drill, drill.seen.writer.last_acknowledged)
    drill.pause(30, "writing on")
    drill.fault("power of both machines is cut")
    for node in drill.nodes:
        drill.target.cut_power(node)
    drill.wait("both to be off", lambda: not any(drill.target.power().values()), 30)
    with rescue.restored(drill, "latest") as stack:
        rows, writes = rescue.rows(drill, stack), drill.seen.writer.writes
        count, seconds = restored.lost(writes, rows)
        drill.event(f"lost: {count} rows, the last {seconds:.1f} s before the power failed")
        drill.check(seconds <= LOST_SECONDS, f"{seconds:.0f} s of writes are lost, expected at most {LOST_SECONDS:.0f}")
        for wrong in restored.holes(writes, rows):
            drill.check(False, f"restored to the latest: {wrong}")
    back = drill.fault_end("both machines are started")
    for node in drill.nodes:
        drill.target.start(node)
    drill.wait_writes(back, 420)
