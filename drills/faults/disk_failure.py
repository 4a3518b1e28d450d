"""The data disk of the node that serves fails: every read and write ends with an error.

Done with the fault injection of DRBD's own module (enable_faults), which ends every request to the disk below with an
I/O error, also those for metadata; a kernel built without it, as Azure's are, cannot do that.  DRBD detaches the disk
(on-io-error detach) and serves from the other node's over the network, or the service moves there.  A failed disk does
not repair itself: the drill ends the fault and attaches the disk again, which then gets what it has missed.
"""

from drills.drill import Drill
from drills.proof.alerts import Telling
from drills.proof.audit import Expectation
from drills.target import DRBD_PARAMETERS

ORDER = 130
EXPECTED = Expectation(fencings=(0, 1), telling=Telling(("MysqlDataDiskFails",)))
NEEDS_LAB = "Azure's kernels have no fault injection in DRBD, and Azure never takes away a disk by force"

# Bits of enable_faults in drivers/block/drbd/drbd_int.h: metadata write and read, resync write and read, data write
# and read, read ahead.
_ALL_IO = 0x7F


def run(drill: Drill) -> None:
    node = drill.serving
    command = f"cd {DRBD_PARAMETERS} && echo 0 >fault_devs && echo 100 >fault_rate && echo {_ALL_IO} >enable_faults"
    at = drill.fault_on(node, "all I/O of the data disk fails", command)
    drill.wait("the end of the disk", lambda: drill.seen.disk(node) in ("Failed", "Diskless", "-"), 120)
    drill.event("DRBD has detached the disk", node)
    drill.wait_writes(at + 1)
    drill.pause(15, "serving without the disk")
    drill.check(drill.seen.writes_since(at + 10), "no rows are taken without the disk")
    drill.fault_end("the disk works again, and is attached", node)
    drill.wait("the node", lambda: drill.seen.sample(node) is not None, 240)
    node.run(f"cd {DRBD_PARAMETERS} && echo 0 >enable_faults && echo 0 >fault_rate; drbdadm attach r0", check=False)
