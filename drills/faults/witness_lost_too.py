"""The witness is lost, and then the machine that serves loses its power.

The node that is left has one vote of three, so it must not serve; as it had quorum before, its watchdog resets it.  It
boots, finds itself alone, and after a minute has Azure start the other machine.  Together the two have quorum, without
the witness, and serve.
"""

from drills.drill import Drill
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 156
# The start of the one that was off, which the lab counts as one.
EXPECTED = Expectation(fencings=(1, 1), telling=Telling(NODE_LOST, also=(*NOBODY_SERVES, "MysqlWitnessLost")))
NEEDS_LAB = "drills reach no witness on Azure"
NEEDS_WATCHDOG = True
SETTLE_SECONDS = 420.0


def run(drill: Drill) -> None:
    left = drill.idle
    booted = drill.seen.last_boot(left)
    within = drill.target.watchdog_seconds() + 20
    drill.lab.cut_power_of_witness()
    drill.event("the witness has lost its power")
    drill.pause(10, "the cluster goes on without its witness")
    drill.check(drill.seen.last_boot(left) < booted + 2, "a machine was reset though only the witness was lost")
    at = drill.fault("power is cut", drill.serving)
    drill.target.cut_power(drill.serving)
    drill.wait("the node that is left to end itself", lambda: drill.seen.last_boot(left) > booted + 2, within)
    drill.event("has been reset by its watchdog", left)
    drill.wait_writes(at + 1, 240)
    drill.fault_end("the witness is back")
    drill.lab.start_witness()
