"""The machines lose their power one after the other, and each gets it back at once.

First the one that does not serve, then, when all is well again, the one that does.  A machine that somebody else
reboots is missed by its peer all the same, which fences it once to be sure; if it is back before it was missed, nobody
is fenced.
"""

import time

from drills.drill import Drill
from drills.proof.alerts import NODE_LOST, Telling
from drills.proof.audit import Expectation

ORDER = 170
EXPECTED = Expectation(fencings=(0, 2), telling=Telling(NODE_LOST))
SETTLE_SECONDS = 420.0


def run(drill: Drill) -> None:
    for node in (drill.idle, drill.serving):
        drill.fault("power is cut", node)
        drill.target.cut_power(node)
        drill.wait("it to be off", lambda node=node: not drill.target.power()[node.name], 30)
        drill.fault_end("is started", node)
        drill.target.start(node)
        drill.wait_writes(time.time(), 420)
        drill.wait_strength()
