"""The kernel of the machine that serves panics.

Done with SysRq c, over SSH.  The machine says nothing more: its services have no chance to stop, and nothing is left
that could write.  For the other node this is the same as a loss of power, and so is what follows.
"""

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 20
EXPECTED = Expectation(fencings=(1, 1), telling=Telling(NODE_LOST))


def run(drill: Drill) -> None:
    command = "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger"
    at = drill.fault_on(drill.serving, "the kernel panics (SysRq c)", command)
    drill.wait_served(drill.idle, at)
